//! A store in memory, for tests of what uses a store.
//!
//! It keeps the port's contract except that nothing survives the process. It can be made
//! unavailable, as a backend is when its disk fails or its database is away.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use moneyer_authority::shared_store::{Changed, Changes};
use moneyer_authority::store::{
    Change, Collection, Expected, Generation, MAXIMUM_RECORD_BYTES, Receive, Store, StoreError,
    Stored,
};

use super::Backend;

/// Longest id in bytes, as the port says.
pub(super) const MAXIMUM_ID_BYTES: usize = 255;

type Records = BTreeMap<(Collection, String), (Generation, Vec<u8>)>;

#[derive(Default)]
struct State {
    generation: Generation,
    records: Records,
    /// What was removed, and by which generation.
    removed: BTreeMap<(Collection, String), Generation>,
    /// What was removed up to here is forgotten.
    forgotten: Generation,
    unavailable: bool,
}

/// Records in memory. A clone is the same store.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    /// Refuses every call from now on with [`StoreError::Unavailable`], or no longer.
    pub fn set_unavailable(&self, unavailable: bool) {
        self.state().unavailable = unavailable;
    }

    /// Forgets all that was removed until now.
    pub(super) fn forget_removals(&self) {
        let mut state = self.state();
        let last = state.removed.values().max().copied();
        state.forgotten = state.forgotten.max(last.unwrap_or_default());
        state.removed.clear();
    }

    /// What became of the records since a generation.
    pub(super) fn changes(&self, since: Generation) -> Result<Changes, StoreError> {
        let state = self.available()?;
        if since < state.forgotten {
            return Err(StoreError::Forgotten { since });
        }
        let written = state.records.iter().map(|((collection, id), (revision, value))| Changed {
            collection: *collection,
            id: id.clone(),
            revision: *revision,
            value: Some(value.clone().into()),
        });
        let removed = state.removed.iter().map(|((collection, id), revision)| Changed {
            collection: *collection,
            id: id.clone(),
            revision: *revision,
            value: None,
        });
        let mut changed: Vec<_> =
            written.chain(removed).filter(|one| one.revision > since).collect();
        changed.sort_by_key(|one| one.revision);
        Ok(Changes { changed, through: state.generation, more: false })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn available(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.unavailable {
            return Err(StoreError::Unavailable("the test made it so".into()));
        }
        Ok(state)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, collection: Collection, receive: Receive<'_>) -> Result<(), StoreError> {
        let found: Vec<Stored> = self
            .available()?
            .records
            .iter()
            .filter(|((kept_in, _), _)| *kept_in == collection)
            .map(|((_, id), (revision, value))| Stored {
                id: id.clone(),
                revision: *revision,
                value: value.clone().into(),
            })
            .collect();
        found.into_iter().try_for_each(receive)
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Generation, StoreError> {
        let mut state = self.available()?;
        let generation = Generation(state.generation.0.saturating_add(1));
        let mut records = state.records.clone();
        let touched: Vec<_> =
            changes.iter().map(|change| (change.collection, change.id.clone())).collect();
        for change in changes {
            make(&mut records, change, generation)?;
        }
        for record in touched {
            if records.contains_key(&record) {
                state.removed.remove(&record);
            } else {
                state.removed.insert(record, generation);
            }
        }
        state.records = records;
        state.generation = generation;
        Ok(generation)
    }

    fn generation(&self) -> Generation {
        self.state().generation
    }

    fn health(&self) -> Result<(), StoreError> {
        self.available().map(drop)
    }
}

fn make(records: &mut Records, change: Change, generation: Generation) -> Result<(), StoreError> {
    let Change { collection, id, expected, value } = change;
    if id.is_empty() {
        return Err(StoreError::Encode("a record has an empty id".into()));
    }
    let value_bytes = value.as_ref().map_or(0, |value| value.len());
    if id.len() > MAXIMUM_ID_BYTES || value_bytes > MAXIMUM_RECORD_BYTES {
        return Err(StoreError::TooLarge { collection, id });
    }
    let key = (collection, id);
    let found = records.get(&key).map(|(revision, _)| *revision);
    let wanted = match expected {
        Expected::Absent => None,
        Expected::Revision(revision) => Some(revision),
    };
    if found != wanted {
        let (collection, id) = key;
        return Err(StoreError::Conflict { collection, id });
    }
    match value {
        Some(value) => drop(records.insert(key, (generation, value.to_vec()))),
        None => drop(records.remove(&key)),
    }
    Ok(())
}

/// Opens the same [`MemoryStore`] again and again.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    store: MemoryStore,
}

#[async_trait]
impl Backend for MemoryBackend {
    type Store = MemoryStore;

    async fn open(&self) -> Arc<MemoryStore> {
        Arc::new(self.store.clone())
    }

    async fn close(&self, store: Arc<MemoryStore>) {
        drop(store);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::store_suite!(MemoryBackend::default());

    #[tokio::test]
    async fn refuses_everything_while_it_is_unavailable() {
        let store = MemoryStore::default();
        store.set_unavailable(true);
        assert!(matches!(store.commit(Vec::new()).await, Err(StoreError::Unavailable(_))));
        assert!(matches!(store.health(), Err(StoreError::Unavailable(_))));
        let loaded = store.load(Collection::Apps, &mut |_| Ok(())).await;
        assert!(matches!(loaded, Err(StoreError::Unavailable(_))));
        store.set_unavailable(false);
        assert_eq!(store.commit(Vec::new()).await.unwrap(), Generation(1));
    }
}
