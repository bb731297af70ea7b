//! When keys change: the periods a rotation keeps.
//!
//! A schedule that exists is sound: a key is published at least as long as relying parties may cache
//! the key set before it signs (unless that was switched off by name), and a round never leaves more
//! keys in the set than relying parties read.

use std::time::Duration;

/// Relying parties' clocks may be this far behind, and AWS forgives an expired token as long: a key
/// stays published that much longer than the last token signed with it lives.
pub const SKEW: Duration = Duration::from_secs(5 * 60);

/// Most keys a schedule may have in the set at once: AWS reads 100 and refuses the set whole beyond,
/// and an emergency or an adoption may add some.
const MAXIMUM_SCHEDULED_KEYS: u64 = 80;

/// Longest time relying parties may cache the key set: what has been served for the 26 hours after which
/// an absence is forgotten is in every cache, and an emergency is over within a day everywhere.
const LONGEST_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Shortest time a key may go on signing past its round: enough for a store to come back.
const SHORTEST_MARGIN: Duration = Duration::from_secs(60);

/// The periods of one kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    rotate_every: Duration,
    publish_before_use: Duration,
    maximum_lifetime: Duration,
}

/// Why periods are not a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Keys would change too fast for anything.
    #[error("keys cannot change more often than every second")]
    TooOften,
    /// Caches would have an old key set for too long.
    #[error(
        "is longer than a day: a key that was withdrawn would be believed from caches for as long; use \
         24h at most"
    )]
    CachedTooLong,
    /// A key would sign before every cached key set has it.
    #[error(
        "is shorter than keys.max_age ({} s): relying parties would refuse tokens of a key that \
         their cached key set does not have yet; use at least that, or 0s to switch it off",
        max_age.as_secs()
    )]
    ShorterThanCache {
        /// How long relying parties may cache the key set.
        max_age: Duration,
    },
    /// The key set would outgrow what relying parties read.
    #[error(
        "would keep {keys} keys in the key set, and relying parties read 100: rotate less often, or \
         lower tokens.maximum_lifetime"
    )]
    TooManyKeys {
        /// How many.
        keys: u64,
    },
}

impl Schedule {
    /// A schedule, for a key set that relying parties may cache for `max_age` and tokens that live at
    /// most `maximum_lifetime`. A `publish_before_use` of zero switches publication before use off.
    pub fn new(
        rotate_every: Duration,
        publish_before_use: Duration,
        max_age: Duration,
        maximum_lifetime: Duration,
    ) -> Result<Self, ScheduleError> {
        if rotate_every < Duration::from_secs(1) {
            return Err(ScheduleError::TooOften);
        }
        if max_age > LONGEST_MAX_AGE {
            return Err(ScheduleError::CachedTooLong);
        }
        if publish_before_use < max_age && !publish_before_use.is_zero() {
            return Err(ScheduleError::ShorterThanCache { max_age });
        }
        let schedule = Self { rotate_every, publish_before_use, maximum_lifetime };
        schedule.for_lines(1)?;
        Ok(schedule)
    }

    /// The same, if so many lines of keys that each keep it leave no more keys in the set than relying
    /// parties read.
    pub fn for_lines(self, lines: u64) -> Result<Self, ScheduleError> {
        let published = self.publish_before_use + self.signs_for() + self.lingers(None);
        let keys = published.as_secs().div_ceil(self.rotate_every.as_secs()).saturating_add(1);
        let keys = keys.saturating_mul(lines);
        if keys > MAXIMUM_SCHEDULED_KEYS {
            return Err(ScheduleError::TooManyKeys { keys });
        }
        Ok(self)
    }

    /// Publication long enough for caches that live `max_age`: three of them, and a day at least.
    #[must_use]
    pub fn default_publish_before_use(max_age: Duration) -> Duration {
        max_age.saturating_mul(3).max(Duration::from_secs(24 * 3600))
    }

    /// How long a key signs before the next one takes over.
    #[must_use]
    pub fn rotate_every(&self) -> Duration {
        self.rotate_every
    }

    /// How long a key is published before it signs.
    #[must_use]
    pub fn publish_before_use(&self) -> Duration {
        self.publish_before_use
    }

    /// The longest that any token lives.
    #[must_use]
    pub fn maximum_lifetime(&self) -> Duration {
        self.maximum_lifetime
    }

    /// How much longer than its round a key may sign, if its successor does not come: enough to
    /// prepare and publish one.
    #[must_use]
    pub fn margin(&self) -> Duration {
        self.publish_before_use.max(self.rotate_every / 10).max(SHORTEST_MARGIN)
    }

    /// From a key's activation to its `sign_until`.
    #[must_use]
    pub fn signs_for(&self) -> Duration {
        self.rotate_every.saturating_add(self.margin())
    }

    /// From a key's `sign_until` to the moment its last token is dead everywhere, where tokens were once
    /// allowed to live so long.
    #[must_use]
    pub fn lingers(&self, longest_lifetime: Option<Duration>) -> Duration {
        let longest = longest_lifetime.unwrap_or(self.maximum_lifetime);
        longest.max(self.maximum_lifetime).saturating_add(SKEW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const HOUR: Duration = Duration::from_secs(3600);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn publication_is_a_day_or_three_caches() {
        assert_eq!(Schedule::default_publish_before_use(HOUR), DAY);
        assert_eq!(Schedule::default_publish_before_use(9 * HOUR), 27 * HOUR);
    }

    // Case 168.
    #[test]
    fn a_key_is_not_used_before_caches_have_it() {
        let schedule = |before| Schedule::new(30 * DAY, before, HOUR, DAY);
        assert_eq!(schedule(seconds(3599)), Err(ScheduleError::ShorterThanCache { max_age: HOUR }));
        assert!(schedule(HOUR).is_ok());
        assert!(schedule(Duration::ZERO).is_ok());
    }

    #[test]
    fn a_key_set_is_not_cached_for_longer_than_a_day() {
        let schedule = |max_age| Schedule::new(30 * DAY, 3 * DAY, max_age, DAY);
        assert!(schedule(DAY).is_ok());
        assert_eq!(schedule(DAY + seconds(1)), Err(ScheduleError::CachedTooLong));
    }

    #[test]
    fn o9_a_schedule_does_not_fill_the_key_set() {
        let schedule = |every| Schedule::new(every, seconds(40), seconds(10), seconds(60));
        assert!(schedule(seconds(20)).is_ok());
        assert_eq!(schedule(Duration::ZERO), Err(ScheduleError::TooOften));
        let refused = schedule(seconds(2));
        assert!(matches!(refused, Err(ScheduleError::TooManyKeys { .. })), "{refused:?}");
        let refused = schedule(seconds(6)).unwrap().for_lines(2);
        assert!(matches!(refused, Err(ScheduleError::TooManyKeys { .. })), "{refused:?}");
    }
}
