//! What coordinators that share the store tell each other through it.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use moneyer_authority::shared_store::{Changed, Changes, Replica, SharedStore, Turn};
use moneyer_authority::store::{Generation, StoreError};
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use zeroize::Zeroizing;

use super::connections::Purpose;
use super::failure::{Failure, within};
use super::rows::{Line, collection_of, signed};
use super::store::PostgresStore;
use super::turn::Queue;

/// What became of the records since `$1`, up to the revision of the one after `$2` others: whole revisions.
const CHANGES: &str = "SELECT collection, id, revision, envelope FROM moneyer_records \
     WHERE revision > $1 AND revision <= coalesce( \
       (SELECT revision FROM moneyer_records WHERE revision > $1 ORDER BY revision OFFSET $2 LIMIT 1), \
       9223372036854775807) \
     ORDER BY revision, collection, id";

/// Says how far the coordinator `$1` has followed, and forgets those that said nothing for `$3` seconds.
const REPORT: &str = "WITH gone AS (DELETE FROM moneyer_replicas \
       WHERE seen_at <= now() - make_interval(secs => $3) AND name <> $1) \
     INSERT INTO moneyer_replicas (name, through, seen_at) VALUES ($1, $2, now()) \
     ON CONFLICT (name) DO UPDATE SET through = excluded.through, seen_at = excluded.seen_at";

/// How all stand, by the server's clock.
const REPLICAS: &str = "SELECT name, through, \
     greatest(0, extract(epoch FROM now() - seen_at))::double precision AS silent \
     FROM moneyer_replicas WHERE seen_at > now() - make_interval(secs => $1) ORDER BY name";

/// What tells the turns of a store apart.
#[derive(Debug, Clone, Copy)]
enum TurnKind {
    Keep,
    Open,
}

#[async_trait]
impl SharedStore for PostgresStore {
    async fn changes(&self, since: Generation) -> Result<Changes, StoreError> {
        let mut transaction = self.connections.begin(Purpose::Read).await?;
        let connection = transaction.connection();
        let timeout = self.connections.timeout();
        let found = within(timeout, self.standing.read(connection, false)).await?;
        if since < found.forgotten {
            return Err(StoreError::Forgotten { since });
        }
        let at_once = self.servers.options().told_at_once.max(1);
        let others = i64::try_from(at_once - 1).unwrap_or(i64::MAX);
        let rows = sqlx::query(CHANGES).bind(signed(since.0)).bind(others).persistent(false);
        let mut rows = rows.fetch(connection);
        let (mut changed, mut count, mut last) = (Vec::new(), 0, since);
        // Each row has its time, as where a collection is loaded.
        while let Some(row) = within(timeout, rows.try_next()).await? {
            (count, last) = (count + 1, revision(&row)?);
            changed.extend(self.changed(&row)?);
        }
        drop(rows);
        transaction.roll_back().await?;
        let head = Generation(found.head.generation);
        let through = if count < at_once { head } else { last };
        Ok(Changes { changed, through, more: through < head })
    }

    async fn news(&self, seen: Generation) {
        let mut known = self.standing.subscribe();
        let further = known.wait_for(|generation| *generation > seen);
        // Twice the time between two looks at the head, which nobody misses who asks again.
        let at_latest = self.servers.options().poll_every.saturating_mul(2);
        drop(tokio::time::timeout(at_latest, further).await);
    }

    async fn report(&self, through: Generation) -> Result<Vec<Replica>, StoreError> {
        let mut transaction = self.connections.begin(Purpose::Write).await?;
        let reporting = self.say(transaction.connection(), through);
        let replicas = within(self.connections.timeout(), reporting).await?;
        transaction.commit().await?;
        Ok(replicas)
    }

    async fn leave(&self) -> Result<(), StoreError> {
        let mut transaction = self.connections.begin(Purpose::Write).await?;
        let leaving = sqlx::query("DELETE FROM moneyer_replicas WHERE name = $1")
            .bind(&self.replica)
            .persistent(false)
            .execute(transaction.connection());
        within(self.connections.timeout(), leaving).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn turn(&self) -> Result<Option<Box<dyn Turn>>, StoreError> {
        let queue = Queue::join(&self.servers, self.lock(TurnKind::Keep)).await?;
        let held = queue.ask().await?;
        Ok(held.map(|held| Box::new(held) as Box<dyn Turn>))
    }

    async fn turn_to_open(&self) -> Result<Box<dyn Turn>, StoreError> {
        let queue = Queue::join(&self.servers, self.lock(TurnKind::Open)).await?;
        Ok(Box::new(queue.wait().await?))
    }
}

impl PostgresStore {
    /// A record that changed; `None` if it is of a newer version of Moneyer.
    fn changed(&self, row: &PgRow) -> Result<Option<Changed>, StoreError> {
        let name: &str = row.try_get("collection").map_err(Failure::from)?;
        let Some(collection) = collection_of(name) else { return Ok(None) };
        let line = Line::of(collection, row)?;
        let value = match line.value(collection, self.sealing.as_ref()) {
            // It changed, and nobody can say what to: that is told, and no other change is held back by it. No record
            // is empty, so none is taken for one.
            Err(StoreError::Damaged { .. }) => Some(Zeroizing::default()),
            value => value?,
        };
        Ok(Some(Changed { collection, id: line.id, revision: line.revision, value }))
    }

    async fn say(
        &self,
        connection: &mut PgConnection,
        through: Generation,
    ) -> Result<Vec<Replica>, Failure> {
        let remember = self.servers.options().remember.as_secs_f64();
        let said = sqlx::query(REPORT).bind(&self.replica).bind(signed(through.0)).bind(remember);
        said.persistent(false).execute(&mut *connection).await?;
        let asked = sqlx::query(REPLICAS).bind(remember).persistent(false);
        let rows = asked.fetch_all(connection).await?;
        rows.iter().map(replica).collect()
    }

    /// The lock of the turn to keep the keys.
    #[cfg(test)]
    pub(super) fn keeping(&self) -> i64 {
        self.lock(TurnKind::Keep)
    }

    /// The number of an advisory lock: no other store of the same database has it.
    fn lock(&self, kind: TurnKind) -> i64 {
        let first = self.standing.identity().incarnation.0.first_chunk();
        let own = first.map_or(0, |first| i64::from_be_bytes(*first));
        match kind {
            TurnKind::Keep => own,
            TurnKind::Open => own ^ 1,
        }
    }
}

fn revision(row: &PgRow) -> Result<Generation, Failure> {
    let revision: i64 = row.try_get("revision")?;
    // Below zero nothing is told, since what is asked for is above.
    Ok(Generation(u64::try_from(revision).unwrap_or_default()))
}

fn replica(row: &PgRow) -> Result<Replica, Failure> {
    let through: i64 = row.try_get("through")?;
    let silent: f64 = row.try_get("silent")?;
    Ok(Replica {
        name: row.try_get("name")?,
        through: Generation(u64::try_from(through).unwrap_or_default()),
        silent_for: Duration::try_from_secs_f64(silent).unwrap_or_default(),
    })
}
