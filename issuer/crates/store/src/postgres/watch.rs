//! The task that asks the head, for what others wrote and for whether the server is there.
//!
//! It asks on word of a commit, when something failed, and every second or so in any case: word is lost with a
//! connection, and does not come through a pooler at all. Once an hour it forgets removals that are long past.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::connections::{Connections, Purpose};
use super::failure::{Failure, within};
use super::rows::CHANNEL;
use super::servers::Servers;
use super::standing::Standing;

/// How often what is long past is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// Forgets removals and the head's way of longer ago than `$1` seconds. The head says up to where nothing is known.
const FORGET: &str = "WITH gone AS ( \
       DELETE FROM moneyer_records WHERE envelope IS NULL \
       AND removed_at <= now() - make_interval(secs => $1) RETURNING revision \
     ), marks AS ( \
       DELETE FROM moneyer_marks WHERE made_at <= now() - make_interval(secs => $1) \
       AND generation < (SELECT generation FROM moneyer_head) \
     ) UPDATE moneyer_head SET forgotten = greatest(forgotten, (SELECT max(revision) FROM gone)) \
     WHERE EXISTS (SELECT FROM gone)";

/// What the watching task has.
pub(super) struct Watch {
    pub(super) servers: Arc<Servers>,
    pub(super) connections: Arc<Connections>,
    pub(super) standing: Arc<Standing>,
    pub(super) trouble: Arc<Notify>,
}

impl Watch {
    /// Watches until aborted.
    pub(super) async fn run(self) {
        let every = self.servers.options().poll_every;
        let (mut listener, mut forgotten_at) = (None, Instant::now());
        loop {
            let asked = self.ask().await;
            if asked.is_err() {
                listener = None;
            } else if listener.is_none() {
                listener = self.listen().await;
            }
            self.standing.judge(asked);
            if forgotten_at.elapsed() >= FORGET_EVERY {
                forgotten_at = Instant::now();
                let remember = self.servers.options().remember;
                if let Err(failure) = forget(&self.connections, remember).await {
                    let error = moneyer_identity::error_chain(&failure);
                    tracing::warn!(error.cause = error, "old removals were not forgotten");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = self.trouble.notified() => {}
                heard = word(&mut listener) => if !heard { listener = None },
            }
        }
    }

    /// Asks for the head, on a connection that may be written.
    async fn ask(&self) -> Result<(), Failure> {
        let mut transaction = self.connections.begin(Purpose::Read).await?;
        let reading = self.standing.read(transaction.connection(), false);
        within(self.connections.timeout(), reading).await?;
        transaction.roll_back().await
    }

    /// A connection that hears of commits. Without one the head is asked all the same.
    async fn listen(&self) -> Option<PgListener> {
        let how = self.servers.last_good()?;
        let limit = self.servers.options().connect_timeout;
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(limit);
        let listening = async {
            let mut listener = PgListener::connect_with(&pool.connect_lazy_with(how)).await?;
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            Ok::<_, sqlx::Error>(listener)
        };
        match within(limit, listening).await {
            Ok(listener) => Some(listener),
            Err(failure) => {
                let error = moneyer_identity::error_chain(&failure);
                tracing::debug!(error.cause = error, "no word of commits comes; the head is asked");
                None
            }
        }
    }
}

/// Returns on word; with `false` when none comes any more.
async fn word(listener: &mut Option<PgListener>) -> bool {
    match listener {
        Some(listener) => matches!(listener.try_recv().await, Ok(Some(_))),
        None => std::future::pending().await,
    }
}

/// Forgets what was removed longer ago than this.
pub(super) async fn forget(connections: &Connections, remember: Duration) -> Result<(), Failure> {
    let mut transaction = connections.begin(Purpose::Write).await?;
    let connection = transaction.connection();
    let forgetting = async {
        // As a commit does, so that the two never wait for each other.
        connection.execute(sqlx::raw_sql("SELECT FROM moneyer_head FOR UPDATE")).await?;
        let forget = sqlx::query(FORGET).bind(remember.as_secs_f64()).persistent(false);
        forget.execute(connection).await
    };
    within(connections.timeout(), forgetting).await?;
    transaction.commit().await
}
