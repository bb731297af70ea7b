//! Where a record lies in sled's one tree.
//!
//! A record's key is one byte for its collection, then its id, so that the records of a collection
//! are neighbours in the order of their ids. [`HEAD`] lies before all of them. The bytes are
//! on disk: they never change, and a removed collection's byte is not used again.

use moneyer_authority::store::Collection;

/// Under which the store keeps its head.
pub(crate) const HEAD: &[u8] = b"\0head";

/// The key of a record.
pub(crate) fn record_key(collection: Collection, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(id.len().saturating_add(1));
    key.push(collection_byte(collection));
    key.extend_from_slice(id.as_bytes());
    key
}

/// The byte with which the keys of a collection begin.
pub(crate) fn collection_byte(collection: Collection) -> u8 {
    match collection {
        Collection::Keys => 1,
        Collection::Authorities => 2,
        Collection::Apps => 3,
        Collection::Sandboxes => 4,
        Collection::Members => 5,
        Collection::JoinTokens => 6,
        Collection::KeyRings => 7,
        Collection::Issuers => 8,
        Collection::Audiences => 9,
        Collection::PublicCertificates => 10,
        Collection::X509Authorities => 11,
        Collection::BundleSequences => 12,
        Collection::Federations => 13,
        Collection::FederatedBundles => 14,
        Collection::Policies => 15,
        Collection::Mappings => 16,
        Collection::Scopes => 17,
        Collection::SpentProofs => 18,
        Collection::ProviderProfiles => 19,
        Collection::Providers => 20,
    }
}

/// The collection and id of a key; `None` if it is not a record's.
pub(crate) fn record_of(key: &[u8]) -> Option<(Collection, &str)> {
    let (&byte, id) = key.split_first()?;
    let collection = Collection::ALL.into_iter().find(|known| collection_byte(*known) == byte)?;
    Some((collection, std::str::from_utf8(id).ok()?))
}

/// A record's name for people, as `keys/abc`.
pub(crate) fn shown(key: &[u8]) -> String {
    match record_of(key) {
        Some((collection, id)) => format!("{}/{id}", collection.as_str()),
        None => format!("unknown/{}", String::from_utf8_lossy(key).escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_collections_share_a_byte_and_none_has_that_of_the_head() {
        let mut bytes: Vec<u8> = Collection::ALL.into_iter().map(collection_byte).collect();
        bytes.push(HEAD[0]);
        bytes.sort_unstable();
        bytes.dedup();
        assert_eq!(bytes.len(), Collection::ALL.len() + 1);
    }

    #[test]
    fn a_key_is_read_back() {
        for collection in Collection::ALL {
            assert_eq!(record_of(&record_key(collection, "a-1")), Some((collection, "a-1")));
        }
        assert_eq!(record_of(HEAD), None);
        assert_eq!(shown(&record_key(Collection::Apps, "web")), "apps/web");
    }
}
