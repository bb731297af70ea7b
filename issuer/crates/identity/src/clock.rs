//! Time as a value that is handed in.
//!
//! A public call reads the [`Clock`] once; everything under it takes `now`. Timers use tokio's
//! `Instant`, which tests can pause; this module is only about wall-clock time, the one that tokens
//! carry (`NumericDate` of RFC 7519 section 2, whole seconds).

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use crate::proven_time::ProvenTime;

/// Seconds since 1970-01-01T00:00:00Z, leap seconds ignored. Never negative in our own records.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
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

    /// What has certainly come, by which things are taken away: no more than by [`sound`](Self::sound),
    /// and without the absences that only the wall clock tells of.
    fn proven(&self) -> Result<ProvenTime, ClockFault> {
        self.sound().map(ProvenTime::certain)
    }

    /// How long this host has slept since it was started. Timers stand still meanwhile, and whoever waits for this host
    /// does not. Of a clock that nobody guards nothing is known.
    fn asleep(&self) -> Duration {
        Duration::ZERO
    }

    /// Hears, before the first reading is judged, which times other records of ours have seen.
    fn hear(&self, _evidence: Evidence) {}

    /// How it stands with the clock.
    fn report(&self) -> ClockReport {
        ClockReport::unguarded(self.now())
    }

    /// Takes the clock for right as it is now, on the word of a person who states what it says.
    fn confirm(&self, stated: UnixTime) -> Result<(), OtherTime> {
        self.report().check(stated)
    }
}

/// The latest times that records beside the clock's own mark hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// When the last token was minted or a person last confirmed the clock, by the audit log.
    pub recorded: Option<UnixTime>,
    /// The latest time at which a key was changed. Asked only where there is nothing else.
    pub keys: Option<UnixTime>,
}

impl Evidence {
    /// The latest time seen, with the one that was kept.
    #[must_use]
    pub fn mark(self, kept: Option<UnixTime>) -> Option<UnixTime> {
        kept.max(self.recorded).or(self.keys)
    }
}

/// How it stands with a clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReport {
    /// What the wall clock says.
    pub wall: UnixTime,
    /// Where the time since boot puts it; `None`: no reading was sound yet, or nobody guards it.
    pub expected: Option<UnixTime>,
    /// The latest time seen.
    pub mark: Option<UnixTime>,
    /// Whether the mark was not where it is kept and was made again from other records.
    pub mark_was_missing: bool,
    /// What has certainly come, whenever it was set; `None` while there is a fault.
    pub proven: Option<UnixTime>,
    /// Running time until `proven` is the wall clock's again.
    pub settles_in: Duration,
    /// Why it is not trusted.
    pub fault: Option<ClockFault>,
}

/// A stated time may be this far from the wall clock: as long as it takes to look, write and send it.
const STATED_TOLERANCE: Duration = Duration::from_secs(60);

impl ClockReport {
    /// Of a clock that nobody guards.
    #[must_use]
    pub fn unguarded(wall: UnixTime) -> Self {
        Self {
            wall,
            expected: None,
            mark: None,
            mark_was_missing: false,
            proven: Some(wall),
            settles_in: Duration::ZERO,
            fault: None,
        }
    }

    /// Whether a person who states this time can have looked at another clock that agrees.
    pub fn check(&self, stated: UnixTime) -> Result<(), OtherTime> {
        let by = self.wall.since(stated).max(stated.since(self.wall));
        if by > STATED_TOLERANCE { Err(OtherTime { wall: self.wall, stated }) } else { Ok(()) }
    }
}

/// The stated time is not the wall clock's: nothing is confirmed blind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the wall clock says {wall} and not {stated}, in seconds since 1970: more than a minute apart; set \
     the clock of this machine right, then state the time that another clock shows"
)]
pub struct OtherTime {
    /// What the wall clock says.
    pub wall: UnixTime,
    /// What was stated.
    pub stated: UnixTime,
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
    /// At the start it was further ahead of the latest time seen than a coordinator is away.
    Ahead {
        /// How far.
        by: Duration,
    },
}

impl ClockFault {
    /// The fault as one word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Jumped { .. } => "jumped",
            Self::Behind { .. } => "behind",
            Self::Ahead { .. } => "ahead",
        }
    }
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

    #[test]
    fn the_mark_is_the_latest_of_what_was_kept_and_recorded_and_keys_are_the_last_resort() {
        let at = |seconds| Some(UnixTime(seconds));
        let evidence = Evidence { recorded: at(5), keys: at(9) };
        assert_eq!(evidence.mark(at(7)), at(7));
        assert_eq!(evidence.mark(at(3)), at(5));
        assert_eq!(evidence.mark(None), at(5));
        assert_eq!(Evidence { recorded: None, ..evidence }.mark(at(3)), at(3));
        assert_eq!(Evidence { recorded: None, ..evidence }.mark(None), at(9));
        assert_eq!(Evidence::default().mark(None), None);
    }

    #[test]
    fn a_stated_time_is_within_a_minute_of_the_wall_clock() {
        let report = ClockReport::unguarded(UnixTime(1000));
        for stated in [940, 1000, 1060] {
            assert_eq!(report.check(UnixTime(stated)), Ok(()), "{stated}");
        }
        for stated in [i64::MIN, 939, 1061, i64::MAX] {
            let stated = UnixTime(stated);
            assert_eq!(report.check(stated), Err(OtherTime { wall: UnixTime(1000), stated }));
        }
    }
}
