//! The keys of another issuer, as its JWK Set has them.

use crate::key::KeyId;
use crate::spiffe::{JwtAuthority, TrustBundleError, read_key_set};

/// The keys of one issuer. Made of a JWK Set (RFC 7517 section 5), of which keys that cannot verify are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKeys(Vec<JwtAuthority>);

impl ForeignKeys {
    /// Reads a JWK Set.
    pub fn parse(bytes: &[u8]) -> Result<Self, TrustBundleError> {
        read_key_set(bytes).map(Self)
    }

    /// Whether there is none that can verify anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The key of this id.
    pub(super) fn find(&self, key_id: &KeyId) -> Option<&JwtAuthority> {
        self.0.iter().find(|key| key.key_id() == key_id)
    }
}
