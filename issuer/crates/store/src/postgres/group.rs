//! Commits that are written as one transaction.
//!
//! Each commit is checked against the records as they will be after the commits before it in the group: one that
//! fits has a generation of its own, one that does not changes nothing. The head is locked meanwhile, so what is
//! looked at stays as it is.

use std::collections::HashMap;

use moneyer_authority::store::{Change, Collection, Expected, Generation, StoreError};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::failure::Failure;
use super::rows::{Rows, collection_of, damaged};
use crate::record::{Envelope, Head, Identity, Sealing, SetHash, enclose, record_key};

/// The records that a group is about.
const LOOK: &str = "SELECT r.collection, r.id, r.envelope FROM moneyer_records r \
     JOIN unnest($1::text[], $2::bytea[]) AS wanted (collection, id) \
     ON r.collection = wanted.collection AND r.id = wanted.id WHERE r.envelope IS NOT NULL";

/// How a group makes records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Press<'a> {
    pub(super) identity: &'a Identity,
    pub(super) sealing: Option<&'a Sealing>,
}

type Key = (Collection, String);

/// A record as it is after the commits so far.
#[derive(Debug)]
struct Record {
    standing: Result<(Generation, SetHash), String>,
}

/// A record that is changed, as it will be.
#[derive(Debug)]
struct Changed {
    revision: Generation,
    envelope: Option<Vec<u8>>,
}

/// Commits that were checked and not yet written.
#[derive(Debug)]
pub(super) struct Group {
    before: Head,
    pub(super) head: Head,
    records: HashMap<Key, Record>,
    changed: HashMap<Key, Changed>,
}

impl Group {
    /// Looks at every record that the commits are about.
    pub(super) async fn look(
        connection: &mut PgConnection,
        press: Press<'_>,
        before: Head,
        commits: impl Iterator<Item = &Vec<Change>> + Send,
    ) -> Result<Self, Failure> {
        let (mut collections, mut ids) = (Vec::new(), Vec::new());
        for change in commits.flatten() {
            collections.push(change.collection.as_str());
            ids.push(change.id.as_bytes().to_vec());
        }
        let mut group =
            Self { before, head: before, records: HashMap::new(), changed: HashMap::new() };
        if ids.is_empty() {
            return Ok(group);
        }
        let rows = sqlx::query(LOOK).bind(collections).bind(ids).persistent(false);
        for row in rows.fetch_all(connection).await? {
            let name: &str = row.try_get("collection")?;
            let id: Vec<u8> = row.try_get("id")?;
            let bytes: Vec<u8> = row.try_get("envelope")?;
            let (Some(collection), Ok(id)) = (collection_of(name), String::from_utf8(id)) else {
                continue;
            };
            let key = record_key(collection, &id);
            let hash = SetHash::of(press.identity, &key, &bytes);
            let envelope = Envelope::decode(&key, &bytes);
            let standing =
                envelope.map(|one| (one.revision, hash)).map_err(|error| error.to_string());
            group.records.insert((collection, id), Record { standing });
        }
        Ok(group)
    }

    /// Whether no commit was accepted.
    pub(super) fn is_empty(&self) -> bool {
        self.head.generation == self.before.generation
    }

    /// Accepts a commit whole, or refuses it without a trace. Each of its changes sees those before it.
    pub(super) fn accept(
        &mut self,
        press: Press<'_>,
        changes: Vec<Change>,
    ) -> Result<Generation, StoreError> {
        let generation = Generation(self.head.generation.saturating_add(1));
        let mut planned: HashMap<Key, Option<Generation>> = HashMap::new();
        let mut accepted = Vec::with_capacity(changes.len());
        for Change { collection, id, expected, value } in changes {
            let at = (collection, id);
            let found = match planned.get(&at) {
                Some(found) => *found,
                None => self.revision(&at)?,
            };
            let wanted = match expected {
                Expected::Absent => None,
                Expected::Revision(revision) => Some(revision),
            };
            if found != wanted {
                let (collection, id) = at;
                return Err(StoreError::Conflict { collection, id });
            }
            planned.insert(at.clone(), value.as_ref().map(|_| generation));
            let key = record_key(collection, &at.1);
            let envelope = value
                .map(|value| enclose(press.sealing, (collection, &at.1), &key, generation, &value));
            accepted.push((at, key, envelope.transpose()?));
        }
        for (at, key, envelope) in accepted {
            self.apply(press, at, &key, Changed { revision: generation, envelope });
        }
        self.head.generation = generation.0;
        Ok(generation)
    }

    /// The head and the rows to write.
    pub(super) fn into_rows(mut self) -> (Head, Rows) {
        self.head.previous = self.before.generation;
        let mut rows = Rows::default();
        for (at, Changed { revision, envelope }) in self.changed {
            rows.push(at, revision, envelope);
        }
        (self.head, rows)
    }

    fn revision(&self, at: &Key) -> Result<Option<Generation>, StoreError> {
        match self.records.get(at).map(|record| &record.standing) {
            None => Ok(None),
            Some(Ok((revision, _))) => Ok(Some(*revision)),
            Some(Err(text)) => Err(damaged(at.0, &at.1, text.clone().into())),
        }
    }

    fn apply(&mut self, press: Press<'_>, at: Key, key: &[u8], changed: Changed) {
        if let Some(Record { standing: Ok((_, hash)) }) = self.records.remove(&at) {
            self.head.hash.subtract(hash);
            self.head.count = self.head.count.saturating_sub(1);
        }
        if let Some(envelope) = &changed.envelope {
            let hash = SetHash::of(press.identity, key, envelope);
            self.head.hash.add(hash);
            self.head.count = self.head.count.saturating_add(1);
            let standing = Ok((changed.revision, hash));
            self.records.insert(at.clone(), Record { standing });
        }
        self.changed.insert(at, changed);
    }
}
