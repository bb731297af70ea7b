//! The store of a running coordinator: of the kind that the configuration names.
//!
//! The rules know the port alone. What only one kind can do - copies, closing - is asked of this; what the other kind has
//! other means for is refused with their names.

use std::path::Path;
use std::sync::Arc;

use moneyer_authority::store::{Generation, Store, StoreError};
use moneyer_identity::ErrorClass;
use moneyer_store::{Copied, PostgresStore, RestoreError, SledStore};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The copy was not made.
    #[error(transparent)]
    Copy(RestoreError),
    /// The database has means of its own.
    #[error(
        "the store is in a database, {0}: copy it with pg_dump (the tables moneyer_*), or keep its WAL (docs/postgres.md)"
    )]
    Database(String),
}

impl BackupError {
    /// The kind of failure.
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Copy(error) => error.class(),
            Self::Database(_) => ErrorClass::Invalid,
        }
    }
}

/// The store of a running coordinator.
#[derive(Debug, Clone)]
pub(crate) enum KeptStore {
    /// In a directory.
    Sled(Arc<SledStore>),
    /// In a database.
    Postgres(Arc<PostgresStore>),
}

impl KeptStore {
    /// What the rules know of it.
    pub(crate) fn port(&self) -> Arc<dyn Store> {
        match self {
            Self::Sled(store) => store.clone(),
            Self::Postgres(store) => store.clone(),
        }
    }

    /// Takes no more commits, and returns when it is free for others.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sled(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }

    /// Whether it goes on with less than it had, by an operator's word.
    pub(crate) fn loss_accepted(&self) -> bool {
        match self {
            Self::Sled(store) => store.loss_accepted(),
            Self::Postgres(store) => store.loss_accepted(),
        }
    }

    /// Writes a copy of everything into a new file.
    pub(crate) async fn backup(&self, file: &Path) -> Result<Copied, BackupError> {
        match self {
            Self::Sled(store) => store.backup(file).await.map_err(BackupError::Copy),
            Self::Postgres(store) => Err(BackupError::Database(store.place())),
        }
    }

    /// Seals every private key anew under the present key.
    pub(crate) async fn rekey(&self) -> Result<Generation, StoreError> {
        match self {
            Self::Sled(store) => store.rekey().await,
            Self::Postgres(store) => store.rekey().await,
        }
    }

    /// The key that secrets are sealed under, by its id; `None` where they are not sealed.
    pub(crate) fn sealed_under(&self) -> Option<String> {
        match self {
            Self::Sled(store) => store.sealed_under(),
            Self::Postgres(store) => store.sealed_under(),
        }
    }
}
