//! Why an X.509-SVID is not made.

use moneyer_identity::spiffe::SpiffeIdError;
use moneyer_identity::{ClockFault, ErrorClass};

use crate::audit::AuditError;
use crate::registry::RegistryError;
use crate::store::StoreError;
use crate::x509::CertificateError;

/// A refusal or failure to make an X.509-SVID.
#[derive(Debug, thiserror::Error)]
pub enum SvidError {
    /// The caller may not have an SVID for this sandbox.
    #[error("no X.509-SVID for this caller")]
    Registry(#[source] RegistryError),
    /// The sandbox's names do not make a SPIFFE ID.
    #[error("the sandbox has no SPIFFE ID")]
    Id(#[source] SpiffeIdError),
    /// The sandbox's SPIFFE ID was changed while the SVID was signed.
    #[error("the sandbox's SPIFFE ID was changed meanwhile")]
    Changed,
    /// The request is none, or not of a P-256 key; or the certificate cannot be made.
    #[error("the certificate was not made")]
    Certificate(#[source] CertificateError),
    /// No authority may sign now: the active one has reached its end.
    #[error("no authority of SVIDs may sign at this time")]
    NoAuthority,
    /// The trust bundle that is served does not list the authority.
    #[error("the trust bundle does not list the authority of SVIDs")]
    NotInBundle,
    /// The audit log cannot be written now: an SVID that is not recorded is not given out.
    #[error("the X.509-SVID was not recorded")]
    Audit(#[source] AuditError),
    /// The wall clock cannot be trusted.
    #[error("no X.509-SVID is signed by a clock that is wrong")]
    Clock(#[source] ClockFault),
    /// The store was rolled back: what was removed since would be in force again.
    #[error("no X.509-SVID is signed from a store that was put back to an older state")]
    RolledBack(#[source] StoreError),
}

impl SvidError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Registry(error) => error.class(),
            Self::Id(_) => ErrorClass::Internal,
            Self::Certificate(error) => error.class(),
            Self::NoAuthority
            | Self::NotInBundle
            | Self::Changed
            | Self::Clock(_)
            | Self::RolledBack(_) => ErrorClass::Unavailable,
            Self::Audit(error) => error.class(),
        }
    }

    /// What the caller is told: enough to mend its request, nothing about others. An unknown sandbox and
    /// another runner's are told with the words of a token's refusal.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Registry(_) => "no such sandbox or system workload on this caller".to_owned(),
            Self::Certificate(error) if error.class() == ErrorClass::Invalid => error.to_string(),
            Self::Id(_) | Self::Certificate(_) => "the X.509-SVID could not be made".to_owned(),
            Self::NoAuthority
            | Self::NotInBundle
            | Self::Changed
            | Self::Audit(_)
            | Self::Clock(_)
            | Self::RolledBack(_) => "no X.509-SVID can be made at this time".to_owned(),
        }
    }
}
