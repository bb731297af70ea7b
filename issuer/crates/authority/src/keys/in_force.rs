//! A ring in force, and the records it is made of.
//!
//! A change is durable before it is in force, and in force for everyone at once: the store first, then the
//! ring, swapped whole. Changes follow one another. Where the outcome of a write is not known, the records
//! are read again before the next one.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use moneyer_identity::KeyId;
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::audit::{Actor, Event, Ledger};
use crate::keys::error::KeysError;
use crate::keys::shelf::{Shelf, ShelfDraft, Shelved, commit};

/// Which keys relying parties are served, whichever coordinator they ask: those that are seen to be served here,
/// and that others who share the store publish too.
pub(crate) fn served_by_all(
    served: Option<Arc<BTreeSet<KeyId>>>,
    confirmed: Option<Arc<BTreeSet<KeyId>>>,
) -> Option<Arc<BTreeSet<KeyId>>> {
    match (served, confirmed) {
        (Some(served), Some(confirmed)) => {
            Some(Arc::new(served.intersection(&confirmed).cloned().collect()))
        }
        (served, _) => served,
    }
}

/// The records of a ring; `None` while it is not known whether the last change was stored.
pub(crate) type Known<K> = Option<Shelf<K>>;

/// The ring of the moment, its records, and word of its changes.
#[derive(Debug)]
pub(crate) struct InForce<K: Shelved, R> {
    ledger: Ledger,
    known: Mutex<Known<K>>,
    ring: ArcSwap<R>,
    changed: watch::Sender<u64>,
}

impl<K: Shelved, R: Send + Sync> InForce<K, R> {
    pub(crate) fn new(ledger: Ledger, shelf: Shelf<K>, ring: R) -> Self {
        let (known, ring) = (Mutex::new(Some(shelf)), ArcSwap::from_pointee(ring));
        Self { ledger, known, ring, changed: watch::Sender::new(0) }
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
