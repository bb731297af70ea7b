//! Rows of records: reading them, and what is written of them at once.

use moneyer_authority::store::{Cause, Collection, Generation, StoreError};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use zeroize::Zeroizing;

use super::failure::Failure;
use crate::record::{Head, Sealing, disclose, record_key};

/// Writes rows, the head and its mark, and tells those who listen. Never sees a conflict: the head is locked.
const WRITE: &str = "WITH changed AS ( \
       INSERT INTO moneyer_records (collection, id, revision, envelope, removed_at) \
       SELECT c, i, r, e, CASE WHEN e IS NULL THEN now() END \
       FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bytea[]) AS u (c, i, r, e) \
       ON CONFLICT (collection, id) DO UPDATE SET \
         revision = excluded.revision, envelope = excluded.envelope, removed_at = excluded.removed_at \
     ), marked AS ( \
       INSERT INTO moneyer_marks (generation, mark) VALUES ($5, $6) \
       ON CONFLICT (generation) DO UPDATE SET mark = excluded.mark \
     ), headed AS (UPDATE moneyer_head SET generation = $5, head = $7) \
     SELECT pg_notify('moneyer', $5::text)";

/// The channel on which word of commits goes.
pub(super) const CHANNEL: &str = "moneyer";

/// What is written of records at once, column by column.
#[derive(Debug, Default)]
pub(super) struct Rows {
    collections: Vec<&'static str>,
    ids: Vec<Vec<u8>>,
    revisions: Vec<i64>,
    envelopes: Vec<Option<Vec<u8>>>,
}

impl Rows {
    /// Adds a record as it will be; without an envelope it is removed.
    pub(super) fn push(
        &mut self,
        (collection, id): (Collection, String),
        revision: Generation,
        envelope: Option<Vec<u8>>,
    ) {
        self.collections.push(collection.as_str());
        self.ids.push(id.into_bytes());
        self.revisions.push(signed(revision.0));
        self.envelopes.push(envelope);
    }

    /// Writes them with the head that counts them, within a transaction that has locked the head.
    pub(super) async fn write(
        self,
        connection: &mut PgConnection,
        head: &Head,
        (encoded, mark): (Vec<u8>, Vec<u8>),
    ) -> Result<(), Failure> {
        sqlx::query(WRITE)
            .bind(self.collections)
            .bind(self.ids)
            .bind(self.revisions)
            .bind(self.envelopes)
            .bind(signed(head.generation))
            .bind(mark)
            .bind(encoded)
            .persistent(false)
            .fetch_one(connection)
            .await?;
        Ok(())
    }
}

/// A count as a column holds it.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The collection of this name. `None`: of a newer version, whose business it is.
pub(super) fn collection_of(name: &str) -> Option<Collection> {
    Collection::ALL.into_iter().find(|collection| collection.as_str() == name)
}

/// A row of a record.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) revision: Generation,
    /// `None`: the mark of a record that was removed.
    pub(super) envelope: Option<Vec<u8>>,
}

impl Line {
    /// Reads `id`, `revision` and `envelope`.
    pub(super) fn of(collection: Collection, row: &PgRow) -> Result<Self, StoreError> {
        let failed = |error: sqlx::Error| StoreError::from(Failure::from(error));
        let id: Vec<u8> = row.try_get("id").map_err(failed)?;
        let revision: i64 = row.try_get("revision").map_err(failed)?;
        let id = String::from_utf8(id).map_err(|error| {
            let id = String::from_utf8_lossy(error.as_bytes()).into_owned();
            damaged(collection, &id, error.utf8_error().into())
        })?;
        let revision = u64::try_from(revision);
        let revision = revision.map_err(|error| damaged(collection, &id, error.into()))?;
        let envelope = row.try_get("envelope").map_err(failed)?;
        Ok(Self { id, revision: Generation(revision), envelope })
    }

    /// Its value, `None` where it was removed. The row must say the revision that the envelope proves.
    pub(super) fn value(
        &self,
        collection: Collection,
        sealing: Option<&Sealing>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let Some(envelope) = &self.envelope else { return Ok(None) };
        let key = record_key(collection, &self.id);
        let opened = disclose(sealing, &key, envelope);
        let (revision, value) = opened.map_err(|cause| damaged(collection, &self.id, cause))?;
        if revision != self.revision {
            let cause = "its row has another revision than the record".into();
            return Err(damaged(collection, &self.id, cause));
        }
        Ok(Some(value))
    }
}

pub(super) fn damaged(collection: Collection, id: &str, cause: Cause) -> StoreError {
    StoreError::Damaged { collection, id: id.to_owned(), cause }
}
