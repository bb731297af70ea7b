//! The port's suites on a real PostgreSQL, and what only this backend promises.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use moneyer_authority::store::{
    Change, Collection, Expected, Generation, Store as _, StoreError, Stored, Testimony,
};
use moneyer_identity::error_chain as chain;
use moneyer_testkit::postgres::{PgBouncer, PostgresServer};
use moneyer_testkit::store::{Backend, SharedBackend};

use super::*;
use crate::record::Sealing;
use crate::seal::{KeyEncryptionKey, Seals};

mod copy;
mod damage;
mod failover;
mod outage;
mod sealed;
mod tables;
mod tls;
mod turns;
mod word;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// A database of a server.
struct Place {
    database: String,
    url: DatabaseUrl,
}

impl Place {
    /// Of the server that all tests share.
    fn new() -> Self {
        Self::of(PostgresServer::shared())
    }

    fn of(server: &PostgresServer) -> Self {
        let database = server.create_database();
        let url = DatabaseUrl::parse(&server.url(&database)).unwrap();
        Self { database, url }
    }

    /// The same through a pooler.
    fn pooled() -> Self {
        let database = PostgresServer::shared().create_database();
        let url = DatabaseUrl::parse(&PgBouncer::shared().url(&database)).unwrap();
        Self { database, url }
    }

    fn sql(&self, statement: &str) -> String {
        PostgresServer::shared().sql(&self.database, statement)
    }

    fn options(&self) -> PostgresOptions {
        PostgresOptions::new(self.url.clone())
    }

    /// Impatient, so that an outage takes seconds and not minutes.
    fn impatient(&self) -> PostgresOptions {
        let mut options = self.options();
        options.timeout = Duration::from_secs(1);
        options.connect_timeout = Duration::from_secs(1);
        options.poll_every = Duration::from_millis(200);
        options
    }

    async fn store(&self) -> Arc<PostgresStore> {
        Arc::new(PostgresStore::open(self.options()).await.unwrap())
    }
}

#[async_trait]
impl Backend for Place {
    type Store = PostgresStore;

    async fn open(&self) -> Arc<PostgresStore> {
        self.store().await
    }

    async fn close(&self, store: Arc<PostgresStore>) {
        store.close().await;
    }
}

#[async_trait]
impl SharedBackend for Place {
    type Store = PostgresStore;

    async fn open(&self) -> Arc<PostgresStore> {
        self.store().await
    }

    async fn forget_removals(&self, store: &PostgresStore) {
        store.forget_removals().await.unwrap();
    }
}

mod port {
    moneyer_testkit::store_suite!(super::Place::new());
}

mod shared_port {
    moneyer_testkit::shared_store_suite!(super::Place::new());
}

mod pooled_port {
    moneyer_testkit::store_suite!(super::Place::pooled());
}

mod pooled_shared_port {
    moneyer_testkit::shared_store_suite!(super::Place::pooled());
}

fn add(id: &str) -> Vec<Change> {
    let (collection, expected) = (Collection::Apps, Expected::Absent);
    let value = Some(id.as_bytes().to_vec().into());
    vec![Change { collection, id: id.to_owned(), expected, value }]
}

/// The ids of a collection.
async fn ids_of(store: &PostgresStore, collection: Collection) -> Result<Vec<String>, StoreError> {
    let mut ids = Vec::new();
    let mut receive = |stored: Stored| {
        ids.push(stored.id);
        Ok(())
    };
    store.load(collection, &mut receive).await?;
    Ok(ids)
}

async fn ids(store: &PostgresStore) -> Vec<String> {
    ids_of(store, Collection::Apps).await.unwrap()
}

/// Keys of these bytes over and over.
fn sealing(current: u8, older: &[u8]) -> Sealing {
    let key = |byte: u8| KeyEncryptionKey::from_bytes([byte; 32]).unwrap();
    let older = older.iter().map(|byte| key(*byte)).collect();
    let seals = Arc::new(Seals::new(key(current), older).unwrap());
    Sealing { cluster: "id.example.com".to_owned(), seals, recovery: None }
}

/// Waits until something is true that the store does by itself.
#[expect(clippy::future_not_send, reason = "tests wait where they are")]
async fn until(what: &str, is_true: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_true().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, waiting).await.is_ok(), "not within {LONG:?}: {what}");
}
