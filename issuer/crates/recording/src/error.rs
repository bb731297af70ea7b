//! [`AuditError`]: why something is not recorded.

use std::error::Error;

use moneyer_identity::ErrorClass;

use crate::recording::LONGEST_WAIT;

/// What is behind an error.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why something is not recorded. What was to be recorded must then not happen.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log cannot be written at this time. It is tried again until it can.
    #[error("the audit log cannot be written")]
    Failing(#[source] Cause),
    /// The log did not answer in time. The record may still be written.
    #[error("the audit log did not answer within {} s", LONGEST_WAIT.as_secs())]
    Slow,
    /// More records wait than may.
    #[error("too many records wait for the audit log")]
    Overloaded,
    /// The event cannot be written as text.
    #[error("an audit record cannot be encoded")]
    Encode(#[source] Cause),
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
}

impl AuditError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Failing(_) | Self::Slow | Self::Overloaded | Self::Closed => {
                ErrorClass::Unavailable
            }
            Self::Encode(_) => ErrorClass::Internal,
        }
    }
}
