//! The key set that another issuer published, saved to a file (RFC 7517 section 5).
//!
//! It says by which `kid` tokens name each key, where that is not the key's RFC 7638 thumbprint. A key
//! that is not in it is refused: its tokens would name what nobody knows. So is a set that gives one key
//! two ids. The limits are those of every key set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use moneyer_identity::{KeyId, KeySet, MAXIMUM_KEY_SET_BYTES};

use crate::adoption::adopted::Adopted;
use crate::adoption::error::AdoptionError;
use crate::adoption::named_file::read_named;

/// The ids of keys by their thumbprints.
#[derive(Debug, Clone)]
pub struct SavedKeySet {
    path: PathBuf,
    key_ids: BTreeMap<KeyId, KeyId>,
}

impl SavedKeySet {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<Self, AdoptionError> {
        let bytes = read_named(path, MAXIMUM_KEY_SET_BYTES)
            .map_err(|source| AdoptionError::ReadKeySet { path: path.to_owned(), source })?;
        Self::parse(path, bytes.expose())
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, AdoptionError> {
        let path = path.to_owned();
        let keys = match KeySet::parse(bytes) {
            Ok(keys) => keys,
            Err(cause) => return Err(AdoptionError::KeySet { path, cause }),
        };
        let mut key_ids = BTreeMap::new();
        for key in keys.iter() {
            let before = key_ids.insert(key.thumbprint().clone(), key.key_id().clone());
            if let Some(first) = before {
                let second = key.key_id().clone();
                return Err(AdoptionError::TwoKeyIds { path, first, second });
            }
        }
        Ok(Self { path, key_ids })
    }

    /// The id by which tokens name the key that a file holds.
    pub fn key_id(&self, file: &Path, thumbprint: &KeyId) -> Result<KeyId, AdoptionError> {
        self.key_ids.get(thumbprint).cloned().ok_or_else(|| AdoptionError::NotInKeySet {
            path: file.to_owned(),
            thumbprint: thumbprint.clone(),
            key_set: self.path.clone(),
        })
    }

    /// Gives every key the id that its tokens name.
    pub(super) fn name(&self, adopted: &mut Adopted) -> Result<(), AdoptionError> {
        let primary = &mut adopted.primary;
        primary.key_id = self.key_id(&primary.file, primary.key.key_id())?;
        for found in &mut adopted.live {
            found.key_id = self.key_id(&found.file, found.key.key_id())?;
        }
        for found in &mut adopted.previous {
            found.key_id = self.key_id(&found.file, found.key.key_id())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use moneyer_identity::VerifyingKey;
    use moneyer_testkit::FixtureKey;

    use super::*;

    fn named(key: FixtureKey, key_id: &str) -> VerifyingKey {
        key.verifying_key().named(KeyId::parse(key_id).unwrap())
    }

    fn parse(keys: &[VerifyingKey]) -> Result<SavedKeySet, AdoptionError> {
        let keys: Vec<_> = keys.iter().map(VerifyingKey::jwk).collect();
        let document = serde_json::json!({ "keys": keys }).to_string();
        SavedKeySet::parse(Path::new("jwks.json"), document.as_bytes())
    }

    #[test]
    fn keys_are_found_by_their_thumbprints() {
        let set = parse(&[named(FixtureKey::ED25519_A, "one"), named(FixtureKey::P256_A, "two")]);
        let id = |key: FixtureKey| {
            set.as_ref().unwrap().key_id(Path::new("a.pem"), key.verifying_key().thumbprint())
        };
        assert_eq!(id(FixtureKey::ED25519_A).unwrap().as_str(), "one");
        assert_eq!(id(FixtureKey::P256_A).unwrap().as_str(), "two");
        let refused = id(FixtureKey::RSA_2048_A).unwrap_err().to_string();
        assert!(refused.starts_with("the key of a.pem (thumbprint "), "{refused}");
    }

    #[test]
    fn a_key_has_one_id() {
        let twice = [named(FixtureKey::ED25519_A, "one"), named(FixtureKey::ED25519_A, "two")];
        let refused = parse(&twice).unwrap_err().to_string();
        assert!(refused.contains("names one key one and two"), "{refused}");
    }

    #[test]
    fn what_is_no_key_set_is_refused_and_so_is_one_that_is_too_long() {
        let path = Path::new("jwks.json");
        let refused = SavedKeySet::parse(path, b"[]").unwrap_err();
        assert!(matches!(refused, AdoptionError::KeySet { .. }), "{refused:?}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("jwks.json");
        let mut text = br#"{"keys":[]}"#.to_vec();
        text.resize(MAXIMUM_KEY_SET_BYTES, b' ');
        std::fs::write(&file, &text).unwrap();
        SavedKeySet::read(&file).unwrap();
        text.push(b' ');
        std::fs::write(&file, &text).unwrap();
        assert!(matches!(SavedKeySet::read(&file), Err(AdoptionError::KeySet { .. })));
        let missing = SavedKeySet::read(&folder.path().join("none")).unwrap_err();
        assert!(matches!(missing, AdoptionError::ReadKeySet { .. }), "{missing:?}");
    }
}
