//! The one thread that writes.
//!
//! It takes what waits, checks it as one [`Group`], applies the batch, flushes, waits at the
//! [`Barrier`], and only then answers. While it waits at the barrier new commits gather, so the more
//! callers there are the more share one sync; a single caller is never delayed for company.
//! Refusals are answered after the barrier too: a conflict may be with a commit of the same group,
//! which until then has not happened.
//!
//! After a failure it answers everything with that failure and touches the disk no more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use moneyer_authority::store::{Change, Generation, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::barrier::Barrier;
use super::failure::{Failure, panic_text};
use super::group::Group;
use super::open::OpenSled;

/// Most commits in a group. More would not lower the share each has of a sync by much, and would
/// let the first wait for the last.
const MAXIMUM_GROUP_COMMITS: usize = 512;

/// Bytes of values after which a group is full: half a segment of sled's log.
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
        self.changes.iter().filter_map(|change| change.value.as_ref()).map(Vec::len).sum()
    }

    fn answer(self, outcome: Result<Generation, StoreError>) {
        drop(self.answer.send(outcome));
    }
}

/// What the writer lets others see.
#[derive(Debug, Default)]
pub(super) struct Progress {
    generation: AtomicU64,
    failure: OnceLock<Failure>,
}

impl Progress {
    /// Of a store found at this generation.
    pub(super) fn at(generation: Generation) -> Self {
        Self { generation: AtomicU64::new(generation.0), failure: OnceLock::new() }
    }

    /// The last acknowledged generation.
    pub(super) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Why nothing is written any more, if so.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure.get().cloned()
    }
}

/// The state of the writing thread.
#[derive(Debug)]
pub(super) struct Writer<B> {
    /// The barrier comes first, since its descriptor is dropped first.
    pub(super) barrier: B,
    /// Where it writes.
    pub(super) sled: Arc<OpenSled>,
    /// What others see of it.
    pub(super) progress: Arc<Progress>,
    /// What waits.
    pub(super) queue: mpsc::Receiver<Waiting>,
}

impl<B: Barrier> Writer<B> {
    /// Writes until the last sender is gone and everything that waited is answered.
    pub(super) fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let waiting = self.gather(first);
            if let Some(failure) = self.progress.failure() {
                refuse(waiting, &failure);
                continue;
            }
            self.write(waiting);
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

    fn write(&mut self, mut waiting: Vec<Waiting>) {
        let written = catch_unwind(AssertUnwindSafe(|| self.write_group(&mut waiting)));
        let failure = match written {
            Ok(Ok((outcomes, generation))) => {
                self.progress.generation.store(generation.0, Ordering::Release);
                for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
                    waiting.answer(outcome);
                }
                return;
            }
            Ok(Err(failure)) => failure,
            Err(panic) => Failure::Panic(panic_text(&*panic)),
        };
        tracing::error!(error = &failure as &dyn std::error::Error, "the store no longer writes");
        let failure = self.progress.failure.get_or_init(|| failure);
        refuse(waiting, failure);
    }

    /// The outcomes in the order of the commits, and the generation after them.
    fn write_group(
        &mut self,
        waiting: &mut [Waiting],
    ) -> Result<(Vec<Result<Generation, StoreError>>, Generation), Failure> {
        let db = &self.sled.db;
        let mut group = Group::after(self.progress.generation());
        let outcomes = waiting
            .iter_mut()
            .map(|waiting| group.accept(db, std::mem::take(&mut waiting.changes)))
            .collect();
        let generation = group.generation();
        if !group.is_empty() {
            db.apply_batch(group.into_batch()).map_err(Failure::Apply)?;
            db.flush().map_err(Failure::Flush)?;
            self.barrier.wait().map_err(|error| Failure::Sync(Arc::new(error)))?;
        }
        Ok((outcomes, generation))
    }
}

fn refuse(waiting: Vec<Waiting>, failure: &Failure) {
    for waiting in waiting {
        waiting.answer(Err(failure.clone().into()));
    }
}
