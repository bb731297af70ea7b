//! A time that has certainly come, whatever the wall clock says.
//!
//! While a coordinator is away nothing measures time: a wall clock that is days ahead at the next start
//! looks like days of absence. So absence does not count. A [`ProvenTime`] goes on from the one that was
//! kept, by the time since boot alone, which nobody sets, and is never later than the true time if it was
//! not at the beginning. What takes something away (a key from the key set, a previous issuer) goes by
//! it, and not by the wall clock.
//!
//! It lags by the absences. Once a coordinator has run for [`SETTLED_AFTER`], every token of before its
//! start is dead by the time since boot, so nothing is left that could be taken away early: then it
//! catches up with the wall clock.

use std::time::Duration;

use crate::clock::UnixTime;

/// Running time after which absences are forgotten: longer than the longest token (24 h) and the hour
/// that a previous issuer is served beyond it.
pub const SETTLED_AFTER: Duration = Duration::from_secs(26 * 3600);

/// A time that has certainly come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProvenTime {
    /// As of the beginning: the kept one. `None`: there is nothing from before.
    from: Option<UnixTime>,
    /// The beginning, since boot.
    begun: Duration,
}

impl ProvenTime {
    /// Goes on from a kept one at this moment since boot.
    pub(crate) fn new(from: Option<UnixTime>, since_boot: Duration) -> Self {
        Self { from, begun: since_boot }
    }

    /// What has certainly come at this moment since boot, if the wall clock is sound and says `now`.
    pub(crate) fn at(&self, since_boot: Duration, now: UnixTime) -> UnixTime {
        match self.from {
            Some(from) if !self.settles_in(since_boot).is_zero() => {
                from.plus(since_boot.saturating_sub(self.begun)).min(now)
            }
            _ => now,
        }
    }

    /// Running time until absences are forgotten.
    pub(crate) fn settles_in(&self, since_boot: Duration) -> Duration {
        match self.from {
            Some(_) => SETTLED_AFTER.saturating_sub(since_boot.saturating_sub(self.begun)),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: UnixTime = UnixTime(1_800_000_000);
    const BOOT: Duration = Duration::from_secs(100);

    fn later(seconds: u64) -> Duration {
        BOOT + Duration::from_secs(seconds)
    }

    #[test]
    fn absence_does_not_count_until_it_has_run_long_enough() {
        let proven = ProvenTime::new(Some(KEPT), BOOT);
        let day = Duration::from_secs(24 * 3600);
        let now = KEPT.plus(20 * day);
        assert_eq!(proven.at(later(0), now), KEPT);
        assert_eq!(proven.at(later(60), now.plus(Duration::from_secs(60))), UnixTime(KEPT.0 + 60));
        let most = SETTLED_AFTER.as_secs();
        let end = now.plus(SETTLED_AFTER);
        assert_eq!(proven.at(later(most - 1), end), UnixTime(KEPT.0 + 26 * 3600 - 1));
        assert_eq!(proven.settles_in(later(most - 1)), Duration::from_secs(1));
        assert_eq!(proven.at(later(most), end), end);
        assert_eq!(proven.settles_in(later(most)), Duration::ZERO);
    }

    #[test]
    fn it_is_never_later_than_the_wall_clock() {
        let proven = ProvenTime::new(Some(KEPT), BOOT);
        assert_eq!(proven.at(later(60), UnixTime(KEPT.0 + 58)), UnixTime(KEPT.0 + 58));
    }

    #[test]
    fn without_anything_from_before_it_is_the_wall_clock() {
        let proven = ProvenTime::new(None, BOOT);
        assert_eq!(proven.at(later(1), KEPT), KEPT);
        assert_eq!(proven.settles_in(later(1)), Duration::ZERO);
    }
}
