//! How long a failure stands: longer each time it is repeated.
//!
//! Whoever asks meanwhile is given the failure, so that nobody's haste becomes a token service's.

use std::time::Duration;

/// How long a failed readdressing stands, and at most: a fault is often short, and whoever waits is a request.
const FAILURE_STANDS: Duration = Duration::from_secs(1);
const FAILURE_STANDS_AT_MOST: Duration = Duration::from_secs(30);

/// How long a failed renewal stands, and at most: the token that is held may serve meanwhile, and a refresh token that
/// is refused stays refused.
const RENEWAL_FAILURE_STANDS: Duration = Duration::from_secs(10);
const RENEWAL_FAILURE_STANDS_AT_MOST: Duration = Duration::from_secs(60);

/// From the first failure to the longest that one stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    first: Duration,
    longest: Duration,
}

impl Pause {
    /// After a readdressing that failed.
    pub(super) const READDRESSING: Self =
        Self { first: FAILURE_STANDS, longest: FAILURE_STANDS_AT_MOST };

    /// After a renewal that failed.
    pub(super) const RENEWAL: Self =
        Self { first: RENEWAL_FAILURE_STANDS, longest: RENEWAL_FAILURE_STANDS_AT_MOST };

    /// How long a failure stands, by how long the one before it stood, where there was one.
    pub(super) fn next(self, before: Option<Duration>) -> Duration {
        before.map_or(self.first, |before| before.saturating_mul(2).min(self.longest))
    }

    /// How long a failure is remembered when it stands no more: whoever comes only as often as it stands at most is
    /// still known for one that comes again.
    pub(super) fn remembered(self) -> Duration {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stands_twice_as_long_each_time_and_has_a_longest() {
        for (pause, expected) in [
            (Pause::READDRESSING, [1, 2, 4, 8, 16, 30, 30]),
            (Pause::RENEWAL, [10, 20, 40, 60, 60, 60, 60]),
        ] {
            let mut before = None;
            for seconds in expected {
                let stands = pause.next(before);
                assert_eq!(stands, Duration::from_secs(seconds), "{pause:?}");
                before = Some(stands);
            }
        }
    }
}
