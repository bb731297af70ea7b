//! Keeps mappings and scopes. A change is recorded, stored, and then in force for everyone at once; changes follow
//! one another, and one of several is made as a whole or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::catalog::{Catalog, Kept};
use super::client::ClientIdentifier;
use super::error::MappingsError;
use super::mapping::{MappingKey, ResourceMapping};
use super::scope::{ScopeKey, ScopeMapping};
use crate::audit::{Actor, Event, Ledger};
use crate::shared_store::Changed;
use crate::store::{Change, Collection, Expected, Generation, Record, StoreError, load_records};

/// Most mappings: each is some hundred bytes in the memory of every coordinator.
pub const MAXIMUM_MAPPINGS: usize = 100_000;

/// Most scope mappings, which are looked up by name as mappings are.
pub const MAXIMUM_SCOPES: usize = 20_000;

/// Whether what is written may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It must not.
    New,
    /// It must: this revision of it, or any.
    There(Option<Generation>),
    /// It may.
    Any,
}

/// The mappings and scopes of the moment.
#[derive(Debug)]
pub struct Mappings {
    ledger: Ledger,
    changing: Mutex<Turn>,
    catalog: ArcSwap<Catalog>,
}

/// Whose turn it is to change something.
#[derive(Debug, Default)]
struct Turn {
    /// What became of a change is not known, so that memory may not be what is stored.
    unsure: bool,
}

/// Changes to be made together, and what they make of the catalog.
struct Batch {
    catalog: Catalog,
    events: Vec<Event>,
    changes: Vec<Change>,
    put_mappings: Vec<ResourceMapping>,
    put_scopes: Vec<ScopeMapping>,
}

impl Mappings {
    /// Loads what operators have put.
    pub async fn open(ledger: Ledger) -> Result<Self, MappingsError> {
        let catalog = ArcSwap::from_pointee(load(&ledger).await?);
        Ok(Self { ledger, changing: Mutex::default(), catalog })
    }

    /// Every mapping and every scope of this moment.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// Writes mappings, all or none.
    pub async fn put_mappings(
        &self,
        who: &Actor,
        mappings: Vec<ResourceMapping>,
        place: Place,
    ) -> Result<(), MappingsError> {
        let mut turn = self.changing.lock().await;
        let (mut batch, mut seen) = (self.batch(&mut turn).await?, BTreeSet::new());
        for mapping in mappings {
            let key = mapping.key();
            let refused = |error| MappingsError::Mapping { key: key.clone(), error };
            let mapping = mapping.checked().map_err(refused)?;
            if !seen.insert(key.clone()) {
                return Err(MappingsError::MappingTwice(key));
            }
            let before = batch.catalog.mappings.get(&key);
            let expected = expected(before, place, || MappingsError::MappingExists(key.clone()))?;
            let expected = expected.ok_or_else(|| MappingsError::NoSuchMapping(key.clone()))?;
            if before.is_none_or(|kept| *kept.value != mapping) {
                batch.put(&mapping, expected, Event::MappingPut((&mapping).into()))?;
                batch.put_mappings.push(mapping);
            }
        }
        self.commit(who, &mut turn, batch).await
    }

    /// Writes scopes, all or none.
    pub async fn put_scopes(
        &self,
        who: &Actor,
        scopes: Vec<ScopeMapping>,
        place: Place,
    ) -> Result<(), MappingsError> {
        let mut turn = self.changing.lock().await;
        let (mut batch, mut seen) = (self.batch(&mut turn).await?, BTreeSet::new());
        for scope in scopes {
            let key = scope.key();
            let refused = |error| MappingsError::Scope { key: key.clone(), error };
            let scope = scope.checked().map_err(refused)?;
            if !seen.insert(key.clone()) {
                return Err(MappingsError::ScopeTwice(key));
            }
            let before = batch.catalog.scopes.get(&key);
            let expected = expected(before, place, || MappingsError::ScopeExists(key.clone()))?;
            let expected = expected.ok_or_else(|| MappingsError::NoSuchScope(key.clone()))?;
            if before.is_none_or(|kept| *kept.value != scope) {
                batch.put(&scope, expected, Event::ScopePut((&scope).into()))?;
                batch.put_scopes.push(scope);
            }
        }
        self.commit(who, &mut turn, batch).await
    }

    /// Removes a mapping, and tells whether it was there.
    pub async fn remove_mapping(
        &self,
        who: &Actor,
        key: &MappingKey,
        revision: Option<Generation>,
    ) -> Result<bool, MappingsError> {
        let mut turn = self.changing.lock().await;
        let mut batch = self.batch(&mut turn).await?;
        let Some(kept) = batch.catalog.mappings.get(key) else { return Ok(false) };
        check_revision(kept.revision, revision)?;
        batch.remove_mappings([key.clone()]);
        self.commit(who, &mut turn, batch).await.map(|()| true)
    }

    /// Removes every mapping of a client, and tells how many there were.
    pub async fn remove_client(
        &self,
        who: &Actor,
        client: &ClientIdentifier,
    ) -> Result<usize, MappingsError> {
        let mut turn = self.changing.lock().await;
        let mut batch = self.batch(&mut turn).await?;
        let keys = batch.catalog.mappings.keys().filter(|key| key.client == *client);
        let keys: Vec<_> = keys.cloned().collect();
        let count = keys.len();
        batch.remove_mappings(keys);
        self.commit(who, &mut turn, batch).await.map(|()| count)
    }

