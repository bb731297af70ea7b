//! Records of keys, and the record of the ring they form: changed together or not at all.
//!
//! A change names the revision of every record it replaces and always writes the ring's own record too,
//! so that of two changes made from the same records at most one is stored. The same for every kind of key.

use std::fmt;

use moneyer_identity::KeyId;

use crate::audit::{Actor, Event, Ledger};
use crate::keys::error::KeysError;
use crate::keys::record::KeyState;
use crate::keys::rotation::Step;
use crate::store::{
    Change, Expected, Generation, Record, Store, StoreError, load_record, load_records,
};

/// The record of a key that has its place in a ring.
pub(crate) trait Shelved: Record + Clone + fmt::Debug {
    /// The ring's own record.
    type Ring: Record + Clone + Default + fmt::Debug;

    /// Which key it is of.
    fn key_id(&self) -> &KeyId;

    /// Where it stands.
    fn state(&self) -> KeyState;

    /// Counts a change: two who change keys at once expect the same number, and one of them loses.
    fn count_change(ring: &mut Self::Ring);

    /// Notes in the ring's record that a key's record goes.
    fn goes(&self, _ring: &mut Self::Ring) {}
}

/// The records, each with the generation that wrote it.
#[derive(Debug, Clone)]
pub(crate) struct Shelf<K: Shelved> {
    pub(crate) ring: K::Ring,
    ring_revision: Option<Generation>,
    keys: Vec<(K, Option<Generation>)>,
}

/// Records as they will be, and what has to be stored for that.
#[derive(Debug)]
pub(crate) struct ShelfDraft<K: Shelved> {
    pub(crate) shelf: Shelf<K>,
    removed: Vec<(K, Generation)>,
    written: Vec<KeyId>,
}

impl<K: Shelved> Shelf<K> {
    pub(crate) async fn load(store: &dyn Store) -> Result<Self, StoreError> {
        // The ring's record first: where another coordinator changes both in between, a change from what was read is
        // refused, since it names the ring's older revision.
        let ring = load_record::<K::Ring>(store, &K::Ring::default().id()).await?;
        let keys: Vec<(K, Generation)> = load_records(store).await?;
        let (ring, ring_revision) =
            ring.map_or((K::Ring::default(), None), |(ring, at)| (ring, Some(at)));
        let keys = keys.into_iter().map(|(record, revision)| (record, Some(revision))).collect();
        Ok(Self { ring, ring_revision, keys })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &K> {
        self.keys.iter().map(|(record, _)| record)
    }

    /// Begins a change.
    pub(crate) fn draft(&self) -> ShelfDraft<K> {
        ShelfDraft { shelf: self.clone(), removed: Vec::new(), written: Vec::new() }
    }
}

impl<K: Shelved> ShelfDraft<K> {
    /// Adds a record.
    pub(crate) fn add(&mut self, record: K) {
        self.written.push(record.key_id().clone());
        self.shelf.keys.push((record, None));
    }

    /// Changes a record, if it is there.
    pub(crate) fn edit(&mut self, key_id: &KeyId, edit: impl FnOnce(&mut K)) {
        let found = self.shelf.keys.iter_mut().find(|(record, _)| record.key_id() == key_id);
        if let Some((record, _)) = found {
            edit(record);
            self.written.push(key_id.clone());
        }
    }

    /// Takes a record away.
    pub(crate) fn remove(&mut self, key_id: &KeyId) {
        let at = self.shelf.keys.iter().position(|(record, _)| record.key_id() == key_id);
        let Some(at) = at else { return };
        if let (record, Some(revision)) = self.shelf.keys.remove(at) {
            record.goes(&mut self.shelf.ring);
            self.removed.push((record, revision));
        }
    }

    /// Whether the keys a step is about are still as it takes them to be.
    pub(crate) fn still_allows(&self, step: &Step) -> bool {
        let needed: &[KeyState] = match step {
            Step::Prepare(_) | Step::Request => return true,
            Step::Publish(_) | Step::Lapse(_) | Step::Activate(_) | Step::Retire(_) => {
                &[KeyState::Prepared]
            }
            Step::Extend(..) => &[KeyState::Active],
            Step::Prune(_) => &[KeyState::Retiring, KeyState::Withdrawn],
            Step::Withdraw(_) => &[KeyState::Prepared, KeyState::Active, KeyState::Retiring],
        };
        let mut records = self.records();
        records.any(|key| step.key_id() == Some(key.key_id()) && needed.contains(&key.state()))
    }

    /// The ring's own record as it will be.
    pub(crate) fn ring(&self) -> &K::Ring {
        &self.shelf.ring
    }

    /// The records as they will be.
    pub(crate) fn records(&self) -> impl Iterator<Item = &K> {
        self.shelf.records()
    }

    /// What has to be stored.
    fn changes(&mut self) -> Result<Vec<Change>, StoreError> {
        let ring = &mut self.shelf.ring;
        K::count_change(ring);
        let mut changes = vec![Change::put(&*ring, expected(self.shelf.ring_revision))?];
        for (record, revision) in &self.shelf.keys {
            if self.written.contains(record.key_id()) {
                changes.push(Change::put(record, expected(*revision))?);
            }
        }
        for (record, revision) in &self.removed {
            changes.push(Change::remove(K::COLLECTION, &record.id(), *revision));
        }
        Ok(changes)
    }

    /// The records once the changes are stored.
    fn stored(mut self, generation: Generation) -> Shelf<K> {
        self.shelf.ring_revision = Some(generation);
        for (record, revision) in &mut self.shelf.keys {
            if self.written.contains(record.key_id()) {
                *revision = Some(generation);
            }
        }
        self.shelf
    }
}

/// Records and stores a change. What changes no key's state, such as that a key is served, is stored
/// without a record.
pub(crate) async fn commit<K: Shelved>(
    ledger: &Ledger,
    who: &Actor,
    what: Vec<Event>,
    mut draft: ShelfDraft<K>,
) -> Result<Shelf<K>, KeysError> {
    let changes = draft.changes().map_err(KeysError::Store)?;
    let generation = if what.is_empty() {
        ledger.commit_unrecorded(changes).await?
    } else {
        ledger.commit(who, what, changes).await?
    };
    Ok(draft.stored(generation))
}

fn expected(revision: Option<Generation>) -> Expected {
    revision.map_or(Expected::Absent, Expected::Revision)
}
