//! A ring in force, and the records it is made of.
//!
//! A change is durable before it is in force, and in force for everyone at once: the store first, then the
//! ring, swapped whole. Changes follow one another. Where the outcome of a write is not known, the records
//! are read again before the next one.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use moneyer_identity::KeyId;
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::audit::{Actor, Event, Ledger};
use crate::keys::error::KeysError;
use crate::keys::shelf::{Shelf, ShelfDraft, Shelved, commit};

/// The records of a ring; `None` while it is not known whether the last change was stored.
pub(crate) type Known<K> = Option<Shelf<K>>;

/// The ring of the moment, its records, and word of its changes.
#[derive(Debug)]
pub(crate) struct InForce<K: Shelved, R> {
    ledger: Ledger,
    known: Mutex<Known<K>>,
    ring: ArcSwap<R>,
    changed: watch::Sender<u64>,
    served: ArcSwapOption<BTreeSet<KeyId>>,
    /// Which keys every coordinator publishes that shares the store; `None` where none does.
    confirmed: ArcSwapOption<BTreeSet<KeyId>>,
}

impl<K: Shelved, R: Send + Sync> InForce<K, R> {
    pub(crate) fn new(ledger: Ledger, shelf: Shelf<K>, ring: R) -> Self {
        let (known, ring) = (Mutex::new(Some(shelf)), ArcSwap::from_pointee(ring));
        // Until the others have said so, nobody knows that they publish a key.
        let nothing = ledger.standing().map(|_shared| Arc::default());
        Self {
            ledger,
            known,
            ring,
            changed: watch::Sender::new(0),
            served: ArcSwapOption::empty(),
            confirmed: ArcSwapOption::new(nothing),
        }
    }

    /// Hears which keys relying parties are served, or that nobody can tell.
    pub(crate) fn serve(&self, key_ids: Option<BTreeSet<KeyId>>) {
        self.served.store(key_ids.map(Arc::new));
    }

    /// Hears which keys every coordinator publishes that shares the store.
    pub(crate) fn confirm(&self, key_ids: BTreeSet<KeyId>) {
        self.confirmed.store(Some(Arc::new(key_ids)));
    }

    /// Which of these keys relying parties are served, whichever coordinator they ask; `None` while nobody can tell.
    /// `published` are those of which it was written down: then everybody published them, and who came later has
    /// loaded them.
    pub(crate) fn served_by_all(&self, published: &[KeyId]) -> Option<BTreeSet<KeyId>> {
        let (served, confirmed) = (self.served.load_full()?, self.confirmed.load_full());
        let Some(confirmed) = confirmed else { return Some(BTreeSet::clone(&served)) };
        let by_all = |key_id: &&KeyId| confirmed.contains(key_id) || published.contains(key_id);
        Some(served.iter().filter(by_all).cloned().collect())
    }

    /// The ring of this moment.
    pub(crate) fn ring(&self) -> Arc<R> {
        self.ring.load_full()
    }

    /// Tells when the ring has changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The right to change the records. The ring is put in force again by whoever finds them unknown.
    pub(crate) async fn lock(&self) -> MutexGuard<'_, Known<K>> {
        self.known.lock().await
    }

    /// The records as they are stored.
    pub(crate) async fn load(&self) -> Result<Shelf<K>, KeysError> {
        Shelf::load(self.ledger.store()).await.map_err(KeysError::Store)
    }

    /// Stores a change, and puts the ring in force that it makes.
    pub(crate) async fn change(
        &self,
        known: &mut Known<K>,
        draft: ShelfDraft<K>,
        (who, what): (&Actor, Vec<Event>),
        ring: R,
    ) -> Result<(), KeysError> {
        let before = known.take();
        match commit(&self.ledger, who, what, draft).await {
            Ok(stored) => {
                *known = Some(stored);
                self.put(ring);
                Ok(())
            }
            Err(error) => {
                if matches!(error, KeysError::Audit(_)) {
                    // Not even begun, so what is known still holds.
                    *known = before;
                }
                Err(error)
            }
        }
    }

    /// Puts a ring in force.
    pub(crate) fn put(&self, ring: R) {
        self.ring.store(Arc::new(ring));
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}
