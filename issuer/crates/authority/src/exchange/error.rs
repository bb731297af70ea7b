//! Why mappings and scopes cannot be loaded or changed. Nothing was changed.

use moneyer_identity::{ErrorClass, LifetimeError};

use super::keeper::{MAXIMUM_MAPPINGS, MAXIMUM_SCOPES};
use super::mapping::{MappingError, MappingKey};
use super::scope::{ScopeKey, ScopeMappingError};
use crate::audit::{AuditError, LedgerError};
use crate::store::StoreError;

/// Why mappings and scopes cannot be loaded or changed.
#[derive(Debug, thiserror::Error)]
pub enum MappingsError {
    /// The records cannot be read or written.
    #[error("the mappings cannot be read or written")]
    Store(#[source] StoreError),
    /// The change could not be recorded in the audit log. Nothing was changed.
    #[error(
        "the change could not be recorded in the audit log, so it was not made; /readyz says why"
    )]
    Audit(#[source] AuditError),
    /// What is said is no mapping.
    #[error("the mapping of {} for {}: {error}", key.client, key.context)]
    Mapping {
        /// Which.
        key: MappingKey,
        /// Why.
        error: MappingError,
    },
    /// The tokens of a mapping could never live as long.
    #[error("the mapping of {} for {}: tokenLifetime: {error}", key.client, key.context)]
    Lifetime {
        /// Which.
        key: MappingKey,
        /// Why.
        error: LifetimeError,
    },
    /// What is said is no scope mapping.
    #[error("the scope {}: {error}", key.scope)]
    Scope {
        /// Which.
        key: ScopeKey,
        /// Why.
        error: ScopeMappingError,
    },
    /// It is there already.
    #[error("there is a mapping of {} for {} already", .0.client, .0.context)]
    MappingExists(MappingKey),
    /// It is not there.
    #[error("there is no mapping of {} for {}", .0.client, .0.context)]
    NoSuchMapping(MappingKey),
    /// It is there already.
    #[error("the scope {} is there already", .0.scope)]
    ScopeExists(ScopeKey),
    /// It is not there.
    #[error("there is no scope {}", .0.scope)]
    NoSuchScope(ScopeKey),
    /// One stands twice in what is said.
    #[error("the mapping of {} for {} stands twice", .0.client, .0.context)]
    MappingTwice(MappingKey),
    /// One stands twice in what is said.
    #[error("the scope {} stands twice", .0.scope)]
    ScopeTwice(ScopeKey),
    /// It was changed since it was looked at.
    #[error("it was changed meanwhile; look at it once more")]
    Changed,
    /// There are as many as there may be.
    #[error("there may be {MAXIMUM_MAPPINGS} mappings and {MAXIMUM_SCOPES} scopes at most")]
    TooMany,
    /// The task that makes the change ended early.
    #[error("the change was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl MappingsError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Audit(error) => error.class(),
            Self::Mapping { .. }
            | Self::Lifetime { .. }
            | Self::Scope { .. }
            | Self::MappingTwice(_)
            | Self::ScopeTwice(_) => ErrorClass::Invalid,
            Self::MappingExists(_) | Self::ScopeExists(_) | Self::Changed => ErrorClass::Conflict,
            Self::NoSuchMapping(_) | Self::NoSuchScope(_) => ErrorClass::NotFound,
            Self::TooMany => ErrorClass::Exhausted,
            Self::Interrupted(_) => ErrorClass::Internal,
        }
    }
}

impl From<LedgerError> for MappingsError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Audit(error) => Self::Audit(error),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}
