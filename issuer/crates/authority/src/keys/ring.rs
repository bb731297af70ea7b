//! The ring: every key of the issuer at one moment.
//!
//! A ring that exists is sound: exactly one key is active and its private half is open, every key id is
//! the thumbprint of its key, and no id stands twice. Published order is active, prepared, retiring:
//! some verifiers look at the first key only.

use std::sync::Arc;

use moneyer_identity::{KeyError, KeyId, KeySet, KeySetError, UnixTime, VerifyingKey};

use crate::keys::record::{KeyRecord, KeyState};
use crate::signer::SigningKey;

/// Why records do not form a ring.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// None or several keys are active.
    #[error("{0} keys are active; exactly one must be")]
    Active(usize),
    /// The active key was not opened.
    #[error("the active key {0} was not opened by its signer")]
    NotOpened(KeyId),
    /// A record's public key cannot be used.
    #[error("the public half of key {key_id} cannot be used")]
    Public {
        /// Whose.
        key_id: KeyId,
        /// Why.
        #[source]
        cause: KeyError,
    },
    /// A record's id is not the thumbprint of its key.
    #[error("the id of key {0} is not the thumbprint of its public half")]
    Thumbprint(KeyId),
    /// The keys do not form a key set.
    #[error("the keys do not form a key set")]
    KeySet(#[source] KeySetError),
}

/// One key of a ring.
#[derive(Debug, Clone)]
pub struct RingKey {
    /// Its record. The handle in it is as secret as the key.
    pub record: Arc<KeyRecord>,
    /// Its public half, ready to verify.
    pub verifying_key: VerifyingKey,
    signing_key: Option<Arc<dyn SigningKey>>,
}

impl RingKey {
    /// A key of these parts; `signing_key` may be missing for a key that does not sign.
    pub fn new(
        record: Arc<KeyRecord>,
        signing_key: Option<Arc<dyn SigningKey>>,
    ) -> Result<Self, RingError> {
        let key_id = &record.key_id;
        let verifying_key = VerifyingKey::from_jwk(&record.public)
            .map_err(|cause| RingError::Public { key_id: key_id.clone(), cause })?;
        if verifying_key.thumbprint() != key_id || verifying_key.key_id() != key_id {
            return Err(RingError::Thumbprint(key_id.clone()));
        }
        Ok(Self { record, verifying_key, signing_key })
    }
}

/// Every key of the issuer at one moment.
#[derive(Debug)]
pub struct KeyRing {
    keys: Vec<RingKey>,
    active: Arc<dyn SigningKey>,
    sign_until: Option<UnixTime>,
    key_set: KeySet,
}

impl KeyRing {
    /// Checks and orders the keys.
    pub fn new(mut keys: Vec<RingKey>) -> Result<Self, RingError> {
        let order = |key: &RingKey| match key.record.state {
            KeyState::Active => 0,
            KeyState::Prepared => 1,
            KeyState::Retiring => 2,
        };
        keys.sort_by_key(|key| (order(key), std::cmp::Reverse(key.record.created_at)));
        let active = keys.iter().filter(|key| key.record.state == KeyState::Active).count();
        let (1, Some(first)) = (active, keys.first()) else {
            return Err(RingError::Active(active));
        };
        let not_opened = || RingError::NotOpened(first.record.key_id.clone());
        let signing_key = first.signing_key.clone().ok_or_else(not_opened)?;
        let sign_until = first.record.sign_until;
        let key_set = KeySet::new(keys.iter().map(|key| key.verifying_key.clone()).collect())
            .map_err(RingError::KeySet)?;
        Ok(Self { active: signing_key, sign_until, key_set, keys })
    }

    /// The key that signs, or `None` from its `sign_until` on.
    #[must_use]
    pub fn signing_key(&self, now: UnixTime) -> Option<&Arc<dyn SigningKey>> {
        self.sign_until.is_none_or(|until| now < until).then_some(&self.active)
    }

    /// From when on the active key no longer signs, where an end is set.
    #[must_use]
    pub fn sign_until(&self) -> Option<UnixTime> {
        self.sign_until
    }

    /// Every key in published order.
    #[must_use]
    pub fn keys(&self) -> &[RingKey] {
        &self.keys
    }

    /// The public halves in published order.
    #[must_use]
    pub fn key_set(&self) -> &KeySet {
        &self.key_set
    }
}