    /// Removes a scope, and tells whether it was there. Mappings that name it grant it on, and it stands for
    /// nothing.
    pub async fn remove_scope(
        &self,
        who: &Actor,
        key: &ScopeKey,
        revision: Option<Generation>,
    ) -> Result<bool, MappingsError> {
        let mut turn = self.changing.lock().await;
        let mut batch = self.batch(&mut turn).await?;
        let Some(kept) = batch.catalog.scopes.remove(key) else { return Ok(false) };
        check_revision(kept.revision, revision)?;
        batch.events.push(Event::ScopeRemoved(key.into()));
        batch.changes.push(Change::remove(Collection::Scopes, &kept.value.id(), kept.revision));
        self.commit(who, &mut turn, batch).await.map(|()| true)
    }

    /// That a record can be read, if it is a mapping's or a scope's.
    pub(crate) fn read(change: &Changed) -> Result<(), StoreError> {
        match change.collection {
            Collection::Mappings => change.decoded::<ResourceMapping>().map(drop),
            Collection::Scopes => change.decoded::<ScopeMapping>().map(drop),
            _ => Ok(()),
        }
    }

    /// Takes in what another coordinator has changed.
    pub(crate) async fn take_in(&self, changed: &[Changed]) -> Result<(), MappingsError> {
        let mut turn = self.changing.lock().await;
        let mut catalog = self.batch(&mut turn).await?.catalog;
        let news = changed.iter().filter(|change| !self.ledger.supersedes(change));
        let news: Vec<_> = news.collect();
        let taken_in = catalog.take_in(&news).map_err(MappingsError::Store);
        self.catalog.store(Arc::new(catalog));
        taken_in
    }

    /// Begins a change from what is stored.
    async fn batch(&self, turn: &mut Turn) -> Result<Batch, MappingsError> {
        if turn.unsure {
            self.catalog.store(Arc::new(load(&self.ledger).await?));
            turn.unsure = false;
        }
        Ok(Batch {
            catalog: Catalog::clone(&self.catalog.load()),
            events: Vec::new(),
            changes: Vec::new(),
            put_mappings: Vec::new(),
            put_scopes: Vec::new(),
        })
    }

    async fn commit(
        &self,
        who: &Actor,
        turn: &mut Turn,
        batch: Batch,
    ) -> Result<(), MappingsError> {
        let Batch { mut catalog, events, changes, put_mappings, put_scopes } = batch;
        if changes.is_empty() {
            return Ok(());
        }
        let keys: BTreeSet<_> = put_mappings.iter().map(ResourceMapping::key).collect();
        let new = keys.iter().filter(|key| !catalog.mappings.contains_key(key)).count();
        let new_scopes =
            put_scopes.iter().filter(|scope| !catalog.scopes.contains_key(&scope.key())).count();
        if catalog.mappings.len() + new > MAXIMUM_MAPPINGS
            || catalog.scopes.len() + new_scopes > MAXIMUM_SCOPES
        {
            return Err(MappingsError::TooMany);
        }
        turn.unsure = true;
        let revision = self.ledger.commit(who, events, changes).await?;
        turn.unsure = false;
        for mapping in put_mappings {
            let key = mapping.key();
            catalog.mappings.insert(key, Kept { value: Arc::new(mapping), revision });
        }
        for scope in put_scopes {
            catalog.scopes.insert(scope.key(), Kept { value: Arc::new(scope), revision });
        }
        self.catalog.store(Arc::new(catalog));
        Ok(())
    }
}

impl Batch {
    fn put(
        &mut self,
        record: &impl Record,
        expected: Expected,
        event: Event,
    ) -> Result<(), MappingsError> {
        self.changes.push(Change::put(record, expected).map_err(MappingsError::Store)?);
        self.events.push(event);
        Ok(())
    }

    fn remove_mappings(&mut self, keys: impl IntoIterator<Item = MappingKey>) {
        for key in keys {
            let Some(kept) = self.catalog.mappings.remove(&key) else { continue };
            let change = Change::remove(Collection::Mappings, &kept.value.id(), kept.revision);
            self.changes.push(change);
            self.events.push(Event::MappingRemoved((&key).into()));
        }
    }
}

/// What a write expects; `None` where it expects something that is not there.
fn expected<T>(
    before: Option<&Kept<T>>,
    place: Place,
    exists: impl FnOnce() -> MappingsError,
) -> Result<Option<Expected>, MappingsError> {
    match (before, place) {
        (Some(_), Place::New) => Err(exists()),
        (None, Place::There(_)) => Ok(None),
        (None, _) => Ok(Some(Expected::Absent)),
        (Some(kept), Place::There(asked)) => {
            check_revision(kept.revision, asked)?;
            Ok(Some(Expected::Revision(kept.revision)))
        }
        (Some(kept), Place::Any) => Ok(Some(Expected::Revision(kept.revision))),
    }
}

fn check_revision(there: Generation, asked: Option<Generation>) -> Result<(), MappingsError> {
    match asked {
        Some(asked) if asked != there => Err(MappingsError::Changed),
        _ => Ok(()),
    }
}

async fn load(ledger: &Ledger) -> Result<Catalog, MappingsError> {
    let mut catalog = Catalog::default();
    let mappings = load_records::<ResourceMapping>(ledger.store()).await;
    for (mapping, revision) in mappings.map_err(MappingsError::Store)? {
        catalog.mappings.insert(mapping.key(), Kept { value: Arc::new(mapping), revision });
    }
    let scopes = load_records::<ScopeMapping>(ledger.store()).await;
    for (scope, revision) in scopes.map_err(MappingsError::Store)? {
        catalog.scopes.insert(scope.key(), Kept { value: Arc::new(scope), revision });
    }
    Ok(catalog)
}
