//! How a coordinator stands to the others: whether it still follows, and what it has removed that word of an older
//! change must not bring back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::keys::Schedule;
use crate::shared_store::Changed;
use crate::store::{Change, Collection, Generation, StoreError};

/// Shortest time that coordinators wait for one that is silent: a database fails over in less, and an operator
/// who starts one by hand does.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(600);

/// Longest time: what was removed by the others is in force meanwhile at one that is cut off, and a store that is
/// shared remembers removals for longer.
const LONGEST_PATIENCE: Duration = Duration::from_secs(2 * 3600);

/// How a coordinator stands to those that share its store.
#[derive(Debug)]
pub(crate) struct Standing {
    /// After so long without word of the store the others no longer wait.
    patience: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    followed_at: Instant,
    removed: HashMap<(Collection, String), Generation>,
}

impl Standing {
    /// Of one that is about to load everything. The others wait as long as a key is published before it signs, within
    /// bounds.
    pub(crate) fn for_schedule(schedule: &Schedule) -> Self {
        Self::new(schedule.publish_before_use().clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE))
    }

    fn new(patience: Duration) -> Self {
        let state = State { followed_at: Instant::now(), removed: HashMap::new() };
        Self { patience, state: Mutex::new(state) }
    }

    /// How long the others wait for a coordinator that is silent.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// That it follows, or has not failed to for as long as the others wait.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let silent_for = self.state().followed_at.elapsed();
        if silent_for < self.patience { Ok(()) } else { Err(StoreError::CutOff { silent_for }) }
    }

    /// Everything up to a generation was taken in, and the store knows it. `at` is when that was begun.
    pub(crate) fn followed(&self, through: Generation, at: Instant) {
        let mut state = self.state();
        state.followed_at = state.followed_at.max(at);
        state.removed.retain(|_, generation| *generation > through);
    }

    /// Notes what a change removes, before memory does.
    pub(crate) fn removes(&self, removed: Vec<(Collection, String)>, generation: Generation) {
        self.state().removed.extend(removed.into_iter().map(|record| (record, generation)));
    }

    /// Whether what is told of a record is older than its removal here. To be asked under the lock of whoever
    /// changes the record.
    pub(crate) fn supersedes(&self, changed: &Changed) -> bool {
        let record = (changed.collection, changed.id.clone());
        self.state().removed.get(&record).is_some_and(|removed| *removed > changed.revision)
    }

    /// Every method leaves it whole: a panic elsewhere cannot have left it half changed.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The records that these changes remove.
pub(crate) fn removed_by(changes: &[Change]) -> Vec<(Collection, String)> {
    let removals = changes.iter().filter(|change| change.value.is_none());
    removals.map(|change| (change.collection, change.id.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(revision: u64) -> Changed {
        let collection = Collection::Sandboxes;
        Changed { collection, id: "web-1".into(), revision: Generation(revision), value: None }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hears_nothing_stands_apart_until_it_follows_again() {
        let standing = Standing::new(Duration::from_secs(600));
        tokio::time::advance(Duration::from_secs(599)).await;
        assert!(standing.check().is_ok());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(matches!(standing.check(), Err(StoreError::CutOff { .. })));
        standing.followed(Generation(4), Instant::now());
        assert!(standing.check().is_ok());
    }

    #[tokio::test]
    async fn word_of_an_older_change_does_not_bring_back_what_was_removed() {
        let standing = Standing::new(Duration::from_secs(600));
        standing.removes(vec![(Collection::Sandboxes, "web-1".into())], Generation(7));
        assert!(standing.supersedes(&changed(6)));
        assert!(!standing.supersedes(&changed(8)), "it was made anew");
        standing.followed(Generation(6), Instant::now());
        assert!(standing.supersedes(&changed(6)), "word of the removal is still to come");
        standing.followed(Generation(7), Instant::now());
        assert!(!standing.supersedes(&changed(6)), "nothing older is told any more");
    }
}
