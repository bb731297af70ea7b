//! Certificates of the cluster's own mTLS, as values.

use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
use moneyer_identity::{ControllerName, RunnerId, UnixTime};
use serde::{Deserialize, Serialize};

use crate::audit::Actor;
use crate::enrollment::member::MemberKind;
use crate::store::Cause;

/// Why a certificate is not made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The request is not PKCS#10, is not signed by its own key, or is too long.
    #[error("the certificate request is malformed or not signed by its own key")]
    Request(#[source] Cause),
    /// The request's key is not P-256.
    #[error("the certificate request's key is not a P-256 key")]
    Key,
    /// The library could not make it.
    #[error("the certificate could not be made")]
    Make(#[source] Cause),
}

/// Who is invited: a runner or a controller by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Principal {
    /// A runner host.
    Runner(RunnerId),
    /// A sandbox controller.
    Controller(ControllerName),
}

impl Principal {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> MemberKind {
        match self {
            Self::Runner(_) => MemberKind::Runner,
            Self::Controller(_) => MemberKind::Controller,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Runner(id) => id.as_str(),
            Self::Controller(name) => name.as_str(),
        }
    }

    /// As the audit log names it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::Runner(id) => Actor::Runner(id.clone()),
            Self::Controller(name) => Actor::Controller(name.clone()),
        }
    }

    /// `spiffe://<trust domain>/moneyer/<kind>/<name>`.
    pub(super) fn id(&self, trust_domain: &TrustDomain) -> Result<SpiffeId, CertificateError> {
        SpiffeId::of(trust_domain, &["moneyer", self.kind().as_str(), self.name()])
            .map_err(|error| CertificateError::Make(error.into()))
    }
}

/// A certificate just made.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// X.509, DER.
    pub der: Vec<u8>,
    /// The SPIFFE ID in it.
    pub id: SpiffeId,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// First second it is valid.
    pub not_before: UnixTime,
    /// First second it is no longer valid.
    pub not_after: UnixTime,
}
