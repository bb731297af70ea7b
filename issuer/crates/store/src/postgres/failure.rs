//! Why the database does not serve at the moment.

use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::store::{Generation, StoreError};

/// What kept a call from its answer.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failure {
    /// No server let this process in that may be written.
    #[error("no PostgreSQL server that may be written can be reached: {0}")]
    Unreachable(String),
    /// A server hangs, or all connections do.
    #[error("PostgreSQL did not answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// A server refused or the connection ended.
    #[error("PostgreSQL failed")]
    Database(#[source] Arc<sqlx::Error>),
    /// It lacks what this process was told is committed, or went another way from there.
    #[error("the database lacks what was acknowledged")]
    RolledBack {
        /// What this process was told.
        seen: Generation,
        /// What is there.
        there: Generation,
    },
    /// Another store is in the place of the one that was opened.
    #[error(
        "the database holds another store than the one that was opened, or another life of it; start this \
         coordinator anew"
    )]
    OtherLife,
    /// The head is not this store's.
    #[error("the head of the store in the database is damaged or was changed by somebody else")]
    Head,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::RolledBack { seen, there } => Self::RolledBack { seen, there },
            failure => Self::Unavailable(failure.into()),
        }
    }
}

/// Ends a wait that takes too long.
pub(super) async fn within<T, E>(
    limit: Duration,
    work: impl Future<Output = Result<T, E>> + Send,
) -> Result<T, Failure>
where
    Failure: From<E>,
{
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome.map_err(Failure::from),
        Err(_elapsed) => Err(Failure::Silent(limit)),
    }
}
