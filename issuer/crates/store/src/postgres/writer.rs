//! The one task of this process that writes.
//!
//! It takes what waits and writes it as one transaction: the head is locked, the commits are checked one after the
//! other, and what they change is written with the new head. While it is under way new commits gather. Nobody is
//! answered before the server has said that it is committed; if it does not say so, all are told that the store is
//! unavailable, for some of it may have happened.

use std::sync::Arc;

use moneyer_authority::store::{Change, Generation, StoreError};
use tokio::sync::{Notify, mpsc, oneshot};

use super::connections::{Connections, Purpose};
use super::failure::{Failure, within};
use super::group::{Group, Press};
use super::standing::{Standing, mark};
use crate::record::Sealing;

/// Most commits in a group.
const MAXIMUM_GROUP_COMMITS: usize = 512;

/// Bytes of values after which a group is full.
const MAXIMUM_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// A commit that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// What to change.
    pub(super) changes: Vec<Change>,
    /// Who wants to know. That nobody does any more changes nothing.
    pub(super) answer: oneshot::Sender<Result<Generation, StoreError>>,
}

impl Waiting {
    fn value_bytes(&self) -> usize {
        let values = self.changes.iter().filter_map(|change| change.value.as_ref());
        values.map(|value| value.len()).sum()
    }
}

/// What the writing task has.
pub(super) struct Writer {
    pub(super) connections: Arc<Connections>,
    pub(super) standing: Arc<Standing>,
    pub(super) sealing: Option<Sealing>,
    pub(super) queue: mpsc::Receiver<Waiting>,
    /// Woken when something failed, to look what it is.
    pub(super) trouble: Arc<Notify>,
}

impl Writer {
    /// Writes until the last sender is gone and everything that waited is answered.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let mut waiting = self.gather(first);
            let commits = waiting.iter_mut().map(|one| std::mem::take(&mut one.changes)).collect();
            let outcomes = match self.standing.health() {
                Ok(()) => self.write(commits).await,
                Err(failure) => Err(failure),
            };
            match outcomes {
                Ok(outcomes) => {
                    for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
                        drop(waiting.answer.send(outcome));
                    }
                }
                Err(failure) => {
                    self.standing.judge(Err(failure.clone()));
                    self.trouble.notify_one();
                    for waiting in waiting {
                        drop(waiting.answer.send(Err(failure.clone().into())));
                    }
                }
            }
        }
    }

    fn gather(&mut self, first: Waiting) -> Vec<Waiting> {
        let mut bytes = first.value_bytes();
        let mut waiting = vec![first];
        while waiting.len() < MAXIMUM_GROUP_COMMITS && bytes < MAXIMUM_GROUP_BYTES {
            let Ok(next) = self.queue.try_recv() else { break };
            bytes = bytes.saturating_add(next.value_bytes());
            waiting.push(next);
        }
        waiting
    }

    /// The outcome of each commit, in force.
    async fn write(
        &self,
        commits: Vec<Vec<Change>>,
    ) -> Result<Vec<Result<Generation, StoreError>>, Failure> {
        let timeout = self.connections.timeout();
        let mut transaction = self.connections.begin(Purpose::Write).await?;
        let connection = transaction.connection();
        let found = within(timeout, self.standing.read(connection, true)).await?;
        let identity = self.standing.identity();
        let press = Press { identity, sealing: self.sealing.as_ref() };
        let looking = Group::look(connection, press, found.head, commits.iter());
        let mut group = within(timeout, looking).await?;
        let outcomes = commits.into_iter().map(|changes| group.accept(press, changes)).collect();
        if group.is_empty() {
            transaction.roll_back().await?;
            return Ok(outcomes);
        }
        let (head, rows) = group.into_rows();
        let encoded = (head.encode(identity), mark(&head, identity));
        within(timeout, rows.write(connection, &head, encoded)).await?;
        transaction.commit().await?;
        self.standing.note(&head);
        Ok(outcomes)
    }
}
