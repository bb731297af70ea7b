//! Why the keys cannot be kept or changed.

use moneyer_identity::{ClockFault, ErrorClass, KeyId};

use crate::audit::{AuditError, LedgerError};
use crate::keys::command::CommandError;
use crate::keys::import::ImportRefusal;
use crate::keys::ring::RingError;
use crate::signer::SignerError;
use crate::store::StoreError;

/// Why the keys cannot be kept or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The records cannot be read or written.
    #[error("the key records cannot be read or written")]
    Store(#[source] StoreError),
    /// The change could not be recorded in the audit log. Nothing was changed.
    #[error(
        "the change could not be recorded in the audit log, so it was not made; /readyz says why"
    )]
    Audit(#[source] AuditError),
    /// A key cannot be made.
    #[error("a signing key could not be made")]
    Generate(#[source] SignerError),
    /// A key of a second line is asked for, and there is none.
    #[error("this cluster has no second line of keys; keys.second_algorithm asks for one")]
    NoSuchLine,
    /// A stored key cannot be opened.
    #[error("the stored key {key_id} cannot be opened")]
    Open {
        /// Which.
        key_id: KeyId,
        /// Why.
        #[source]
        cause: SignerError,
    },
    /// A certificate over a key cannot be made.
    #[error("a certificate over the key {key_id} cannot be made, and keys.x5c asks for it")]
    Certify {
        /// Which.
        key_id: KeyId,
        /// Why.
        #[source]
        cause: SignerError,
    },
    /// The records do not form a sound ring.
    #[error("the stored keys do not form a sound ring")]
    Ring(#[source] RingError),
    /// A command is refused.
    #[error(transparent)]
    Command(CommandError),
    /// A command for an authority of X.509-SVIDs is refused.
    #[error("{}", .0.of_authority())]
    X509Command(CommandError),
    /// An import is refused.
    #[error(transparent)]
    Import(ImportRefusal),
    /// The wall clock cannot be trusted.
    #[error(
        "keys are not changed by a clock that is wrong; an emergency is carried out all the same"
    )]
    Clock(#[source] ClockFault),
    /// Someone else changed the keys meanwhile. Nothing was done.
    #[error("the keys changed meanwhile; look again")]
    Overtaken,
    /// There are keys already, so another issuer's keys cannot become the first ones.
    #[error(
        "this cluster has keys of its own already; import keys of another issuer as verifying keys \
         instead, or adopt it into an empty store"
    )]
    NotEmpty,
    /// The task that makes the change ended early.
    #[error("the change was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl KeysError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Audit(error) => error.class(),
            Self::Generate(error) | Self::Certify { cause: error, .. } => error.class(),
            Self::Open { .. } | Self::Ring(_) | Self::Interrupted(_) => ErrorClass::Internal,
            Self::Command(error) | Self::X509Command(error) => error.class(),
            Self::Import(refusal) => refusal.class(),
            Self::Clock(_) => ErrorClass::Unavailable,
            Self::NoSuchLine | Self::Overtaken | Self::NotEmpty => ErrorClass::Conflict,
        }
    }
}

impl From<LedgerError> for KeysError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Audit(error) => Self::Audit(error),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}
