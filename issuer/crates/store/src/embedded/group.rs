//! Commits that reach the disk together.
//!
//! Each commit is checked against the tree as it will be after the commits before it in the group:
//! one that fits adds its changes to the batch and has a generation of its own; one that does not
//! adds nothing. The batch is one sled batch, which sled recovers whole or not at all, and holds
//! the new head too, so records and head cannot part. What was there before is kept until the group is
//! acknowledged: if that never happens, it is put back.

use std::collections::HashMap;

use moneyer_authority::store::{Change, Collection, Expected, Generation, StoreError};
use sled::IVec;

use super::catalogue::NameChange;
use crate::record::{Envelope, HEAD, Head, Identity, Sealing, SetHash, enclose, record_key};

/// How a group looks at records and makes them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Press<'a> {
    pub(super) db: &'a sled::Db,
    pub(super) identity: &'a Identity,
    pub(super) sealing: Option<&'a Sealing>,
}

/// A record as it is after the commits so far.
#[derive(Debug, Clone, Copy)]
struct Standing {
    revision: Generation,
    hash: SetHash,
}

/// Changes that were checked and not yet written.
#[derive(Debug)]
pub(super) struct Group {
    before: Head,
    head: Head,
    batch: sled::Batch,
    /// Every record that was looked at.
    records: HashMap<Vec<u8>, Option<Standing>>,
    /// What was stored of every record that is changed.
    undo: HashMap<Vec<u8>, Option<IVec>>,
    secrets: Vec<SecretChange>,
    exported: bool,
}

/// A change of a record that is kept in a file of its own too.
#[derive(Debug)]
pub(super) struct SecretChange {
    pub(super) collection: Collection,
    pub(super) id: String,
    /// As it is stored; `None` where it is removed.
    pub(super) envelope: Option<Vec<u8>>,
}

/// What a group writes.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) head: Head,
    pub(super) batch: sled::Batch,
    pub(super) names: Vec<NameChange>,
    pub(super) secrets: Vec<SecretChange>,
    /// Whether what it changed is worth a snapshot.
    pub(super) exported: bool,
    pub(super) undo: Undo,
}

/// What puts the store back to where it was before a group.
#[derive(Debug)]
pub(super) struct Undo {
    pub(super) head: Head,
    pub(super) records: HashMap<Vec<u8>, Option<IVec>>,
}

impl Group {
    /// Without commits, after this head.
    pub(super) fn after(before: Head) -> Self {
        Self {
            before,
            head: before,
            batch: sled::Batch::default(),
            records: HashMap::new(),
            undo: HashMap::new(),
            secrets: Vec::new(),
            exported: false,
        }
    }

    /// Whether no commit was accepted.
    pub(super) fn is_empty(&self) -> bool {
        self.head.generation == self.before.generation
    }

    /// The generation of the last commit accepted.
    pub(super) fn generation(&self) -> Generation {
        Generation(self.head.generation)
    }

    /// Accepts a commit whole, or refuses it without a trace. The changes of a commit happen one
    /// after the other: each sees those before it.
    pub(super) fn accept(
        &mut self,
        press: Press<'_>,
        changes: Vec<Change>,
    ) -> Result<Generation, StoreError> {
        let generation = Generation(self.head.generation.saturating_add(1));
        let mut planned: HashMap<Vec<u8>, Option<Generation>> = HashMap::new();
        let mut envelopes = Vec::with_capacity(changes.len());
        for Change { collection, id, expected, value } in changes {
            let key = record_key(collection, &id);
            let found = match planned.get(&key) {
                Some(found) => *found,
                None => self.look(press, &key, collection, &id)?.map(|standing| standing.revision),
            };
            let wanted = match expected {
                Expected::Absent => None,
                Expected::Revision(revision) => Some(revision),
            };
            if found != wanted {
                return Err(StoreError::Conflict { collection, id });
            }
            planned.insert(key.clone(), value.as_ref().map(|_| generation));
            let enclosed = value
                .map(|value| enclose(press.sealing, (collection, &id), &key, generation, &value));
            envelopes.push((collection, id, key, enclosed.transpose()?));
        }
        for (collection, id, key, envelope) in envelopes {
            self.apply(press, (collection, id), key, generation, envelope);
        }
        self.head.generation = generation.0;
        Ok(generation)
    }

    /// What is to be written for every accepted commit.
    pub(super) fn into_written(mut self, identity: &Identity) -> Written {
        self.head.previous = self.before.generation;
        let head = Envelope::encode(HEAD, self.generation(), &self.head.encode(identity));
        self.batch.insert(HEAD, head);
        let names = self.undo.keys().map(|key| {
            let standing = self.records.get(key).copied().flatten();
            (key.clone(), standing.map(|standing| standing.revision))
        });
        Written {
            head: self.head,
            names: names.collect(),
            batch: self.batch,
            secrets: self.secrets,
            exported: self.exported,
            undo: Undo { head: self.before, records: self.undo },
        }
    }

    fn apply(
        &mut self,
        press: Press<'_>,
        (collection, id): (Collection, String),
        key: Vec<u8>,
        revision: Generation,
        envelope: Option<Vec<u8>>,
    ) {
        if let Some(Some(before)) = self.records.get(&key) {
            self.head.hash.subtract(before.hash);
            self.head.count = self.head.count.saturating_sub(1);
        }
        let standing = envelope.as_ref().map(|envelope| {
            let hash = SetHash::of(press.identity, &key, envelope);
            self.head.hash.add(hash);
            self.head.count = self.head.count.saturating_add(1);
            Standing { revision, hash }
        });
        self.exported |= collection.is_exported();
        if collection.is_secret() {
            let envelope = envelope.clone();
            self.secrets.push(SecretChange { collection, id, envelope });
        }
        match envelope {
            Some(envelope) => self.batch.insert(key.clone(), envelope),
            None => self.batch.remove(key.clone()),
        }
        self.records.insert(key, standing);
    }

    /// A record after the commits so far.
    fn look(
        &mut self,
        press: Press<'_>,
        key: &[u8],
        collection: Collection,
        id: &str,
    ) -> Result<Option<Standing>, StoreError> {
        if let Some(standing) = self.records.get(key) {
            return Ok(*standing);
        }
        let stored = press.db.get(key).map_err(|error| StoreError::Unavailable(error.into()))?;
        let standing =
            stored.as_ref().map(|bytes| {
                let envelope = Envelope::decode(key, bytes).map_err(|error| {
                    StoreError::Damaged { collection, id: id.to_owned(), cause: error.into() }
                })?;
                let hash = SetHash::of(press.identity, key, bytes);
                Ok::<_, StoreError>(Standing { revision: envelope.revision, hash })
            });
        let standing = standing.transpose()?;
        self.records.insert(key.to_vec(), standing);
        self.undo.insert(key.to_vec(), stored);
        Ok(standing)
    }
}
