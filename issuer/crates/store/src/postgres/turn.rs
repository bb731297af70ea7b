//! The turn to do what one coordinator does at a time: an advisory lock of a transaction on its own connection.
//!
//! A session's lock would outlive the session behind a pooler that gives its connection to somebody else; a
//! transaction's does not. Its holder says something every few seconds: one that is frozen, or whose machine is
//! gone, loses the turn when the server has heard nothing for [`SILENT_AT_MOST`].

use std::time::Duration;

use moneyer_authority::shared_store::Turn;
use sqlx::postgres::PgConnection;
use sqlx::{Executor as _, Row as _};
use tokio::task::JoinHandle;

use super::failure::{Failure, within};
use super::servers::Servers;

/// How often a holder says that it is there.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// How long the server waits for a word of it.
const SILENT_AT_MOST: Duration = Duration::from_secs(20);

/// How often it is looked whether a turn that is waited for is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A turn that is held.
#[derive(Debug)]
pub(super) struct HeldTurn {
    saying: JoinHandle<()>,
}

impl Turn for HeldTurn {}

impl Drop for HeldTurn {
    fn drop(&mut self) {
        // Its connection goes with it, and with the connection the lock.
        self.saying.abort();
    }
}

/// A connection on which turns can be asked for.
pub(super) struct Queue {
    connection: PgConnection,
    timeout: Duration,
    lock: i64,
}

impl Queue {
    /// Of the turns of this kind in this store.
    pub(super) async fn join(servers: &Servers, lock: i64) -> Result<Self, Failure> {
        let mut connection = servers.connect().await?;
        let timeout = servers.options().timeout;
        let silent = SILENT_AT_MOST.as_millis();
        let begin = format!(
            "BEGIN; SET LOCAL statement_timeout = 0; \
             SET LOCAL idle_in_transaction_session_timeout = {silent}; \
             SET LOCAL tcp_keepalives_idle = 5; SET LOCAL tcp_keepalives_interval = 5; \
             SET LOCAL tcp_keepalives_count = 3"
        );
        within(timeout, connection.execute(sqlx::raw_sql(&begin))).await?;
        Ok(Self { connection, timeout, lock })
    }

    /// The turn, if nobody has it.
    pub(super) async fn ask(mut self) -> Result<Option<HeldTurn>, Failure> {
        Ok(if self.lock().await? { Some(self.hold()) } else { None })
    }

    /// The turn, when it is there.
    pub(super) async fn wait(mut self) -> Result<HeldTurn, Failure> {
        while !self.lock().await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(self.hold())
    }

    pub(super) async fn lock(&mut self) -> Result<bool, Failure> {
        let lock = format!("SELECT pg_try_advisory_xact_lock({})", self.lock);
        let row = within(self.timeout, self.connection.fetch_one(sqlx::raw_sql(&lock))).await?;
        Ok(row.try_get(0)?)
    }

    fn hold(self) -> HeldTurn {
        let Self { mut connection, timeout, .. } = self;
        let saying = tokio::spawn(async move {
            loop {
                tokio::time::sleep(SAY_EVERY).await;
                let said = within(timeout, connection.execute(sqlx::raw_sql("SELECT"))).await;
                if let Err(failure) = said {
                    let error = moneyer_identity::error_chain(&failure);
                    tracing::warn!(error.cause = error, "the turn ended with its connection");
                    return;
                }
            }
        });
        HeldTurn { saying }
    }
}
