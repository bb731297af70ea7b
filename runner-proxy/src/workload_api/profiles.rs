//! Which profiles are offered (Workload API, sections 3 and 7): an operator may switch one off.
//!
//! A call of one that is off is `UNIMPLEMENTED`, and reflection does not list it.

use moneyer_proto::workload::FILE_DESCRIPTOR_SET;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::service::Routes;

use super::status::Refusal;
use crate::config::WorkloadApiSection;
use crate::metrics::WorkloadCall;

/// The profiles, and what the API tells of them.
#[derive(Clone)]
pub(crate) struct Profiles {
    offered: WorkloadApiSection,
    reflection: Routes,
}

/// Why the API cannot tell of itself.
#[derive(Debug, thiserror::Error)]
pub enum ReflectionError {
    /// Its description is none.
    #[error("the description of the Workload API cannot be read")]
    Description(#[source] prost::DecodeError),
    /// The service cannot be made of it.
    #[error("the Workload API cannot be described")]
    Service(#[source] tonic_reflection::server::Error),
}

impl Profiles {
    /// These.
    pub(crate) fn new(offered: WorkloadApiSection) -> Result<Self, ReflectionError> {
        let mut description =
            FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).map_err(ReflectionError::Description)?;
        let services = description.file.iter_mut().flat_map(|file| &mut file.service);
        for service in services {
            service.method.retain(|method| {
                let name = method.name();
                let is_x509 = name.contains("X509");
                (is_x509 && offered.x509) || (!is_x509 && offered.jwt)
            });
        }
        let service = tonic_reflection::server::Builder::configure()
            .register_file_descriptor_set(description)
            .build_v1()
            .map_err(ReflectionError::Service)?;
        Ok(Self { offered, reflection: Routes::new(service) })
    }

    /// The service of gRPC reflection.
    pub(super) fn reflection(&self) -> Routes {
        self.reflection.clone()
    }

    /// Refuses a call of a profile that is off.
    pub(super) fn check(&self, call: WorkloadCall) -> Result<(), Refusal> {
        let is_offered = match call {
            WorkloadCall::FetchX509Svid | WorkloadCall::FetchX509Bundles => self.offered.x509,
            WorkloadCall::FetchJwtSvid
            | WorkloadCall::FetchJwtBundles
            | WorkloadCall::ValidateJwtSvid => self.offered.jwt,
        };
        if is_offered { Ok(()) } else { Err(Refusal::ProfileOff) }
    }
}
