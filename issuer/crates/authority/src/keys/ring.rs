//! The ring: every key of the issuer at one moment.
//!
//! A ring that exists is sound: one key of the primary line is active, at most one of the second, and their
//! private halves are open; every key id is
//! the thumbprint of its key or was given elsewhere and is recorded so, and no key and no id stands twice. Published order is active (the
//! primary line's first), prepared, retiring:
//! some verifiers look at the first key only. Withdrawn keys are known and not published.
//!
//! What another coordinator has stored is in force even where a key of it does not open here: it is published and
//! signs nothing, and whatever was withdrawn with it is withdrawn.

use std::collections::BTreeSet;
use std::sync::Arc;

use moneyer_identity::{KeyError, KeyId, KeySet, KeySetError, UnixTime, VerifyingKey};

use crate::keys::line::Line;
use crate::keys::record::{KeyRecord, KeyState, RingRecord};
use crate::signer::SigningKey;

/// Why records do not form a ring.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// None or several keys of a line are active.
    #[error("{0} keys of one line are active; exactly one must be")]
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
    /// A record's id is not the thumbprint of its key, or the thumbprint it records is not.
    #[error("the id of key {0} is not the thumbprint of its public half")]
    Thumbprint(KeyId),
    /// Two records are of one key, or two keys go by one id.
    #[error("key {0} stands twice")]
    Twice(KeyId),
    /// A record's times contradict its state (case 176).
    #[error("the times of key {0} contradict its state")]
    Times(KeyId),
    /// The certificate of an authority is not one of this cluster's over its key.
    #[error("the certificate of the authority {key_id} cannot be used")]
    Certificate {
        /// Whose.
        key_id: KeyId,
        /// Why.
        #[source]
        cause: crate::store::Cause,
    },
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
    /// The key of a record, not opened.
    pub fn new(record: Arc<KeyRecord>) -> Result<Self, RingError> {
        let key_id = &record.key_id;
        let verifying_key = VerifyingKey::from_jwk(&record.public)
            .map_err(|cause| RingError::Public { key_id: key_id.clone(), cause })?;
        if verifying_key.thumbprint() != record.thumbprint() || verifying_key.key_id() != key_id {
            return Err(RingError::Thumbprint(key_id.clone()));
        }
        if !record.times(None).are_sound() {
            return Err(RingError::Times(key_id.clone()));
        }
        Ok(Self { record, verifying_key, signing_key: None })
    }

    /// The same, published with the certificate over it, if there is one.
    #[must_use]
    pub fn certified(mut self) -> Self {
        if let Some(certificate) = self.record.certificate.clone() {
            self.verifying_key = self.verifying_key.certified(certificate);
        }
        self
    }

    /// The same with its private half.
    #[must_use]
    pub fn opened(self, signing_key: Arc<dyn SigningKey>) -> Self {
        Self { signing_key: Some(signing_key), ..self }
    }
}

/// A key that signs, and until when.
#[derive(Debug)]
struct Active {
    /// `None`: it does not open here.
    key: Option<Arc<dyn SigningKey>>,
    until: Option<UnixTime>,
}

/// Every key of the issuer at one moment.
#[derive(Debug)]
pub struct KeyRing {
    published: Vec<RingKey>,
    withdrawn: Vec<RingKey>,
    primary: Active,
    second: Option<Active>,
    key_set: KeySet,
    record: RingRecord,
}

impl KeyRing {
    /// Checks and orders the keys.
    pub fn new(keys: Vec<RingKey>, record: RingRecord) -> Result<Self, RingError> {
        let ring = Self::taken_in(keys, record)?;
        let closed = ring.closed().find(|key| key.state == KeyState::Active);
        let closed = closed.map(|key| key.key_id.clone());
        closed.map_or(Ok(ring), |key_id| Err(RingError::NotOpened(key_id)))
    }

