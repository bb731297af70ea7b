//! The port's suites on a real PostgreSQL, and what only this backend promises.

use std::sync::Arc;

use async_trait::async_trait;
use moneyer_testkit::postgres::PostgresServer;
use moneyer_testkit::store::{Backend, SharedBackend};

use super::*;

/// A database of the server that all tests share.
struct Place {
    url: DatabaseUrl,
}

impl Place {
    fn new() -> Self {
        let server = PostgresServer::shared();
        Self::of(server, &server.create_database())
    }

    fn of(server: &PostgresServer, database: &str) -> Self {
        Self { url: DatabaseUrl::parse(&server.url(database)).unwrap() }
    }

    fn options(&self) -> PostgresOptions {
        PostgresOptions::new(self.url.clone())
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
    use super::Place;
    moneyer_testkit::store_suite!(Place::new());
}

mod shared_port {
    use super::Place;
    moneyer_testkit::shared_store_suite!(Place::new());
}
