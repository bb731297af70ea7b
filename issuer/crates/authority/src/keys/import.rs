//! Keys that were made elsewhere.
//!
//! A verifying key stays in the key set until the last token that its issuer can have signed with it is
//! dead. A signing key goes on signing: as the first key of a cluster that takes another issuer's place,
//! it is the one relying parties know. It has an end, and a legacy one (`EdDSA`) has its successor prepared
//! at once.

use moneyer_identity::{KeyId, UnixTime, VerifyingKey};

use crate::keys::book::activate;
use crate::keys::record::{KeyRecord, KeyState};
use crate::keys::schedule::Schedule;
use crate::signer::KeyHandle;

/// A key made elsewhere.
#[derive(Debug, Clone)]
pub struct Import {
    verifying_key: VerifyingKey,
    handle: Option<KeyHandle>,
}

impl Import {
    /// A key that only verifies.
    #[must_use]
    pub fn verifying(verifying_key: VerifyingKey) -> Self {
        Self { verifying_key, handle: None }
    }

    /// A key pair.
    #[must_use]
    pub fn signing(verifying_key: VerifyingKey, handle: KeyHandle) -> Self {
        Self { verifying_key, handle: Some(handle) }
    }

    /// Its thumbprint.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        self.verifying_key.thumbprint()
    }

    /// A record under which it verifies and never signs. Its issuer is taken to sign no more from now
    /// on.
    pub(super) fn into_verifying_record(self, now: UnixTime) -> KeyRecord {
        KeyRecord {
            key_id: self.verifying_key.thumbprint().clone(),
            state: KeyState::Retiring,
            public: self.verifying_key.jwk().clone(),
            handle: None,
            created_at: now,
            published_at: Some(now),
            activated_at: Some(now),
            sign_until: Some(now),
        }
    }

    /// A record under which it signs from now on.
    pub(super) fn into_active_record(self, schedule: &Schedule, now: UnixTime) -> KeyRecord {
        let handle = self.handle.clone();
        let mut record = self.into_verifying_record(now);
        activate(&mut record, schedule, now);
        record.handle = handle;
        record
    }
}
