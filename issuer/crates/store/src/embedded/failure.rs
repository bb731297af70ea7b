//! Why the store no longer writes.
//!
//! A failed sync leaves the kernel free to forget what it could not write and to report success the
//! next time, so a failed store is never asked again in this process: the first [`Failure`] is kept
//! and answers everything after it. Opening the directory anew is the way back.

use std::io;
use std::sync::Arc;

use moneyer_authority::store::StoreError;

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
