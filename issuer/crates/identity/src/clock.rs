//! Time as a value that is handed in.
//!
//! A public call reads the [`Clock`] once; everything under it takes `now`. Timers use tokio's
//! `Instant`, which tests can pause; this module is only about wall-clock time, the one that tokens
//! carry (`NumericDate` of RFC 7519 section 2, whole seconds).

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z, leap seconds ignored. Never negative in our own records.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// This much later, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    }

    /// This much earlier, saturating.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    }

    /// The time from `earlier` until this one, zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where wall-clock time comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now, right or wrong.
    fn now(&self) -> UnixTime;

    /// The time now, if it can be trusted to sign with. A clock that nobody guards always can.
    fn sound(&self) -> Result<UnixTime, ClockFault> {
        Ok(self.now())
    }
}

/// Why the wall clock is not trusted to sign with. Shown, it says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockFault {
    /// It moved otherwise than the time since boot.
    Jumped {
        /// How far it is from where it ought to be.
        by: Duration,
        /// Whether it is ahead.
        forward: bool,
    },
    /// It is behind a time that was already seen.
    Behind {
        /// How far.
        by: Duration,
    },
}

/// The operating system's clock: the only place that reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// Time since 1970, to the nanosecond.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    #[must_use]
    pub fn since_epoch(&self) -> Duration {
        // Before 1970 there is no valid token to sign; 0 is before every record's time.
        std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime(i64::try_from(self.since_epoch().as_secs()).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let end = UnixTime(i64::MAX);
        assert_eq!(end.plus(Duration::from_secs(1)), end);
        assert_eq!(UnixTime(5).since(UnixTime(9)), Duration::ZERO);
        assert_eq!(UnixTime(9).since(UnixTime(5)), Duration::from_secs(4));
        assert_eq!(UnixTime(i64::MIN).minus(Duration::MAX), UnixTime(i64::MIN));
    }
}
