//! A clock that tells the time a test says.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moneyer_identity::{
    Absence, Absences, Clock, ClockFault, ClockReport, OtherTime, ProvenTime, UnixTime,
};

/// 2027-01-15T08:00:00Z: where a [`ManualClock`] begins.
pub const START: UnixTime = UnixTime(1_800_000_000);

/// Stands still until it is set or advanced. A clone is the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<AtomicI64>,
    fault: Arc<Mutex<Option<ClockFault>>>,
    absences: Arc<Mutex<Absences>>,
    asleep: Arc<Mutex<Duration>>,
}

impl Default for ManualClock {
    fn default() -> Self {
        let now = Arc::new(AtomicI64::new(START.0));
        Self { now, fault: Arc::default(), absences: Arc::default(), asleep: Arc::default() }
    }
}

impl ManualClock {
    /// Makes it this time, forwards or backwards.
    pub fn set(&self, now: UnixTime) {
        self.now.store(now.0, Ordering::SeqCst);
    }

    /// Makes it this much later.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().plus(by));
    }

    /// Is wrong from now on, or right again.
    pub fn fail(&self, fault: Option<ClockFault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Makes it this much later, and nobody knows whether that is true: as after an absence.
    pub fn away(&self, lasted: Duration) {
        self.advance(lasted);
        self.absences().add(Absence { until: self.now(), lasted });
    }

    /// Makes it this much later, and no timer has gone on: as after the host was suspended.
    pub fn sleep(&self, lasted: Duration) {
        self.advance(lasted);
        *self.asleep.lock().unwrap_or_else(PoisonError::into_inner) += lasted;
    }

    fn absences(&self) -> MutexGuard<'_, Absences> {
        self.absences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.now.load(Ordering::SeqCst))
    }

    fn sound(&self) -> Result<UnixTime, ClockFault> {
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.map_or_else(|| Ok(self.now()), Err)
    }

    fn proven(&self) -> Result<ProvenTime, ClockFault> {
        let now = self.sound()?;
        Ok(ProvenTime::new(now, self.absences().remembered_at(now)))
    }

    fn asleep(&self) -> Duration {
        *self.asleep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) -> ClockReport {
        ClockReport {
            proven: self.proven().ok().map(|proven| proven.at_least()),
            fault: self.sound().err(),
            ..ClockReport::unguarded(self.now())
        }
    }

    fn confirm(&self, stated: UnixTime) -> Result<(), OtherTime> {
        self.report().check(stated)?;
        self.fail(None);
        Ok(())
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
