//! What this process knows of the store: how far it was told that it has come, and what is wrong at the moment.
//!
//! A head that is read is held against what was known before it was asked for. One that is behind, or that does not
//! have in its history what this process was told is committed, is that of a server whose failover lost it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use moneyer_authority::store::Generation;
use sqlx::Row as _;
use sqlx::postgres::{PgConnection, PgRow};
use tokio::sync::watch;

use super::failure::Failure;
use crate::record::{Head, Identity};

/// The head, its history where `$1` is, and how far back that goes.
const READ: &str = "SELECT h.generation, h.incarnation, h.head, h.forgotten, \
     (SELECT m.mark FROM moneyer_marks m WHERE m.generation = $1) AS mark, \
     (SELECT min(m.generation) FROM moneyer_marks m) AS oldest \
     FROM moneyer_head h";

/// What the store had come to, with the mark that this state of it alone has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) generation: Generation,
    pub(super) mark: Vec<u8>,
}

/// A head that was read and found sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) head: Head,
    /// Up to where it is no longer known what was removed.
    pub(super) forgotten: Generation,
}

/// What this process knows of the store.
#[derive(Debug)]
pub(super) struct Standing {
    identity: Identity,
    state: Mutex<State>,
    news: watch::Sender<Generation>,
}

#[derive(Debug)]
struct State {
    seen: Seen,
    failure: Option<Failure>,
}

impl Standing {
    /// Of a store that was opened at this head.
    pub(super) fn of(identity: Identity, head: &Head) -> Self {
        let seen = Seen { generation: Generation(head.generation), mark: mark(head, &identity) };
        let (news, _) = watch::channel(seen.generation);
        Self { identity, state: Mutex::new(State { seen, failure: None }), news }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How far the store is known to have come.
    pub(super) fn generation(&self) -> Generation {
        self.state().seen.generation
    }

    /// Why it does not serve at the moment, if so.
    pub(super) fn health(&self) -> Result<(), Failure> {
        self.state().failure.clone().map_or(Ok(()), Err)
    }

    /// Tells when it comes further.
    pub(super) fn subscribe(&self) -> watch::Receiver<Generation> {
        self.news.subscribe()
    }

    /// What is wrong, or that nothing is. Told in the log when it changes.
    pub(super) fn judge(&self, outcome: Result<(), Failure>) {
        let failure = outcome.err();
        let before = std::mem::replace(&mut self.state().failure, failure.clone());
        match (before, failure) {
            (None, Some(failure)) => tracing::error!(
                error = &failure as &dyn std::error::Error,
                "the store in the database is unavailable; it is asked until it answers"
            ),
            (Some(_), None) => tracing::warn!("the store in the database answers again"),
            _ => {}
        }
    }

    /// Reads the head in a transaction, for a commit with a lock on it.
    pub(super) async fn read(
        &self,
        connection: &mut PgConnection,
        lock: bool,
    ) -> Result<Found, Failure> {
        // Before it is asked: what becomes known meanwhile need not be in this transaction's sight.
        let floor = self.state().seen.clone();
        let asked = if lock { format!("{READ} FOR UPDATE OF h") } else { READ.to_owned() };
        let generation = i64::try_from(floor.generation.0).unwrap_or(i64::MAX);
        let row = sqlx::query(&asked).bind(generation).persistent(false);
        let row = row.fetch_optional(connection).await?.ok_or(Failure::OtherLife)?;
        let found = self.judge_row(&row, &floor)?;
        self.note(&found.head);
        Ok(found)
    }

    /// A commit of this process is in force.
    pub(super) fn note(&self, head: &Head) {
        let generation = Generation(head.generation);
        let mut state = self.state();
        if generation > state.seen.generation {
            state.seen = Seen { generation, mark: mark(head, &self.identity) };
            drop(state);
            self.news.send_if_modified(|known| {
                let further = generation > *known;
                *known = generation.max(*known);
                further
            });
        }
    }

    fn judge_row(&self, row: &PgRow, floor: &Seen) -> Result<Found, Failure> {
        let incarnation: Vec<u8> = row.try_get("incarnation")?;
        if incarnation != self.identity.incarnation.0 {
            return Err(Failure::OtherLife);
        }
        let bytes: Vec<u8> = row.try_get("head")?;
        let head = Head::decode(&bytes, &self.identity).ok_or(Failure::Head)?;
        if counted(row, "generation")? != Some(head.generation) {
            return Err(Failure::Head);
        }
        let (seen, there) = (floor.generation, Generation(head.generation));
        let history: Option<Vec<u8>> = row.try_get("mark")?;
        let same = if there == seen {
            floor.mark == mark(&head, &self.identity)
        } else if let Some(history) = history {
            history == floor.mark
        } else {
            // Longer ago than the marks are kept, or never there.
            counted(row, "oldest")?.is_none_or(|oldest| oldest > seen.0)
        };
        if there < seen || !same {
            return Err(Failure::RolledBack { seen, there });
        }
        let forgotten = Generation(counted(row, "forgotten")?.unwrap_or_default());
        Ok(Found { head, forgotten })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a state of the store alone has: the tag of its head.
pub(super) fn mark(head: &Head, identity: &Identity) -> Vec<u8> {
    let bytes = head.encode(identity);
    bytes.last_chunk::<32>().map(|tag| tag.to_vec()).unwrap_or_default()
}

fn counted(row: &PgRow, column: &str) -> Result<Option<u64>, Failure> {
    let number: Option<i64> = row.try_get(column)?;
    number.map(|number| u64::try_from(number).map_err(|_negative| Failure::Head)).transpose()
}
