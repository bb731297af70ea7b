//! Whom the certificates of the cluster's own mTLS name.

use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
use moneyer_identity::{ControllerName, RunnerId};
use serde::{Deserialize, Serialize};

use crate::audit::Actor;
use crate::enrollment::member::MemberKind;
use crate::x509::CertificateError;

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
