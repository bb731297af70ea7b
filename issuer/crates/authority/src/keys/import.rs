//! Keys that were made elsewhere.
//!
//! A verifying key stays in the key set until the last token that its issuer can have signed with it is
//! dead. A signing key goes on signing: as the first key of a cluster that takes another issuer's place,
//! it is the one relying parties know. It has an end, and a legacy one (`EdDSA`) has its successor prepared
//! at once. Each keeps the `kid` that its tokens name. What is refused: a key that is known by another
//! `kid` or was withdrawn, a `kid` that is another key's, and more keys than the key set has room for.

use moneyer_identity::{ErrorClass, KeyId, UnixTime, VerifyingKey};

use crate::issuers::LONGEST_FOREIGN_LIFETIME;
use crate::keys::book::{activate, lengthen};
use crate::keys::line::Line;
use crate::keys::record::{KeyRecord, KeyState};
use crate::keys::schedule::Schedule;
use crate::signer::KeyHandle;

/// Most keys made elsewhere: a schedule keeps up to 80 of the 100 keys of a set, and an emergency adds
/// one. Enough for the primary, two previous and sixteen live keys of an adopted cluster.
const MAXIMUM_IMPORTED_KEYS: usize = 19;

/// Why keys are not imported. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// The key is known, and its tokens name it otherwise.
    #[error(
        "the key {asked} is here already as {known}, and a key goes by one id; its tokens verify \
         under that one"
    )]
    OtherKeyId {
        /// The id it goes by here.
        known: KeyId,
        /// The id it was to go by.
        asked: KeyId,
    },
    /// The id is another key's.
    #[error("another key goes by the id {0} here; keys of both cannot be told apart")]
    KeyIdTaken(KeyId),
    /// The key was withdrawn.
    #[error("the key {0} was withdrawn here, so it is not taken back")]
    Withdrawn(KeyId),
    /// There is no room.
    #[error(
        "there would be more than {MAXIMUM_IMPORTED_KEYS} keys that were made elsewhere; wait until \
         some have ended (`moneyer key list`)"
    )]
    TooMany,
}

impl ImportRefusal {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::OtherKeyId { .. } | Self::KeyIdTaken(_) | Self::Withdrawn(_) => {
                ErrorClass::Conflict
            }
            Self::TooMany => ErrorClass::Exhausted,
        }
    }
}

/// A key made elsewhere.
#[derive(Debug, Clone)]
pub struct Import {
    verifying_key: VerifyingKey,
    handle: Option<KeyHandle>,
}

impl Import {
    /// A key that only verifies, under the id it goes by.
    #[must_use]
    pub fn verifying(verifying_key: VerifyingKey) -> Self {
        Self { verifying_key, handle: None }
    }

    /// A key pair, under the id it goes by.
    #[must_use]
    pub fn signing(verifying_key: VerifyingKey, handle: KeyHandle) -> Self {
        Self { verifying_key, handle: Some(handle) }
    }

    /// The id that its tokens name.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        self.verifying_key.key_id()
    }

    /// A record under which it verifies and never signs. Its issuer is taken to sign no more from now
    /// on, and its last token to live as long as any.
    fn into_verifying_record(self, schedule: &Schedule, now: UnixTime) -> KeyRecord {
        let mut record = KeyRecord {
            key_id: self.verifying_key.key_id().clone(),
            thumbprint: Some(self.verifying_key.thumbprint().clone()),
            line: Line::Primary,
            state: KeyState::Retiring,
            public: self.verifying_key.jwk().clone(),
            certificate: None,
            handle: None,
            created_at: now,
            published_at: Some(now),
            activated_at: Some(now),
            sign_until: Some(now),
            longest_lifetime: None,
        };
        lengthen(&mut record, LONGEST_FOREIGN_LIFETIME.max(schedule.maximum_lifetime()));
        record
    }

    /// A record under which it signs from now on.
    pub(super) fn into_active_record(self, schedule: &Schedule, now: UnixTime) -> KeyRecord {
        let handle = self.handle.clone();
        let mut record = self.into_verifying_record(schedule, now);
        activate(&mut record, schedule, now);
        record.handle = handle;
        record
    }
}

/// The verifying records of those imports that are not known yet. None of the `withdrawn` is taken back.
pub(super) fn newcomers<'a>(
    imports: Vec<Import>,
    known: impl Iterator<Item = &'a KeyRecord>,
    withdrawn: &[KeyId],
    schedule: &Schedule,
    now: UnixTime,
) -> Result<Vec<KeyRecord>, ImportRefusal> {
    let known: Vec<&KeyRecord> = known.collect();
    let mut added: Vec<KeyRecord> = Vec::new();
    for import in imports {
        let record = import.into_verifying_record(schedule, now);
        if withdrawn.contains(record.thumbprint()) {
            return Err(ImportRefusal::Withdrawn(record.key_id));
        }
        if !is_known(&record, known.iter().copied().chain(&added))? {
            added.push(record);
        }
    }
    let imported = known.iter().filter(|record| record.is_imported()).count();
    if !added.is_empty() && imported.saturating_add(added.len()) > MAXIMUM_IMPORTED_KEYS {
        return Err(ImportRefusal::TooMany);
    }
    Ok(added)
}

/// Whether the key is among those known, or why it cannot come beside them.
fn is_known<'a>(
    record: &KeyRecord,
    known: impl Iterator<Item = &'a KeyRecord>,
) -> Result<bool, ImportRefusal> {
    for other in known {
        match (other.thumbprint() == record.thumbprint(), other.key_id == record.key_id) {
            (true, _) if other.state == KeyState::Withdrawn => {
                return Err(ImportRefusal::Withdrawn(other.key_id.clone()));
            }
            (true, true) => return Ok(true),
            (true, false) => {
                let (known, asked) = (other.key_id.clone(), record.key_id.clone());
                return Err(ImportRefusal::OtherKeyId { known, asked });
            }
            (false, true) => return Err(ImportRefusal::KeyIdTaken(record.key_id.clone())),
            (false, false) => {}
        }
    }
    Ok(false)
}
