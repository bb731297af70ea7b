//! Why a federation is not put, removed or brought up to date. Nothing was changed.

use moneyer_identity::ErrorClass;
use moneyer_identity::spiffe::TrustDomain;

use super::acceptance::Refused;
use super::endpoint::FederationError;
use super::keeper::MAXIMUM_FEDERATIONS;
use crate::audit::{AuditError, LedgerError};
use crate::store::StoreError;

/// Why federations cannot be loaded or changed.
#[derive(Debug, thiserror::Error)]
pub enum FederationsError {
    /// The records cannot be read or written.
    #[error("the federations cannot be read or written")]
    Store(#[source] StoreError),
    /// The change could not be recorded in the audit log. Nothing was changed.
    #[error(
        "the change could not be recorded in the audit log, so it was not made; /readyz says why"
    )]
    Audit(#[source] AuditError),
    /// What is said is no federation.
    #[error("{}{}", .0, cause(.0))]
    Federation(FederationError),
    /// It would be with the cluster itself.
    #[error(
        "{0} is the cluster's own trust domain: its bundle is made here, and another's in its place would let that \
         one speak for every workload"
    )]
    Own(TrustDomain),
    /// There is none with this trust domain.
    #[error("there is no federation with {0}; `moneyer federation list` names them")]
    NoSuchFederation(TrustDomain),
    /// The list is full.
    #[error("{MAXIMUM_FEDERATIONS} federations are put already; remove one first")]
    TooMany,
    /// What came is not taken.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The federation was changed while its bundle was fetched.
    #[error("the federation with {0} was changed meanwhile")]
    Changed(TrustDomain),
    /// The task that makes the change ended early.
    #[error("the change was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// What an operator has to read beside it.
fn cause(error: &FederationError) -> String {
    match error {
        FederationError::Bootstrap(cause) => {
            format!(": {}", moneyer_identity::error_chain(cause))
        }
        _ => String::new(),
    }
}

impl FederationsError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Audit(error) => error.class(),
            Self::Federation(_) | Self::Own(_) => ErrorClass::Invalid,
            Self::NoSuchFederation(_) => ErrorClass::NotFound,
            Self::TooMany => ErrorClass::Exhausted,
            Self::Changed(_) | Self::Refused(_) => ErrorClass::Conflict,
            Self::Interrupted(_) => ErrorClass::Internal,
        }
    }
}

impl From<LedgerError> for FederationsError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Audit(error) => Self::Audit(error),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}
