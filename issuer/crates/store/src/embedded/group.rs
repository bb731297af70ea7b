//! Commits that reach the disk together.
//!
//! Each commit is checked against the tree as it will be after the commits before it in the group:
//! one that fits adds its changes to the batch and has a generation of its own; one that does not
//! adds nothing. The batch is one sled batch, which sled recovers whole or not at all, and holds
//! the new generation too, so records and generation cannot part.

use std::collections::HashMap;

use moneyer_authority::store::{Change, Expected, Generation, StoreError};

use super::envelope::Envelope;
use super::key::{GENERATION, record_key};

/// Revisions by key; `None` where a record is removed.
type Revisions = HashMap<Vec<u8>, Option<Generation>>;

/// Changes that were checked and not yet written.
#[derive(Debug)]
pub(super) struct Group {
    generation: Generation,
    batch: sled::Batch,
    revisions: Revisions,
    commits: usize,
}

impl Group {
    /// Without commits, after the write of this generation.
    pub(super) fn after(generation: Generation) -> Self {
        Self { generation, batch: sled::Batch::default(), revisions: Revisions::new(), commits: 0 }
    }

    /// Whether no commit was accepted.
    pub(super) fn is_empty(&self) -> bool {
        self.commits == 0
    }

    /// The generation of the last commit accepted.
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }

    /// Accepts a commit whole, or refuses it without a trace. The changes of a commit happen one
    /// after the other: each sees those before it.
    pub(super) fn accept(
        &mut self,
        db: &sled::Db,
        changes: Vec<Change>,
    ) -> Result<Generation, StoreError> {
        let generation = Generation(self.generation.0.saturating_add(1));
        let mut revisions = Revisions::new();
        for change in &changes {
            let key = record_key(change.collection, &change.id);
            let known = revisions.get(&key).or_else(|| self.revisions.get(&key)).copied();
            let found = match known {
                Some(found) => found,
                None => stored_revision(db, &key, change)?,
            };
            let wanted = match change.expected {
                Expected::Absent => None,
                Expected::Revision(revision) => Some(revision),
            };
            if found != wanted {
                let (collection, id) = (change.collection, change.id.clone());
                return Err(StoreError::Conflict { collection, id });
            }
            revisions.insert(key, change.value.as_ref().map(|_| generation));
        }
        for Change { collection, id, value, .. } in changes {
            let key = record_key(collection, &id);
            match value {
                Some(value) => {
                    let bytes = Envelope::encode(&key, generation, &value);
                    self.batch.insert(key, bytes);
                }
                None => self.batch.remove(key),
            }
        }
        self.revisions.extend(revisions);
        self.generation = generation;
        self.commits = self.commits.saturating_add(1);
        Ok(generation)
    }

    /// The batch that writes every accepted commit and their last generation.
    pub(super) fn into_batch(mut self) -> sled::Batch {
        let bytes = Envelope::encode(GENERATION, self.generation, &[]);
        self.batch.insert(GENERATION, bytes);
        self.batch
    }
}

fn stored_revision(
    db: &sled::Db,
    key: &[u8],
    change: &Change,
) -> Result<Option<Generation>, StoreError> {
    let stored = db.get(key).map_err(|error| StoreError::Unavailable(error.into()))?;
    let Some(bytes) = stored else { return Ok(None) };
    match Envelope::decode(key, &bytes) {
        Ok(envelope) => Ok(Some(envelope.revision)),
        Err(error) => Err(StoreError::Damaged {
            collection: change.collection,
            id: change.id.clone(),
            cause: error.into(),
        }),
    }
}
