//! Why the registry refuses.

use moneyer_identity::{AppName, ErrorClass, RunnerId};

use crate::audiences::Misfit;
use crate::audit::{AuditError, LedgerError};
use crate::registry::app::MAXIMUM_AUDIENCES;
use crate::store::StoreError;

/// A refusal or failure of the registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The sandbox does not exist, or is not placed on the runner that asks.
    #[error("no such sandbox")]
    NoSuchSandbox,
    /// The app does not exist.
    #[error("no such app: {0}; put it first")]
    NoSuchApp(AppName),
    /// The runner has not joined.
    #[error("no such runner: {0}; invite it and let it join first")]
    NoSuchRunner(RunnerId),
    /// The app still has sandboxes.
    #[error("the app {app} is still in use by its sandboxes ({sandboxes}); remove them first")]
    AppInUse {
        /// Which.
        app: AppName,
        /// How many.
        sandboxes: usize,
    },
    /// The app lists more audiences than a record and its audit record hold.
    #[error("an app lists at most {MAXIMUM_AUDIENCES} audiences, not {0}")]
    TooManyAudiences(usize),
    /// A relying party would refuse the app's tokens.
    #[error(transparent)]
    Misfit(Misfit),
    /// The system workload is not one that runners may ask for, or does not exist.
    #[error("no such system workload")]
    NoSuchSystemWorkload,
    /// A page of this size is not given.
    #[error("a page holds at most {0} entries")]
    PageSize(usize),
    /// The operating system gives no random bytes.
    #[error("no random bytes are to be had")]
    Random(#[source] crate::store::Cause),
    /// The change could not be recorded in the audit log. Nothing was changed.
    #[error(
        "the change could not be recorded in the audit log, so it was not made; /readyz says why"
    )]
    Audit(#[source] AuditError),
    /// The store refused or failed.
    #[error("the change could not be stored")]
    Store(#[source] StoreError),
    /// The task that makes the change ended early.
    #[error("the change was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl RegistryError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoSuchSandbox
            | Self::NoSuchApp(_)
            | Self::NoSuchRunner(_)
            | Self::NoSuchSystemWorkload => ErrorClass::NotFound,
            Self::AppInUse { .. } => ErrorClass::Conflict,
            Self::PageSize(_) | Self::TooManyAudiences(_) | Self::Misfit(_) => ErrorClass::Invalid,
            Self::Audit(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Random(_) | Self::Interrupted(_) => ErrorClass::Internal,
        }
    }
}

impl From<LedgerError> for RegistryError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Audit(error) => Self::Audit(error),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}
