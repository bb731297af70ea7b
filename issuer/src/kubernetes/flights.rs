//! Questions that are being asked, by what they are about.

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
pub(super) struct Flights(HashMap<Key, Flight>);

impl Flights {
    /// The question about this, if it is being asked.
    pub(super) fn find(&self, key: &Key) -> Option<Flight> {
        self.0.get(key).cloned()
    }

    /// Whether another one may be asked.
    pub(super) fn check(&self) -> Result<(), ReviewFailure> {
        if self.0.len() < MAXIMUM_WAITING { Ok(()) } else { Err(ReviewFailure::Busy) }
    }

    /// Another one is asked from now on.
    pub(super) fn begin(&mut self, key: Key) -> (Landing, Flight) {
        let (landing, flight) = watch::channel(None);
        self.0.insert(key, flight.clone());
        (landing, flight)
    }

    /// It is asked no more.
    pub(super) fn end(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::memory::tests::key;

    #[test]
    fn as_many_questions_as_may_wait() {
        let mut flights = Flights::default();
        for token in 0..u16::try_from(MAXIMUM_WAITING).unwrap() {
            assert!(flights.check().is_ok());
            flights.begin(key(token, "a", "p"));
        }
        assert!(matches!(flights.check(), Err(ReviewFailure::Busy)));
        assert!(flights.find(&key(0, "a", "p")).is_some());
        flights.end(&key(0, "a", "p"));
        assert!(flights.check().is_ok() && flights.find(&key(0, "a", "p")).is_none());
    }
}
