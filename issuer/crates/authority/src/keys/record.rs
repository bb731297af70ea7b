//! What is stored of a signing key.

use moneyer_identity::{Jwk, KeyId, UnixTime};
use serde::{Deserialize, Serialize};

use crate::signer::KeyHandle;
use crate::store::{Collection, Record};

/// Where a key stands in its life. It only ever moves forward; a pruned key has no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, not yet signing.
    Prepared,
    /// Signing. A ring has exactly one such key.
    Active,
    /// No longer signing, still published until its last token is dead.
    Retiring,
}

impl KeyState {
    /// Every state, in the order a key goes through them.
    pub const ALL: [Self; 3] = [Self::Prepared, Self::Active, Self::Retiring];

    /// The state as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Retiring => "retiring",
        }
    }
}

/// A signing key's record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyRecord {
    /// RFC 7638 thumbprint of `public`.
    pub key_id: KeyId,
    /// Where it stands.
    pub state: KeyState,
    /// The public half as published.
    pub public: Jwk,
    /// How its signer opens it.
    pub handle: KeyHandle,
    /// When it was made.
    pub created_at: UnixTime,
    /// From when it has been in the key set.
    pub published_at: UnixTime,
    /// From when it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<UnixTime>,
    /// No token is signed with it from then on, whatever else is known. `None`: no end is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_until: Option<UnixTime>,
}

impl Record for KeyRecord {
    const COLLECTION: Collection = Collection::Keys;

    fn id(&self) -> String {
        self.key_id.as_str().to_owned()
    }
}
