//! Moving a store into a database: everything or nothing, and compared record by record afterwards.
//!
//! Ids, revisions, values and the generation stay what they are. Secrets are opened and sealed anew for the store they
//! are in from then on, which is another life: what runners have seen of the one before does not bind it.

use moneyer_authority::store::{Collection, Generation, Store, StoreError, Stored};
use sqlx::postgres::PgConnection;
use sqlx::{Executor as _, Row as _};

use super::connections::Purpose;
use super::failure::{Failure, within};
use super::open::{Opened, PostgresError, begin_anew, fresh_identity};
use super::options::PostgresOptions;
use super::rows::Rows;
use super::standing::mark;
use super::store::PostgresStore;
use crate::embedded::Copied;
use crate::record::{Head, Identity, Sealing, SetHash, enclose, record_key};

/// Records that are written at once.
const BATCH_RECORDS: usize = 1024;

/// Why a store was not moved. The database holds no record then, unless a record was found to differ.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The store to copy cannot be read.
    #[error("the store cannot be read")]
    Read(#[source] StoreError),
    /// The database cannot be used.
    #[error(transparent)]
    Database(#[from] PostgresError),
    /// There is a store in it already.
    #[error(
        "the database holds a store already (generation {0}): nothing was copied; name an empty database, or drop \
         its moneyer_ tables if nobody needs them"
    )]
    NotEmpty(Generation),
    /// A copied record is not what was read.
    #[error(
        "the {} records in the database are not those that were copied; drop its moneyer_ tables and copy again",
        .0.as_str()
    )]
    Differs(Collection),
}

impl From<Failure> for CopyError {
    fn from(failure: Failure) -> Self {
        Self::Database(failure.into())
    }
}

/// Copies everything of a store that nobody writes to into an empty database, and compares it.
pub async fn copy_to_postgres(
    from: &dyn Store,
    options: PostgresOptions,
) -> Result<Copied, CopyError> {
    let opened = Opened::open(options.clone()).await?;
    let copied = fill(from, &opened).await;
    opened.connections.close();
    let copied = copied?;
    let store = PostgresStore::open(options).await?;
    let compared = compare(from, &store).await;
    store.close().await;
    compared.map(|()| copied)
}

async fn fill(from: &dyn Store, opened: &Opened) -> Result<Copied, CopyError> {
    let given = opened.servers.options().sealing.clone();
    let identity = fresh_identity(&opened.identity.cluster)?;
    let sealing = identity.sealing(given.as_ref());
    let mut transaction = opened.connections.begin(Purpose::Write).await?;
    let connection = transaction.connection();
    let timeout = opened.connections.timeout();
    let there = within(timeout, found(connection)).await?;
    if there != (Generation(0), 0) {
        return Err(CopyError::NotEmpty(there.0));
    }
    let generation = from.generation();
    let mut secrets = 0_u64;
    let mut head = Head { generation: generation.0, previous: generation.0, ..Head::default() };
    for collection in Collection::ALL {
        let stored = everything(from, collection).await.map_err(CopyError::Read)?;
        if collection.is_secret() {
            let here = u64::try_from(stored.len()).unwrap_or(u64::MAX);
            secrets = secrets.saturating_add(here);
        }
        for batch in stored.chunks(BATCH_RECORDS) {
            let rows = rows_of(batch, collection, (&identity, sealing.as_ref()), &mut head)?;
            let encoded = (head.encode(&identity), mark(&head, &identity));
            within(timeout, rows.write(connection, &head, encoded)).await?;
        }
    }
    begin_anew(connection, &identity, given.as_ref(), &head).await?;
    transaction.commit().await?;
    Ok(Copied { generation, records: head.count, secrets })
}

/// The generation and how many rows there are, with a lock on the head.
async fn found(connection: &mut PgConnection) -> Result<(Generation, i64), Failure> {
    let asked =
        "SELECT generation, (SELECT count(*) FROM moneyer_records) FROM moneyer_head FOR UPDATE";
    let row = connection.fetch_one(sqlx::raw_sql(asked)).await?;
    let generation: i64 = row.try_get(0)?;
    Ok((Generation(u64::try_from(generation).unwrap_or_default()), row.try_get(1)?))
}

fn rows_of(
    batch: &[Stored],
    collection: Collection,
    (identity, sealing): (&Identity, Option<&Sealing>),
    head: &mut Head,
) -> Result<Rows, CopyError> {
    let mut rows = Rows::default();
    for Stored { id, revision, value } in batch {
        let key = record_key(collection, id);
        let envelope = enclose(sealing, (collection, id), &key, *revision, value);
        let envelope = envelope.map_err(CopyError::Read)?;
        head.hash.add(SetHash::of(identity, &key, &envelope));
        head.count = head.count.saturating_add(1);
        rows.push((collection, id.clone()), *revision, Some(envelope));
    }
    Ok(rows)
}

async fn everything(store: &dyn Store, collection: Collection) -> Result<Vec<Stored>, StoreError> {
    let mut records = Vec::new();
    let mut receive = |stored| {
        records.push(stored);
        Ok(())
    };
    store.load(collection, &mut receive).await?;
    Ok(records)
}

async fn compare(from: &dyn Store, to: &PostgresStore) -> Result<(), CopyError> {
    for collection in Collection::ALL {
        let wanted = everything(from, collection).await.map_err(CopyError::Read)?;
        let there = everything(to, collection).await.map_err(CopyError::Read)?;
        if wanted != there {
            return Err(CopyError::Differs(collection));
        }
    }
    Ok(())
}
