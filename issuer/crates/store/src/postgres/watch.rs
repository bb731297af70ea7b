//! The task that asks the head, for what others wrote and for whether the server is there.
//!
//! It asks on word of a commit, when something failed, and every second or so in any case, for word is lost with a
//! connection. Word goes to a session, so nothing listens where there is none of its own: what a pooler would
//! subscribe is a connection that it gives to others, who know nothing of it. Once an hour it forgets removals that are
//! long past.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Executor as _, Row as _};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::connections::{Connections, Purpose};
use super::failure::{Failure, within};
use super::rows::CHANNEL;
use super::servers::Servers;
use super::standing::Standing;

/// How often what is long past is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(3600);

/// How long it is until it listens again where it could not.
const LISTEN_EVERY: Duration = Duration::from_secs(10);

/// A setting that nobody knows: a session that has it is this process's own from its first byte on.
const OWN: &str = "moneyer.session";

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
    /// The name of this process.
    pub(super) replica: String,
}

impl Watch {
    /// Watches until aborted.
    pub(super) async fn run(self) {
        let every = self.servers.options().poll_every;
        let mut forgotten_at = Instant::now();
        let (mut listener, mut listen_at) = (None, Instant::now());
        loop {
            let asked = self.ask().await;
            if asked.is_err() {
                listener = None;
            } else if listener.is_none() && listen_at <= Instant::now() {
                listener = self.listen().await;
                listen_at = Instant::now() + LISTEN_EVERY;
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
                heard = word(&mut listener) => if !heard {
                    (listener, listen_at) = (None, Instant::now());
                },
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
        let own = self.replica.as_str();
        let listening = async {
            let pool = pool.connect_lazy_with(how.options([(OWN, own)]));
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            let asked = format!("SELECT current_setting('{OWN}', true)");
            let row = (&mut listener).fetch_one(sqlx::raw_sql(&asked)).await?;
            let said: Option<String> = row.try_get(0)?;
            if said.as_deref() != Some(own) {
                return Ok(None);
            }
            listener.listen(CHANNEL).await?;
            Ok::<_, sqlx::Error>(Some(listener))
        };
        let listening = within(limit, listening).await.unwrap_or_else(|failure| {
            let error = moneyer_identity::error_chain(&failure);
            tracing::debug!(error.cause = error, "it does not listen");
            None
        });
        if listening.is_none() {
            tracing::debug!("no word of commits comes, as behind a pooler; the head is asked");
        }
        listening
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
