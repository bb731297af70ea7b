//! Which keys every coordinator publishes: pure.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use moneyer_identity::KeyId;

use crate::shared_store::Replica;
use crate::store::Generation;

/// How much longer than its patience the others wait for a coordinator: it must have noticed before them that it
/// stands apart, whatever their clocks do meanwhile.
const GRACE: Duration = Duration::from_secs(30);

/// From which generation on this coordinator has published each key, and which of them all do.
#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    since: HashMap<KeyId, Generation>,
    confirmed: BTreeSet<KeyId>,
}

impl Confirmations {
    /// These keys are published by whoever has taken in everything up to `through`.
    pub(crate) fn publish(&mut self, published: BTreeSet<KeyId>, through: Generation) {
        self.since.retain(|key_id, _| published.contains(key_id));
        self.confirmed.retain(|key_id| published.contains(key_id));
        for key_id in published {
            self.since.entry(key_id).or_insert(through);
        }
    }

    /// How all stand: a key that everyone publishes is confirmed for good. One that is silent for longer than
    /// `patience` and a grace is not waited for: it stands apart and mints nothing.
    pub(crate) fn hear(&mut self, replicas: &[Replica], patience: Duration) -> &BTreeSet<KeyId> {
        let waited = replicas.iter().filter(|one| one.silent_for < patience + GRACE);
        if let Some(floor) = waited.map(|one| one.through).min() {
            let known = self.since.iter().filter(|(_, since)| **since <= floor);
            self.confirmed.extend(known.map(|(key_id, _)| key_id.clone()));
        }
        &self.confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(600);

    fn replica(through: u64, silent_for: u64) -> Replica {
        let silent_for = Duration::from_secs(silent_for);
        Replica { name: "one".into(), through: Generation(through), silent_for }
    }

    fn keys(ids: &[&str]) -> BTreeSet<KeyId> {
        ids.iter().map(|id| KeyId::parse(id).unwrap()).collect()
    }

    #[test]
    fn a_key_is_confirmed_when_the_slowest_that_serves_has_it() {
        let mut confirmations = Confirmations::default();
        confirmations.publish(keys(&["old"]), Generation(3));
        confirmations.publish(keys(&["old", "new"]), Generation(9));
        let slow = [replica(9, 0), replica(8, 100)];
        assert_eq!(*confirmations.hear(&slow, PATIENCE), keys(&["old"]));
        let all = [replica(12, 0), replica(9, 1)];
        assert_eq!(*confirmations.hear(&all, PATIENCE), keys(&["old", "new"]));
        // What all had they have: one that starts anew has loaded it.
        assert_eq!(*confirmations.hear(&slow, PATIENCE), keys(&["old", "new"]));
    }

    #[test]
    fn one_that_stands_apart_is_not_waited_for_and_one_that_may_not_yet_know_is() {
        let mut confirmations = Confirmations::default();
        confirmations.publish(keys(&["new"]), Generation(9));
        let silent = |seconds| [replica(9, 0), replica(1, seconds)];
        assert!(confirmations.hear(&silent(629), PATIENCE).is_empty());
        assert_eq!(*confirmations.hear(&silent(630), PATIENCE), keys(&["new"]));
    }

    #[test]
    fn a_key_that_left_and_came_back_is_confirmed_anew() {
        let mut confirmations = Confirmations::default();
        confirmations.publish(keys(&["key"]), Generation(1));
        confirmations.hear(&[replica(1, 0)], PATIENCE);
        confirmations.publish(BTreeSet::new(), Generation(2));
        confirmations.publish(keys(&["key"]), Generation(5));
        assert!(confirmations.hear(&[replica(4, 0)], PATIENCE).is_empty());
    }
}
