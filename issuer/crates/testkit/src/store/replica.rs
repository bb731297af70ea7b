//! A store in memory that several coordinators share, for tests of what follows it.
//!
//! One process plays them all: each opens a [`MemoryReplica`] of the same place. Time is tokio's, so that a test
//! moves it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use moneyer_authority::shared_store::{Changes, Replica, SharedStore, Turn};
use moneyer_authority::store::{Change, Collection, Generation, Receive, Store, StoreError};
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio::time::Instant;

use super::{MemoryStore, SharedBackend};

/// How long word of a change may be lost.
const ASKS_EVERY: Duration = Duration::from_secs(1);

/// A place that coordinators share.
#[derive(Debug, Clone, Default)]
pub struct MemoryPlace {
    store: MemoryStore,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    reports: Mutex<BTreeMap<String, (Generation, Instant)>>,
    away: Mutex<BTreeSet<String>>,
    /// How many changes are told at once; `None`: all.
    piece: Mutex<Option<usize>>,
    /// How many pieces more are told before the place is away.
    pieces_left: Mutex<Option<usize>>,
    written: Notify,
    keeping: Arc<tokio::sync::Mutex<()>>,
    opening: Arc<tokio::sync::Mutex<()>>,
    /// Word of changes is on its way while somebody holds it.
    telling: tokio::sync::RwLock<()>,
}

impl MemoryPlace {
    /// The place as a coordinator of this name sees it.
    #[must_use]
    pub fn replica(&self, name: &str) -> Arc<MemoryReplica> {
        Arc::new(MemoryReplica { name: name.to_owned(), place: self.clone() })
    }

    /// Holds back what coordinators are told of changes, from when they asked, until it is dropped.
    pub async fn hold_word(&self) -> impl Drop + '_ {
        self.shared.telling.write().await
    }

    /// Tells so many changes at once, and after `pieces` of them is away. Until this is called again.
    pub fn tell_in_pieces(&self, changes: usize, pieces: Option<usize>) {
        *lock(&self.shared.piece) = Some(changes);
        *lock(&self.shared.pieces_left) = pieces;
    }

    /// The first changes of these, as far as they are told at once.
    fn piece(&self, mut changes: Changes) -> Result<Changes, StoreError> {
        let Some(at_once) = *lock(&self.shared.piece) else { return Ok(changes) };
        if let Some(left) = lock(&self.shared.pieces_left).as_mut() {
            let away = || StoreError::Unavailable("the test told its last piece".into());
            *left = left.checked_sub(1).ok_or_else(away)?;
        }
        if let Some(last) = at_once.checked_sub(1).and_then(|at| changes.changed.get(at)) {
            let through = last.revision;
            changes.changed.retain(|one| one.revision <= through);
            changes.more = through < changes.through;
            changes.through = through;
        }
        Ok(changes)
    }

    /// Cuts a coordinator off from the place, or no longer.
    pub fn set_away(&self, name: &str, away: bool) {
        let mut cut_off = lock(&self.shared.away);
        if away {
            cut_off.insert(name.to_owned());
        } else {
            cut_off.remove(name);
        }
    }
}

/// One coordinator's sight of the place.
#[derive(Debug)]
pub struct MemoryReplica {
    name: String,
    place: MemoryPlace,
}

impl MemoryReplica {
    fn available(&self) -> Result<&MemoryPlace, StoreError> {
        if lock(&self.place.shared.away).contains(&self.name) {
            return Err(StoreError::Unavailable("the test cut this coordinator off".into()));
        }
        Ok(&self.place)
    }
}

#[async_trait]
impl Store for MemoryReplica {
    async fn load(&self, collection: Collection, receive: Receive<'_>) -> Result<(), StoreError> {
        self.available()?.store.load(collection, receive).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Generation, StoreError> {
        let place = self.available()?;
        let generation = place.store.commit(changes).await?;
        place.shared.written.notify_waiters();
        Ok(generation)
    }

    fn generation(&self) -> Generation {
        self.place.store.generation()
    }

    fn health(&self) -> Result<(), StoreError> {
        self.available()?.store.health()
    }

    fn shared(&self) -> Option<&dyn SharedStore> {
        Some(self)
    }
}

#[async_trait]
impl SharedStore for MemoryReplica {
    async fn changes(&self, since: Generation) -> Result<Changes, StoreError> {
        let place = self.available()?;
        let changes = place.piece(place.store.changes(since)?)?;
        drop(place.shared.telling.read().await);
        Ok(changes)
    }

    async fn news(&self, seen: Generation) {
        let written = self.place.shared.written.notified();
        if self.place.store.generation() > seen {
            return;
        }
        tokio::time::timeout(ASKS_EVERY, written).await.ok();
    }

    async fn report(&self, through: Generation) -> Result<Vec<Replica>, StoreError> {
        let mut reports = lock(&self.available()?.shared.reports);
        reports.insert(self.name.clone(), (through, Instant::now()));
        let replica = |(name, (through, at)): (&String, &(Generation, Instant))| Replica {
            name: name.clone(),
            through: *through,
            silent_for: at.elapsed(),
        };
        Ok(reports.iter().map(replica).collect())
    }

    async fn leave(&self) -> Result<(), StoreError> {
        lock(&self.available()?.shared.reports).remove(&self.name);
        Ok(())
    }

    async fn turn(&self) -> Result<Option<Box<dyn Turn>>, StoreError> {
        let turn = self.available()?.shared.keeping.clone().try_lock_owned();
        Ok(turn.ok().map(|held| Box::new(MemoryTurn { _held: held }) as Box<dyn Turn>))
    }

    async fn turn_to_open(&self) -> Result<Box<dyn Turn>, StoreError> {
        let held = self.available()?.shared.opening.clone().lock_owned().await;
        Ok(Box::new(MemoryTurn { _held: held }))
    }
}

#[derive(Debug)]
struct MemoryTurn {
    _held: OwnedMutexGuard<()>,
}

impl Turn for MemoryTurn {}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens one [`MemoryPlace`] again and again, each time as another coordinator.
#[derive(Debug, Default)]
pub struct MemorySharedBackend {
    place: MemoryPlace,
    opened: AtomicUsize,
}

#[async_trait]
impl SharedBackend for MemorySharedBackend {
    type Store = MemoryReplica;

    async fn open(&self) -> Arc<MemoryReplica> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        self.place.replica(&format!("coordinator-{number}"))
    }

    async fn forget_removals(&self, _: &MemoryReplica) {
        self.place.store.forget_removals();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::shared_store_suite!(MemorySharedBackend::default());

    #[tokio::test]
    async fn it_tells_a_long_time_in_pieces_where_it_is_asked_to() {
        let backend = MemorySharedBackend::default();
        backend.place.tell_in_pieces(4, None);
        crate::store::a_long_time_is_told_in_pieces(&backend).await;
        let first = backend.place.replica("one").changes(Generation(0)).await.unwrap();
        assert_eq!((first.changed.len(), first.through, first.more), (5, Generation(2), true));
    }
}
