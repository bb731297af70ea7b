//! The sizes a record may have, checked before a backend sees it.
//!
//! They are the same for every backend, so that records can be copied from one to another: an id of
//! 1 to [`MAXIMUM_ID_BYTES`] and a value of at most [`MAXIMUM_RECORD_BYTES`].

use moneyer_authority::store::{Change, MAXIMUM_RECORD_BYTES, StoreError};

/// Longest id in bytes: the port's limit.
pub(crate) const MAXIMUM_ID_BYTES: usize = 255;

#[derive(Debug, thiserror::Error)]
#[error("a record has an empty id")]
struct EmptyId;

/// Refuses changes of which one does not fit, whatever the others are.
pub(crate) fn check_sizes(changes: &[Change]) -> Result<(), StoreError> {
    for change in changes {
        if change.id.is_empty() {
            return Err(StoreError::Encode(EmptyId.into()));
        }
        let value_bytes = change.value.as_ref().map_or(0, |value| value.len());
        if change.id.len() > MAXIMUM_ID_BYTES || value_bytes > MAXIMUM_RECORD_BYTES {
            let (collection, id) = (change.collection, change.id.clone());
            return Err(StoreError::TooLarge { collection, id });
        }
    }
    Ok(())
}
