//! How a coordinator stands to the others: whether it still follows, and what it has removed that word of an older
//! change must not bring back.
//!
//! Its silence is counted as the others count it: also while its host is suspended, when no timer goes on here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moneyer_identity::Clock;
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
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

/// A moment, by timers and by how long the host had slept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    awake: Instant,
    asleep: Duration,
}

impl Moment {
    /// The time from `earlier` until this one, asleep or awake.
    fn since(self, earlier: Self) -> Duration {
        let awake = self.awake.saturating_duration_since(earlier.awake);
        awake.saturating_add(self.asleep.saturating_sub(earlier.asleep))
    }
}

#[derive(Debug)]
struct State {
    followed_at: Moment,
    removed: HashMap<(Collection, String), Generation>,
}

impl Standing {
    /// Of one that is about to load everything. The others wait as long as a key is published before it signs, within
    /// bounds.
    pub(crate) fn for_schedule(schedule: &Schedule, clock: Arc<dyn Clock>) -> Self {
        let patience = schedule.publish_before_use().clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE);
        Self::new(patience, clock)
    }

    fn new(patience: Duration, clock: Arc<dyn Clock>) -> Self {
        let state = State { followed_at: moment(&*clock), removed: HashMap::new() };
        Self { patience, clock, state: Mutex::new(state) }
    }

    /// This moment.
    pub(crate) fn now(&self) -> Moment {
        moment(&*self.clock)
    }

    /// How long the others wait for a coordinator that is silent.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// That it follows, or has not failed to for as long as the others wait.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let followed_at = self.state().followed_at;
        let silent_for = self.now().since(followed_at);
        if silent_for < self.patience { Ok(()) } else { Err(StoreError::CutOff { silent_for }) }
    }

    /// Everything up to a generation was taken in, and the store knows it. `at` is when that was begun.
    pub(crate) fn followed(&self, through: Generation, at: Moment) {
        let mut state = self.state();
        if at.since(state.followed_at) > Duration::ZERO {
            state.followed_at = at;
        }
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

fn moment(clock: &dyn Clock) -> Moment {
    // In this order, so that a host that falls asleep in between has been silent for that long.
    let asleep = clock.asleep();
    Moment { awake: Instant::now(), asleep }
}

/// The records that these changes remove.
pub(crate) fn removed_by(changes: &[Change]) -> Vec<(Collection, String)> {
    let removals = changes.iter().filter(|change| change.value.is_none());
    removals.map(|change| (change.collection, change.id.clone())).collect()
}

#[cfg(test)]
mod tests {
    use moneyer_testkit::ManualClock;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(600);

    fn changed(revision: u64) -> Changed {
        let collection = Collection::Sandboxes;
        Changed { collection, id: "web-1".into(), revision: Generation(revision), value: None }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hears_nothing_stands_apart_until_it_follows_again() {
        let standing = Standing::new(PATIENCE, Arc::new(ManualClock::default()));
        tokio::time::advance(Duration::from_secs(599)).await;
        assert!(standing.check().is_ok());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(matches!(standing.check(), Err(StoreError::CutOff { .. })));
        standing.followed(Generation(4), standing.now());
        assert!(standing.check().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_host_was_suspended_stands_apart_as_it_wakes() {
        let clock = ManualClock::default();
        let standing = Standing::new(PATIENCE, Arc::new(clock.clone()));
        tokio::time::advance(Duration::from_secs(300)).await;
        let begun = standing.now();
        clock.sleep(Duration::from_secs(299));
        assert!(standing.check().is_ok());
        clock.sleep(Duration::from_secs(1));
        assert!(
            matches!(standing.check(), Err(StoreError::CutOff { silent_for }) if silent_for == PATIENCE)
        );
        // What it began before it fell asleep is of before.
        standing.followed(Generation(4), begun);
        assert!(standing.check().is_ok(), "300 s are no 600");
        clock.sleep(Duration::from_secs(300));
        assert!(standing.check().is_err());
        // The wall clock alone changes nothing.
        standing.followed(Generation(4), standing.now());
        clock.advance(Duration::from_secs(3600));
        assert!(standing.check().is_ok());
    }

    #[tokio::test]
    async fn word_of_an_older_change_does_not_bring_back_what_was_removed() {
        let standing = Standing::new(PATIENCE, Arc::new(ManualClock::default()));
        standing.removes(vec![(Collection::Sandboxes, "web-1".into())], Generation(7));
        assert!(standing.supersedes(&changed(6)));
        assert!(!standing.supersedes(&changed(8)), "it was made anew");
        standing.followed(Generation(6), standing.now());
        assert!(standing.supersedes(&changed(6)), "word of the removal is still to come");
        standing.followed(Generation(7), standing.now());
        assert!(!standing.supersedes(&changed(6)), "nothing older is told any more");
    }
}
