//! Keeps the ring: loads it, makes the first key, swaps in new snapshots.

use std::sync::Arc;

use arc_swap::ArcSwap;
use moneyer_identity::{KeyId, UnixTime, VerifyingKey};
use tokio::sync::watch;

use crate::keys::record::{KeyRecord, KeyState};
use crate::keys::ring::{KeyRing, RingError, RingKey};
use crate::signer::{KeyKind, Signer, SignerError};
use crate::store::{Change, Expected, Store, StoreError, load_records};

/// Why the keys cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The records cannot be read or written.
    #[error("the key records cannot be read or written")]
    Store(#[source] StoreError),
    /// A key cannot be made.
    #[error("the first signing key could not be made")]
    Generate(#[source] SignerError),
    /// A stored key cannot be opened.
    #[error("the stored key {key_id} cannot be opened")]
    Open {
        /// Which.
        key_id: KeyId,
        /// Why.
        #[source]
        cause: SignerError,
    },
    /// The records do not form a sound ring.
    #[error("the stored keys do not form a sound ring")]
    Ring(#[source] RingError),
}

/// The ring of the moment, and word of its changes.
#[derive(Debug)]
pub struct Keys {
    ring: ArcSwap<KeyRing>,
    changed: watch::Sender<u64>,
}

impl Keys {
    /// Loads the ring. Where there is no key yet, makes the first one, active at once: nobody can have
    /// cached a key set of an issuer that did not exist.
    pub async fn open(
        store: &dyn Store,
        signer: &dyn Signer,
        kind: KeyKind,
        now: UnixTime,
    ) -> Result<Self, KeysError> {
        let mut records: Vec<KeyRecord> = load_records(store)
            .await
            .map_err(KeysError::Store)?
            .into_iter()
            .map(|(record, _)| record)
            .collect();
        if records.is_empty() {
            records.push(make_first(store, signer, kind, now).await?);
        }
        let mut keys = Vec::with_capacity(records.len());
        for record in records {
            keys.push(open_key(signer, record).await?);
        }
        let ring = KeyRing::new(keys).map_err(KeysError::Ring)?;
        Ok(Self { ring: ArcSwap::from_pointee(ring), changed: watch::Sender::new(0) })
    }

    /// The ring of this moment.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Tells whoever serves the documents when the ring has changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

async fn make_first(
    store: &dyn Store,
    signer: &dyn Signer,
    kind: KeyKind,
    now: UnixTime,
) -> Result<KeyRecord, KeysError> {
    let new = signer.generate(kind).await.map_err(KeysError::Generate)?;
    let record = KeyRecord {
        key_id: new.verifying_key.thumbprint().clone(),
        state: KeyState::Active,
        public: new.verifying_key.jwk().clone(),
        handle: new.handle,
        created_at: now,
        published_at: now,
        activated_at: Some(now),
        sign_until: None,
    };
    let change = Change::put(&record, Expected::Absent).map_err(KeysError::Store)?;
    store.commit(vec![change]).await.map_err(KeysError::Store)?;
    Ok(record)
}

async fn open_key(signer: &dyn Signer, record: KeyRecord) -> Result<RingKey, KeysError> {
    let key_id = record.key_id.clone();
    let public = |cause| RingError::Public { key_id: key_id.clone(), cause };
    let verifying_key =
        VerifyingKey::from_jwk(&record.public).map_err(|cause| KeysError::Ring(public(cause)))?;
    let signing_key = signer
        .open(&verifying_key, &record.handle)
        .await
        .map_err(|cause| KeysError::Open { key_id: record.key_id.clone(), cause })?;
    RingKey::new(Arc::new(record), Some(signing_key)).map_err(KeysError::Ring)
}
