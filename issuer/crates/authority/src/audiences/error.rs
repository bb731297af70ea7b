//! Why an audience profile is not put or removed. Nothing was changed.

use moneyer_identity::{ErrorClass, ProfileName};

use crate::audiences::fit::Misfit;
use crate::audiences::policy::PolicyError;
use crate::audiences::profile::ProfileError;
use crate::audiences::record::MAXIMUM_PROFILES;
use crate::audit::{AuditError, LedgerError};
use crate::store::StoreError;

/// Why audience profiles cannot be loaded or changed.
#[derive(Debug, thiserror::Error)]
pub enum AudiencesError {
    /// The records cannot be read or written.
    #[error("the audience profiles cannot be read or written")]
    Store(#[source] StoreError),
    /// The change could not be recorded in the audit log. Nothing was changed.
    #[error(
        "the change could not be recorded in the audit log, so it was not made; /readyz says why"
    )]
    Audit(#[source] AuditError),
    /// What is said is no profile.
    #[error("{} {error}", error.key())]
    Profile {
        /// Which.
        name: ProfileName,
        /// Why.
        error: ProfileError,
    },
    /// It contradicts the others.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// An app's tokens would be refused.
    #[error("an app that is registered does not fit: {0}")]
    Misfit(#[source] Misfit),
    /// The configuration names it.
    #[error("the configuration of the coordinator names {0}: change it there")]
    Configured(ProfileName),
    /// There is no such profile.
    #[error("there is no audience profile {0}; `moneyer audience list` names them")]
    NoSuchProfile(ProfileName),
    /// The list is full.
    #[error("{MAXIMUM_PROFILES} audience profiles are put already; remove one first")]
    TooMany,
    /// A stored profile no longer fits the configuration.
    #[error(
        "the audience profile {name} that was put earlier does not fit the configuration: {error}; set \
         the configuration back, change the profile with `moneyer audience put`, then set it anew"
    )]
    Stored {
        /// Which.
        name: ProfileName,
        /// Why.
        error: String,
    },
    /// The task that makes the change ended early.
    #[error("the change was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl AudiencesError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Audit(error) => error.class(),
            Self::Profile { .. } | Self::Misfit(_) => ErrorClass::Invalid,
            Self::Policy(_) | Self::Configured(_) | Self::Stored { .. } => ErrorClass::Conflict,
            Self::NoSuchProfile(_) => ErrorClass::NotFound,
            Self::TooMany => ErrorClass::Exhausted,
            Self::Interrupted(_) => ErrorClass::Internal,
        }
    }
}

impl From<LedgerError> for AudiencesError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Audit(error) => Self::Audit(error),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}
