//! Every mapping and every scope of one moment, in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::client::ClientIdentifier;
use super::context::ParticipantContext;
use super::mapping::{MappingKey, ResourceMapping};
use super::scope::{ScopeKey, ScopeMapping, ScopeName};
use crate::shared_store::Changed;
use crate::store::{Collection, Generation, Record, StoreError};

/// Something that is kept, and which change wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<T> {
    /// What it is.
    pub value: Arc<T>,
    /// Which change wrote it: another one after each change.
    pub revision: Generation,
}

/// Every mapping and every scope, in the order of their names.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    pub(super) mappings: BTreeMap<MappingKey, Kept<ResourceMapping>>,
    pub(super) scopes: BTreeMap<ScopeKey, Kept<ScopeMapping>>,
}

impl Catalog {
    /// Takes in what another coordinator has written or removed.
    pub(super) fn take_in(&mut self, changed: &[&Changed]) -> Result<(), StoreError> {
        let of =
            |collection| changed.iter().copied().filter(move |one| one.collection == collection);
        let mappings = take_in(&mut self.mappings, of(Collection::Mappings), ResourceMapping::key);
        let scopes = take_in(&mut self.scopes, of(Collection::Scopes), ScopeMapping::key);
        mappings.and(scopes)
    }

    /// Every mapping.
    pub fn mappings(&self) -> impl Iterator<Item = &Kept<ResourceMapping>> {
        self.mappings.values()
    }

    /// The mappings after this one.
    pub fn mappings_after<'a>(
        &'a self,
        key: Option<&MappingKey>,
    ) -> impl Iterator<Item = &'a Kept<ResourceMapping>> {
        let from = match key {
            Some(key) => std::ops::Bound::Excluded(key),
            None => std::ops::Bound::Unbounded,
        };
        self.mappings.range((from, std::ops::Bound::Unbounded)).map(|(_, kept)| kept)
    }

    /// Every scope.
    pub fn scopes(&self) -> impl Iterator<Item = &Kept<ScopeMapping>> {
        self.scopes.values()
    }

    /// A mapping as it was written.
    #[must_use]
    pub fn mapping(&self, key: &MappingKey) -> Option<&Kept<ResourceMapping>> {
        self.mappings.get(key)
    }

    /// A scope mapping as it was written.
    #[must_use]
    pub fn scope(&self, key: &ScopeKey) -> Option<&Kept<ScopeMapping>> {
        self.scopes.get(key)
    }

    /// The mapping that decides about a client in a context: its own, else that of its namespace.
    #[must_use]
    pub fn deciding(
        &self,
        client: &ClientIdentifier,
        context: &ParticipantContext,
    ) -> Option<&Arc<ResourceMapping>> {
        let of = |client: ClientIdentifier| {
            let key = MappingKey { client, context: context.clone() };
            self.mappings.get(&key).map(|kept| &kept.value)
        };
        of(client.clone()).or_else(|| of(client.namespace_pattern()?))
    }

    /// What a scope stands for in a context: the mapping for that context, else the one for everyone.
    #[must_use]
    pub fn claims_of(
        &self,
        scope: &ScopeName,
        context: &ParticipantContext,
    ) -> Option<&Arc<ScopeMapping>> {
        let of = |context| {
            let key = ScopeKey { scope: scope.clone(), context };
            self.scopes.get(&key).map(|kept| &kept.value)
        };
        of(Some(context.clone())).or_else(|| of(None))
    }
}

/// Changes of others. A record's id is made of the key and does not give it back, so all that were removed are
/// looked for in one pass.
fn take_in<'a, K: Ord, T: Record>(
    map: &mut BTreeMap<K, Kept<T>>,
    changed: impl Iterator<Item = &'a Changed>,
    key: impl Fn(&T) -> K,
) -> Result<(), StoreError> {
    let (mut removed, mut taken_in) = (HashMap::new(), Ok(()));
    for change in changed {
        let revision = change.revision;
        match change.decoded::<T>() {
            Err(error) => taken_in = taken_in.and(Err(error)),
            Ok(None) => drop(removed.insert(change.id.as_str(), revision)),
            Ok(Some(value)) => {
                let key = key(&value);
                if map.get(&key).is_none_or(|kept| kept.revision < revision) {
                    map.insert(key, Kept { value: Arc::new(value), revision });
                }
            }
        }
    }
    if !removed.is_empty() {
        let stays = |kept: &Kept<T>| {
            removed.get(kept.value.id().as_str()).is_none_or(|at| *at < kept.revision)
        };
        map.retain(|_, kept| stays(kept));
    }
    taken_in
}
