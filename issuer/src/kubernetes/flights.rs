//! Questions that are being asked, by what they are about.
//!
//! A question that was begun before a refusal was learned, of its token or of its pod, is overtaken: it goes on for those
//! who wait for it, nobody joins it any more, and a yes to it is from before the no.

use std::collections::HashMap;
use std::sync::Arc;

use moneyer_authority::exchange::ReviewStatus;
use tokio::sync::watch;

use super::failure::ReviewFailure;
use super::memory::Key;

/// Questions that are asked or wait to be: each holds a token, 8 KiB at most.
pub(super) const MAXIMUM_WAITING: usize = 1024;

/// What came of a question. Several may wait for it.
pub(super) type Outcome = Result<Arc<ReviewStatus>, Arc<ReviewFailure>>;

/// A question that is being asked, to be waited for.
pub(super) type Flight = watch::Receiver<Option<Outcome>>;

/// Who asks a question tells by this what came of it.
pub(super) type Landing = watch::Sender<Option<Outcome>>;

/// Every question that is being asked.
#[derive(Debug, Default)]
pub(super) struct Flights {
    current: HashMap<Key, Flight>,
    /// With those that are overtaken.
    asked: usize,
}

impl Flights {
    /// The question about this, if it is being asked.
    pub(super) fn find(&self, key: &Key) -> Option<Flight> {
        self.current.get(key).cloned()
    }

    /// Whether another one may be asked.
    pub(super) fn check(&self) -> Result<(), ReviewFailure> {
        if self.asked < MAXIMUM_WAITING { Ok(()) } else { Err(ReviewFailure::Busy) }
    }

    /// Another one is asked from now on.
    pub(super) fn begin(&mut self, key: Key) -> (Landing, Flight) {
        let (landing, flight) = watch::channel(None);
        self.current.insert(key, flight.clone());
        self.asked += 1;
        (landing, flight)
    }

    /// A refusal of this was learned; where its pod is gone, of every token of the pod.
    pub(super) fn overtake(&mut self, refused: &Key, pod_is_gone: bool) {
        self.current
            .retain(|key, _| !(key.is_of_token(refused) || pod_is_gone && key.is_of_pod(refused)));
    }

    /// Whether a refusal was learned since this was begun.
    pub(super) fn is_overtaken(&self, key: &Key, landing: &Landing) -> bool {
        let own = |flight: &Flight| flight.same_channel(&landing.subscribe());
        !self.current.get(key).is_some_and(own)
    }

    /// It is asked no more.
    pub(super) fn end(&mut self, key: &Key, landing: &Landing) {
        self.asked = self.asked.saturating_sub(1);
        if !self.is_overtaken(key, landing) {
            self.current.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::memory::tests::key;

    #[test]
    fn as_many_questions_as_may_wait() {
        let mut flights = Flights::default();
        let mut landings = Vec::new();
        for token in 0..u16::try_from(MAXIMUM_WAITING).unwrap() {
            assert!(flights.check().is_ok());
            landings.push(flights.begin(key(token, "a", "p")).0);
        }
        assert!(matches!(flights.check(), Err(ReviewFailure::Busy)));
        assert!(flights.find(&key(0, "a", "p")).is_some());
        flights.overtake(&key(0, "a", "p"), false);
        assert!(flights.check().is_err(), "what is overtaken is asked still");
        flights.end(&key(0, "a", "p"), &landings[0]);
        assert!(flights.check().is_ok() && flights.find(&key(0, "a", "p")).is_none());
    }

    #[test]
    fn a_refusal_overtakes_the_questions_about_its_token_and_a_pod_that_is_gone_those_of_the_pod() {
        let mut flights = Flights::default();
        let keys = [key(1, "a", "p"), key(1, "b", "p"), key(2, "a", "p"), key(3, "a", "other")];
        let landings = keys.clone().map(|key| flights.begin(key).0);
        let overtaken = |flights: &Flights| {
            [0, 1, 2, 3].map(|at| flights.is_overtaken(&keys[at], &landings[at]))
        };
        assert_eq!(overtaken(&flights), [false; 4]);
        flights.overtake(&keys[0], false);
        assert_eq!(overtaken(&flights), [true, true, false, false]);
        assert!(flights.find(&keys[1]).is_none(), "nobody joins it");
        let (newer, _) = flights.begin(keys[1].clone());
        flights.end(&keys[1], &landings[1]);
        assert!(flights.find(&keys[1]).is_some(), "the one that is begun since goes on");
        assert!(!flights.is_overtaken(&keys[1], &newer));
        flights.overtake(&keys[0], true);
        assert_eq!(overtaken(&flights), [true, true, true, false]);
    }
}
