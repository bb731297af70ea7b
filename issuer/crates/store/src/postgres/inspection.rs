//! Is everything there? Every record against the head.
//!
//! In one state of the database the records must add up to what the authenticated head says. What does not open is
//! named; what is missing, added or put back shows in the sum.

use futures_util::TryStreamExt as _;
use moneyer_authority::store::{Collection, Generation};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::failure::Failure;
use super::rows::{Line, collection_of};
use crate::findings::Findings;
use crate::record::{Head, Identity, Sealing, SetHash, record_key};

/// Every record that is there.
const EVERYTHING: &str = "SELECT collection, id, revision, envelope FROM moneyer_records \
     WHERE envelope IS NOT NULL ORDER BY collection, id";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Inspection {
    pub(super) findings: Findings,
    /// The head as the readable records make it.
    pub(super) computed: Head,
    /// The records that cannot be read, by collection and id as they are stored.
    pub(super) unreadable: Vec<(String, Vec<u8>)>,
}

impl Inspection {
    /// Reads everything and compares it with the head.
    pub(super) async fn of(
        connection: &mut PgConnection,
        identity: &Identity,
        sealing: Option<&Sealing>,
        head: Option<&Head>,
    ) -> Result<Self, Failure> {
        let mut inspection = Self::default();
        let mut rows = sqlx::query(EVERYTHING).persistent(false).fetch(connection);
        while let Some(row) = rows.try_next().await? {
            inspection.add(&row, identity, sealing)?;
        }
        let Some(head) = head else {
            inspection.findings.add(|| "its head is not this store's".to_owned());
            return Ok(inspection);
        };
        let computed = &inspection.computed;
        if (computed.count, computed.hash) != (head.count, head.hash)
            && inspection.findings.is_empty()
        {
            let (there, told) = (computed.count, head.count);
            inspection.findings.add(|| {
                format!("the records are not those that were acknowledged ({there} are there, {told} must be)")
            });
        }
        if computed.generation > head.generation {
            inspection.findings.add(|| "a record is newer than the head".to_owned());
        }
        Ok(inspection)
    }

    fn add(
        &mut self,
        row: &PgRow,
        identity: &Identity,
        sealing: Option<&Sealing>,
    ) -> Result<(), Failure> {
        let name: String = row.try_get("collection")?;
        let id: Vec<u8> = row.try_get("id")?;
        let read =
            collection_of(&name).ok_or_else(|| "it is in no collection that is known".to_owned());
        let read = read.and_then(|collection| {
            let line =
                Line::of(collection, row).map_err(|error| moneyer_identity::error_chain(&error))?;
            line.value(collection, sealing)
                .map_err(|error| moneyer_identity::error_chain(&error))?;
            Ok((collection, line))
        });
        match read {
            Ok((collection, line)) => self.count(identity, collection, &line),
            Err(why) => {
                let shown = String::from_utf8_lossy(&id).escape_debug().to_string();
                self.findings.add(|| format!("{name}/{shown}: {why}"));
                self.unreadable.push((name, id));
            }
        }
        Ok(())
    }

    fn count(&mut self, identity: &Identity, collection: Collection, line: &Line) {
        let Generation(revision) = line.revision;
        let key = record_key(collection, &line.id);
        let envelope = line.envelope.as_deref().unwrap_or_default();
        self.computed.hash.add(SetHash::of(identity, &key, envelope));
        self.computed.count = self.computed.count.saturating_add(1);
        self.computed.generation = self.computed.generation.max(revision);
    }
}
