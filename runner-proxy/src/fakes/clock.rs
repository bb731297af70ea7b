//! A clock that is set by hand.

use std::sync::atomic::{AtomicI64, Ordering};

use moneyer_identity::{Clock, UnixTime};

/// Shows what it is set to.
#[derive(Debug, Default)]
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }
}
