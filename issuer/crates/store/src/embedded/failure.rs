//! Why the store does not write at the moment.
//!
//! A failed sync leaves the kernel free to forget what it could not write and to report success the
//! next time, so a failed descriptor is never asked again: the [`Failure`] answers everything until the
//! directory was opened anew and found whole, which the writer tries by itself.

use std::io;
use std::sync::Arc;

use moneyer_authority::store::StoreError;

use super::open::OpenError;

/// What ended the writing.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failure {
    /// sled did not take the batch.
    #[error("the changes could not be written")]
    Apply(#[source] sled::Error),
    /// sled did not hand its buffers to the system.
    #[error("the changes could not be flushed")]
    Flush(#[source] sled::Error),
    /// The system did not say that the disk has them.
    #[error("the changes could not be synced to disk")]
    Sync(#[source] Arc<io::Error>),
    /// The catalogue did not take the batch.
    #[error("the catalogue could not be written")]
    Catalogue(#[source] Arc<io::Error>),
    /// A private key's own file was not written.
    #[error("the file of a private key could not be written")]
    SecretFile(#[source] Arc<io::Error>),
    /// Secrets could not be sealed anew.
    #[error("the private keys could not be sealed anew: {0}")]
    Rekey(String),
    /// The directory could not be opened again after a failure.
    #[error("the store could not be opened again")]
    Reopen(#[source] Arc<OpenError>),
    /// sled panicked, or this code did.
    #[error("the writer ended with a panic: {0}")]
    Panic(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.into())
    }
}

/// The text of a panic.
pub(super) fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}
