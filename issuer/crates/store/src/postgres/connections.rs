//! The connections that read and write.
//!
//! A connection is lent for one transaction and comes back only when that has ended as it should: one whose caller
//! went away or that failed is closed, which ends what it did. Settings hold for the transaction alone. So what
//! a pooler does with connections between transactions (`PgBouncer` in its transaction mode) makes no difference.
//!
//! Statements are not prepared by name for the same reason.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::PgConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::failure::{Failure, within};
use super::servers::Servers;

/// A connection that lies idle for longer is not used again: a firewall may have forgotten it.
const IDLE_AT_MOST: Duration = Duration::from_secs(60);

/// What a transaction is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To see one state of everything.
    Read,
    /// To change something.
    Write,
}

/// Connections, as many at a time as configured.
#[derive(Debug)]
pub(super) struct Connections {
    servers: Arc<Servers>,
    idle: Arc<Mutex<Vec<(PgConnection, Instant)>>>,
    permits: Arc<Semaphore>,
}

impl Connections {
    pub(super) fn new(servers: Arc<Servers>) -> Self {
        let most = usize::try_from(servers.options().connections.max(2)).unwrap_or(2);
        Self { servers, idle: Arc::default(), permits: Arc::new(Semaphore::new(most)) }
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self, purpose: Purpose) -> Result<Transaction, Failure> {
        let permit = within(self.timeout(), self.permits.clone().acquire_owned()).await;
        let permit = permit.map_err(|failure| match failure {
            Failure::Closed => Failure::Closed,
            _ => Failure::Silent(self.timeout()),
        })?;
        let begin = self.beginning(purpose);
        if let Some(mut connection) = self.take_idle() {
            let outcome = within(self.timeout(), connection.execute(sqlx::raw_sql(&begin))).await;
            let Err(failure) = outcome else { return Ok(self.lend(connection, permit)) };
            // The others are of the same server and no better. Nothing was begun: where it has ended them, another
            // is made; where it hangs, the wait for this call is over.
            self.forget_idle();
            if matches!(failure, Failure::Silent(_)) {
                return Err(failure);
            }
        }
        let mut connection = self.servers.connect().await?;
        within(self.timeout(), connection.execute(sqlx::raw_sql(&begin))).await?;
        Ok(self.lend(connection, permit))
    }

    /// No transaction begins from now on.
    pub(super) fn close(&self) {
        self.permits.close();
        self.forget_idle();
    }

    pub(super) fn timeout(&self) -> Duration {
        self.servers.options().timeout
    }

    fn lend(&self, connection: PgConnection, permit: OwnedSemaphorePermit) -> Transaction {
        let (idle, timeout) = (Arc::clone(&self.idle), self.timeout());
        Transaction { connection, idle, timeout, _permit: permit }
    }

    fn forget_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn take_idle(&self) -> Option<PgConnection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE_AT_MOST);
        idle.pop().map(|(connection, _)| connection)
    }

    fn beginning(&self, purpose: Purpose) -> String {
        let limit = self.timeout().as_millis();
        match purpose {
            Purpose::Read => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0"
                    .to_owned()
            }
            // No statement ends by its time: of a COMMIT that waits for a standby that would be an
            // acknowledgement without it. What takes too long is given up on this side, and a holder of
            // the head that says nothing more is cut off by the server.
            Purpose::Write => {
                let durable =
                    if self.servers.options().remote_apply { "remote_apply" } else { "on" };
                format!(
                    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = {durable}; \
                     SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {limit}; \
                     SET LOCAL idle_in_transaction_session_timeout = {limit}"
                )
            }
        }
    }
}

impl From<tokio::sync::AcquireError> for Failure {
    fn from(_closed: tokio::sync::AcquireError) -> Self {
        Self::Closed
    }
}

/// A transaction. Dropped, it is rolled back by closing its connection.
#[derive(Debug)]
pub(super) struct Transaction {
    connection: PgConnection,
    idle: Arc<Mutex<Vec<(PgConnection, Instant)>>>,
    timeout: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Transaction {
    /// What its statements go to.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Ends it; what it did is in force when this returns. After an error nobody knows.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        self.end("COMMIT").await
    }

    /// Ends it without a trace.
    pub(super) async fn roll_back(self) -> Result<(), Failure> {
        self.end("ROLLBACK").await
    }

    async fn end(mut self, how: &str) -> Result<(), Failure> {
        within(self.timeout, self.connection.execute(sqlx::raw_sql(how))).await?;
        let idle = (self.connection, Instant::now());
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(idle);
        Ok(())
    }
}
