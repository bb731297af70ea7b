//! What is stored of the authorities of SVIDs: a record for each, sealed, and one for their ring.

use moneyer_identity::{KeyCertificate, KeyId, Lifetime, UnixTime};
use serde::{Deserialize, Serialize};

use crate::keys::{KeyState, KeyTimes, Line, Shelved};
use crate::signer::KeyHandle;
use crate::store::{Collection, Record};

/// The record of an authority.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct X509AuthorityRecord {
    /// RFC 7638 thumbprint of its public key.
    pub key_id: KeyId,
    /// Where it stands.
    pub state: KeyState,
    /// Its certificate, kept as it was made: the bundle lists its bytes.
    pub certificate: KeyCertificate,
    /// Its private key, PKCS#8. `None` once it signs no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyHandle>,
    /// From when its certificate is valid no more.
    pub not_after: UnixTime,
    /// When it was made.
    pub created_at: UnixTime,
    /// From when it has been in the bundle; `None`: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<UnixTime>,
    /// From when it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<UnixTime>,
    /// No SVID is signed with it from then on. It never moves back, but for a withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_until: Option<UnixTime>,
    /// The longest that any SVID of it may live. It never gets shorter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_lifetime: Option<Lifetime>,
}

impl X509AuthorityRecord {
    /// What a rotation has to know of it.
    #[must_use]
    pub fn times(&self) -> KeyTimes {
        KeyTimes {
            key_id: self.key_id.clone(),
            line: Line::Primary,
            state: self.state,
            created_at: self.created_at,
            published_at: self.published_at,
            activated_at: self.activated_at,
            sign_until: self.sign_until,
            longest_lifetime: self.longest_lifetime.map(Lifetime::duration),
            legacy: false,
        }
    }

    /// When it was last changed, as far as its record tells.
    #[must_use]
    pub fn changed_at(&self) -> Option<UnixTime> {
        [Some(self.created_at), self.published_at, self.activated_at].into_iter().flatten().max()
    }
}

impl Record for X509AuthorityRecord {
    const COLLECTION: Collection = Collection::X509Authorities;

    fn id(&self) -> String {
        self.key_id.as_str().to_owned()
    }
}

impl Shelved for X509AuthorityRecord {
    type Ring = X509RingRecord;

    fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    fn state(&self) -> KeyState {
        self.state
    }

    fn count_change(ring: &mut X509RingRecord) {
        ring.changes = ring.changes.saturating_add(1);
    }
}

/// The ring's own record: what is true of all authorities together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct X509RingRecord {
    /// Changes so far. Two who change authorities at once expect the same number, and one of them loses.
    pub changes: u64,
    /// When an operator asked for the next round, until it has been held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<UnixTime>,
    /// Withdrawals so far: whoever holds SVIDs from before the last one should get new ones.
    #[serde(default)]
    pub withdrawals: u64,
}

impl Record for X509RingRecord {
    const COLLECTION: Collection = Collection::KeyRings;

    fn id(&self) -> String {
        "x509".to_owned()
    }
}
