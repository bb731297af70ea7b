//! Sealing every secret anew, while coordinators run.
//!
//! In one transaction every record that holds a secret is opened and sealed under the present key, as the same record
//! of the same revision, and so is the store's identity. The head comes one generation further, so that whoever follows
//! knows the way it went.

use moneyer_authority::store::{Collection, Generation, StoreError};
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::connections::Purpose;
use super::failure::{Failure, within};
use super::rows::{Line, Rows, collection_of};
use super::standing::mark;
use super::store::PostgresStore;
use crate::record::{Head, Sealing, SetHash, enclose, record_key};

/// The records of the collections that hold secrets.
const SECRETS: &str = "SELECT collection, id, revision, envelope FROM moneyer_records \
     WHERE envelope IS NOT NULL AND collection = ANY ($1)";

impl PostgresStore {
    /// Seals every secret anew under the present key. Afterwards nothing in the database needs an older one; a copy
    /// that was made before does.
    pub async fn rekey(&self) -> Result<Generation, StoreError> {
        let Some(sealing) = self.sealing.clone() else { return Ok(self.standing.generation()) };
        let timeout = self.connections.timeout();
        let mut transaction = self.connections.begin(Purpose::Write).await?;
        let connection = transaction.connection();
        let mut head = within(timeout, self.standing.read(connection, true)).await?.head;
        head.previous = head.generation;
        head.generation = head.generation.saturating_add(1);
        let rows = self.reseal(connection, &sealing, &mut head).await?;
        let identity = self.standing.identity();
        let encoded = (head.encode(identity), mark(&head, identity));
        within(timeout, rows.write(connection, &head, encoded)).await?;
        let sealed = identity.encode(Some(&sealing));
        let sealed = sealed.map_err(|error| StoreError::Encode(error.into()))?;
        let keep = sqlx::query("UPDATE moneyer_head SET identity = $1").bind(sealed);
        within(timeout, keep.persistent(false).execute(connection)).await?;
        transaction.commit().await?;
        self.standing.note(&head);
        Ok(Generation(head.generation))
    }

    /// Every secret under the present key, with the sum that counts them.
    async fn reseal(
        &self,
        connection: &mut PgConnection,
        sealing: &Sealing,
        head: &mut Head,
    ) -> Result<Rows, StoreError> {
        let secret = Collection::ALL.into_iter().filter(|collection| collection.is_secret());
        let names: Vec<&str> = secret.map(Collection::as_str).collect();
        let found = sqlx::query(SECRETS).bind(names).persistent(false);
        let found = within(self.connections.timeout(), found.fetch_all(connection)).await?;
        let (identity, mut rows) = (self.standing.identity(), Rows::default());
        for row in &found {
            let name: &str = row.try_get("collection").map_err(Failure::from)?;
            let Some(collection) = collection_of(name) else { continue };
            let line = Line::of(collection, row)?;
            let Some(value) = line.value(collection, Some(sealing))? else { continue };
            let key = record_key(collection, &line.id);
            let fresh =
                enclose(Some(sealing), (collection, &line.id), &key, line.revision, &value)?;
            let before = line.envelope.as_deref().unwrap_or_default();
            head.hash.subtract(SetHash::of(identity, &key, before));
            head.hash.add(SetHash::of(identity, &key, &fresh));
            rows.push((collection, line.id), line.revision, Some(fresh));
        }
        Ok(rows)
    }
}
