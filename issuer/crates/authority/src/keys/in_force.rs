//! A ring in force, and the records it is made of.
//!
//! A change is durable before it is in force, and in force for everyone at once: the store first, then the
//! ring, swapped whole. Changes follow one another. Where the outcome of a write is not known, the records
//! are read again before the next one.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as Lock, MutexGuard as LockGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use moneyer_identity::KeyId;
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::audit::{Actor, Event, Ledger};
use crate::keys::error::KeysError;
use crate::keys::shelf::{Shelf, ShelfDraft, Shelved, commit};
use crate::keys::sights::{Look, Mark, Sights, View};

/// The records of a ring; `None` while it is not known whether the last change was stored.
pub(crate) type Known<K> = Option<Shelf<K>>;

/// The ring of the moment, its records, and word of its changes.
#[derive(Debug)]
pub(crate) struct InForce<K: Shelved, R> {
    ledger: Ledger,
    known: Mutex<Known<K>>,
    ring: ArcSwap<R>,
    changed: watch::Sender<u64>,
    sights: Lock<Sights>,
    /// Which keys every coordinator publishes that shares the store; `None` where none does.
    confirmed: ArcSwapOption<BTreeSet<KeyId>>,
}

impl<K: Shelved, R: Send + Sync> InForce<K, R> {
    pub(crate) fn new(ledger: Ledger, shelf: Shelf<K>, ring: R) -> Self {
        let (known, ring) = (Mutex::new(Some(shelf)), ArcSwap::from_pointee(ring));
        // Until the others have said so, nobody knows that they publish a key.
        let nothing = ledger.standing().map(|_shared| Arc::default());
        let sights = Lock::new(Sights::new(ledger.standing().is_some()));
        Self {
            ledger,
            known,
            ring,
            changed: watch::Sender::new(0),
            sights,
            confirmed: ArcSwapOption::new(nothing),
        }
    }

    /// Hears what came of a look at what relying parties are served, while these keys are marked as published.
    pub(crate) fn look(&self, look: Look, marks: &[Mark]) {
        self.sights().take(look, marks);
    }

    /// Hears which keys every coordinator publishes that shares the store.
    pub(crate) fn confirm(&self, key_ids: BTreeSet<KeyId>) {
        self.confirmed.store(Some(Arc::new(key_ids)));
    }

    /// Which keys relying parties are served, whichever coordinator they ask, as far as that can be told here.
    /// `marks` are those of which it was written down: then everybody published them, and who came later has
    /// loaded them.
    pub(crate) fn served_by_all(&self, marks: &[Mark]) -> View {
        let (mut view, confirmed) = (self.sights().view(marks), self.confirmed.load_full());
        if let Some((served, confirmed)) = view.served.as_mut().zip(confirmed) {
            let is_marked = |key_id: &KeyId| marks.iter().any(|(marked, _)| marked == key_id);
            served.retain(|key_id| confirmed.contains(key_id) || is_marked(key_id));
        }
        view
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

    /// Every method of it leaves it whole: a panic elsewhere cannot have left it half changed.
    fn sights(&self) -> LockGuard<'_, Sights> {
        self.sights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a ring in force.
    pub(crate) fn put(&self, ring: R) {
        self.ring.store(Arc::new(ring));
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}