    /// The same of keys that another coordinator has stored already, whether or not they open here.
    pub(super) fn taken_in(keys: Vec<RingKey>, record: RingRecord) -> Result<Self, RingError> {
        let (mut published, withdrawn): (Vec<_>, Vec<_>) =
            keys.into_iter().partition(|key| key.record.state.is_published());
        let order = |key: &RingKey| match key.record.state {
            KeyState::Active => 0,
            KeyState::Prepared => 1,
            KeyState::Retiring | KeyState::Withdrawn => 2,
        };
        published.sort_by_key(|key| {
            let (order, line) = (order(key), key.record.line);
            // Lines tell active keys apart and nothing else.
            let line = if order == 0 { line } else { Line::Primary };
            (order, line, std::cmp::Reverse(key.record.created_at))
        });
        let primary = active(&published, Line::Primary)?.ok_or(RingError::Active(0))?;
        let second = active(&published, Line::Second)?;
        let verifying_keys = published.iter().map(|key| key.verifying_key.clone()).collect();
        let key_set = KeySet::new(verifying_keys).map_err(RingError::KeySet)?;
        let (mut ids, mut thumbprints) = (BTreeSet::new(), BTreeSet::new());
        for record in published.iter().chain(&withdrawn).map(|key| &*key.record) {
            if !ids.insert(&record.key_id) || !thumbprints.insert(record.thumbprint()) {
                return Err(RingError::Twice(record.key_id.clone()));
            }
        }
        Ok(Self { published, withdrawn, primary, second, key_set, record })
    }

    /// The key that signs, or `None` from its `sign_until` on.
    #[must_use]
    pub fn signing_key(&self, now: UnixTime) -> Option<&Arc<dyn SigningKey>> {
        self.signing_key_of(Line::Primary, now)
    }

    /// The key of a line that signs; `None` where there is none yet, and from its `sign_until` on.
    #[must_use]
    pub fn signing_key_of(&self, line: Line, now: UnixTime) -> Option<&Arc<dyn SigningKey>> {
        let active = match line {
            Line::Primary => Some(&self.primary),
            Line::Second => self.second.as_ref(),
        };
        let signs = |active: &&Active| active.until.is_none_or(|until| now < until);
        active.filter(signs).and_then(|active| active.key.as_ref())
    }

    /// From when on the primary line's active key no longer signs, where an end is set.
    #[must_use]
    pub fn sign_until(&self) -> Option<UnixTime> {
        self.primary.until
    }

    /// Every published key in published order: the active one first.
    #[must_use]
    pub fn keys(&self) -> &[RingKey] {
        &self.published
    }

    /// The keys that sign or will, and are not open here.
    pub fn closed(&self) -> impl Iterator<Item = &KeyRecord> {
        let is_closed = |key: &&RingKey| key.record.state.may_sign() && key.signing_key.is_none();
        self.published.iter().filter(is_closed).map(|key| &*key.record)
    }

    /// Whether relying parties are told of this key.
    #[must_use]
    pub fn publishes(&self, key_id: &KeyId) -> bool {
        self.published.iter().any(|key| key.record.key_id == *key_id)
    }

    /// Every record, published or withdrawn.
    pub fn records(&self) -> impl Iterator<Item = &KeyRecord> {
        self.published.iter().chain(&self.withdrawn).map(|key| &*key.record)
    }

    /// The public halves in published order.
    #[must_use]
    pub fn key_set(&self) -> &KeySet {
        &self.key_set
    }

    /// What is true of all keys together.
    #[must_use]
    pub fn record(&self) -> &RingRecord {
        &self.record
    }

    /// The private half of a key that is open.
    pub(super) fn open_key(&self, key_id: &KeyId) -> Option<Arc<dyn SigningKey>> {
        let key = self.published.iter().find(|key| key.record.key_id == *key_id)?;
        key.signing_key.clone()
    }
}

/// The key of a line that signs, if there is one.
fn active(published: &[RingKey], line: Line) -> Result<Option<Active>, RingError> {
    let is_active =
        |key: &&RingKey| key.record.state == KeyState::Active && key.record.line == line;
    let mut found = published.iter().filter(is_active);
    let Some(first) = found.next() else { return Ok(None) };
    let others = found.count();
    if others > 0 {
        return Err(RingError::Active(others + 1));
    }
    Ok(Some(Active { key: first.signing_key.clone(), until: first.record.sign_until }))
}
