//! Where a record lies in sled's one tree.
//!
//! A record's key is one byte for its collection, then its id, so that the records of a collection
//! are neighbours in the order of their ids. [`GENERATION`] lies before all of them. The bytes are
//! on disk: they never change, and a removed collection's byte is not used again.

use moneyer_authority::store::Collection;

/// Under which the store keeps the generation of its last write.
pub(super) const GENERATION: &[u8] = b"\0generation";

/// The key of a record.
pub(super) fn record_key(collection: Collection, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.len().saturating_add(1));
    key.push(collection_byte(collection));
    key.extend_from_slice(id.as_bytes());
    key
}

/// The byte with which the keys of a collection begin.
pub(super) fn collection_byte(collection: Collection) -> u8 {
    match collection {
        Collection::Keys => 1,
        Collection::Authorities => 2,
        Collection::Apps => 3,
        Collection::Sandboxes => 4,
        Collection::Members => 5,
        Collection::JoinTokens => 6,
        Collection::KeyRings => 7,
        Collection::Issuers => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_collections_share_a_byte_and_none_has_that_of_the_generation() {
        let mut bytes: Vec<u8> = Collection::ALL.into_iter().map(collection_byte).collect();
        bytes.push(GENERATION[0]);
        bytes.sort_unstable();
        bytes.dedup();
        assert_eq!(bytes.len(), Collection::ALL.len() + 1);
    }
}
