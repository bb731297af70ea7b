//! What is stored of the signing keys: a record for each, and one for the ring.
//!
//! Every change of a key is written together with the ring's record, so that two who change keys at
//! once cannot both succeed.

use moneyer_identity::{Algorithm, Jwk, KeyCertificate, KeyId, Lifetime, UnixTime};
use serde::{Deserialize, Serialize};

use crate::keys::line::Line;
use crate::keys::rotation::KeyTimes;
use crate::signer::KeyHandle;
use crate::store::{Collection, Record};

/// Most withdrawn keys that are remembered once their records are gone: emergencies of many years.
const MAXIMUM_WITHDRAWN_KEYS: usize = 256;

/// Where a key stands in its life. It only ever moves forward; a pruned key has no record.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, not yet signing.
    Prepared,
    /// Signing. A line has one such key at most, and the primary line exactly one.
    Active,
    /// No longer signing, still published until its last token is dead.
    Retiring,
    /// Taken out of the key set before its time: its tokens are refused.
    Withdrawn,
}

impl KeyState {
    /// Every state, in the order a key goes through them.
    pub const ALL: [Self; 4] = [Self::Prepared, Self::Active, Self::Retiring, Self::Withdrawn];

    /// The state as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether a key in this state is in the key set.
    #[must_use]
    pub fn is_published(self) -> bool {
        self != Self::Withdrawn
    }

    /// Whether a key in this state signs, or will.
    #[must_use]
    pub fn may_sign(self) -> bool {
        matches!(self, Self::Prepared | Self::Active)
    }
}

/// A signing key's record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeyRecord {
    /// RFC 7638 thumbprint of `public`, or the `kid` that another issuer gave the key.
    pub key_id: KeyId,
    /// The thumbprint of a key that was made elsewhere: it keeps the `kid` that its tokens name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbprint: Option<KeyId>,
    /// Which keys it follows and precedes.
    #[serde(default, skip_serializing_if = "Line::is_primary")]
    pub line: Line,
    /// Where it stands.
    pub state: KeyState,
    /// The public half as published.
    pub public: Jwk,
    /// The certificate over it, once one was asked for. Kept as it was made, whether or not it is
    /// published now: relying parties know it by its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<KeyCertificate>,
    /// How its signer opens it. `None`: only its public half is known, or kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<KeyHandle>,
    /// When it was made or imported.
    pub created_at: UnixTime,
    /// From when relying parties have been served it; `None`: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<UnixTime>,
    /// From when it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<UnixTime>,
    /// No token is signed with it from then on, whatever else is known. It never moves back, but for a
    /// withdrawal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_until: Option<UnixTime>,
    /// The longest that any token signed with it may live. It never gets shorter. `None`: it never
    /// signed, or was written before this was noted; then the present configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_lifetime: Option<Lifetime>,
}

impl KeyRecord {
    /// RFC 7638 thumbprint of its public half, by which its record is kept: a foreign `kid` may be
    /// longer than the id of a record.
    #[must_use]
    pub fn thumbprint(&self) -> &KeyId {
        self.thumbprint.as_ref().unwrap_or(&self.key_id)
    }

    /// Whether it was made elsewhere.
    #[must_use]
    pub fn is_imported(&self) -> bool {
        self.thumbprint.is_some()
    }

    /// Whether it ever signed here. One that was imported to verify alone ends in the moment it begins.
    #[must_use]
    pub fn has_signed(&self) -> bool {
        let ends = self.sign_until.unwrap_or(UnixTime(i64::MAX));
        self.activated_at.is_some_and(|begins| begins < ends)
    }

    /// When it was last changed, as far as its record tells.
    #[must_use]
    pub fn changed_at(&self) -> Option<UnixTime> {
        [Some(self.created_at), self.published_at, self.activated_at].into_iter().flatten().max()
    }

    /// What a rotation has to know of it, where its line is made of keys of this algorithm.
    #[must_use]
    pub fn times(&self, made: Option<Algorithm>) -> KeyTimes {
        KeyTimes {
            key_id: self.key_id.clone(),
            line: self.line,
            state: self.state,
            created_at: self.created_at,
            published_at: self.published_at,
            activated_at: self.activated_at,
            sign_until: self.sign_until,
            longest_lifetime: self.longest_lifetime.map(Lifetime::duration),
            legacy: made.is_some_and(|made| self.public.alg.is_some_and(|alg| alg != made)),
        }
    }
}

impl Record for KeyRecord {
    const COLLECTION: Collection = Collection::Keys;

    fn id(&self) -> String {
        self.thumbprint().as_str().to_owned()
    }
}

/// The ring's own record: what is true of all keys together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingRecord {
    /// Changes so far. Two who change keys at once expect the same number, and one of them loses.
    pub changes: u64,
    /// When an operator asked for the next round of the primary line, until it has been held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<UnixTime>,
    /// The same of the second line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_requested_at: Option<UnixTime>,
    /// Withdrawals so far: whoever holds tokens from before the last one should get new ones.
    #[serde(default)]
    pub withdrawals: u64,
    /// Thumbprints of withdrawn keys whose records are gone, the last one last: none is taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<KeyId>,
}

impl RingRecord {
    /// When the next round of a line was asked for, until it has been held.
    pub(super) fn requested_at(&mut self, line: Line) -> &mut Option<UnixTime> {
        match line {
            Line::Primary => &mut self.requested_at,
            Line::Second => &mut self.second_requested_at,
        }
    }

    /// Whether the next round of a line is asked for.
    #[must_use]
    pub fn is_requested(&self, line: Line) -> bool {
        match line {
            Line::Primary => self.requested_at.is_some(),
            Line::Second => self.second_requested_at.is_some(),
        }
    }

    /// Remembers a withdrawn key whose record goes.
    pub(super) fn remember(&mut self, thumbprint: KeyId) {
        self.withdrawn.push(thumbprint);
        let surplus = self.withdrawn.len().saturating_sub(MAXIMUM_WITHDRAWN_KEYS);
        self.withdrawn.drain(..surplus);
    }
}

impl Record for RingRecord {
    const COLLECTION: Collection = Collection::KeyRings;

    fn id(&self) -> String {
        "jwt".to_owned()
    }
}
