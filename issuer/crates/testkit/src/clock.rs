//! A clock that tells the time a test says.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moneyer_identity::{Clock, ClockFault, UnixTime};

/// 2027-01-15T08:00:00Z: where a [`ManualClock`] begins.
pub const START: UnixTime = UnixTime(1_800_000_000);

/// Stands still until it is set or advanced. A clone is the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>, Arc<Mutex<Option<ClockFault>>>);

impl Default for ManualClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(START.0)), Arc::default())
    }
}

impl ManualClock {
    /// Makes it this time, forwards or backwards.
    pub fn set(&self, now: UnixTime) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Makes it this much later.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }

    /// Is wrong from now on, or right again.
    pub fn fail(&self, fault: Option<ClockFault>) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }

    fn sound(&self) -> Result<UnixTime, ClockFault> {
        self.1.lock().unwrap_or_else(PoisonError::into_inner).map_or_else(|| Ok(self.now()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_only_when_told() {
        let clock = ManualClock::default();
        let same = clock.clone();
        clock.advance(Duration::from_secs(5));
        assert_eq!(same.now(), UnixTime(START.0 + 5));
        same.set(UnixTime(3));
        assert_eq!(clock.now(), UnixTime(3));
    }
}
