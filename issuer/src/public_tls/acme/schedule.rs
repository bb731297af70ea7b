//! When a certificate is ordered: pure in time.

use std::time::Duration;

use moneyer_daemon::tls::Validity;
use moneyer_identity::UnixTime;

const HOUR: Duration = Duration::from_secs(3600);

/// Waits after one failure, two, and so on. Let's Encrypt takes five failed validations an hour for a host,
/// and one that fails twice fails for a reason that a person has to mend.
const WAITS: [Duration; 5] = [
    Duration::from_secs(10 * 60),
    HOUR,
    HOUR.saturating_mul(3),
    HOUR.saturating_mul(6),
    HOUR.saturating_mul(12),
];

/// The wait after any more.
const LONGEST_WAIT: Duration = HOUR.saturating_mul(24);

/// The longest time that a server may ask to wait: a week, the window of the longest limit known.
const LONGEST_TOLD: Duration = HOUR.saturating_mul(7 * 24);

/// The wait after a start, where the last run failed: who has mended something restarts, and a daemon that
/// starts over and over still asks four times an hour at most.
const AFTER_START: Duration = Duration::from_secs(15 * 60);

/// The shortest time between two certificates: Let's Encrypt issues five of one host a week. It matters where
/// a certificate is due as soon as it comes, by a clock that is wrong here or there.
const REST: Duration = HOUR.saturating_mul(48);

/// How long nothing is tried after so many failures, where the server asks to wait for `told`.
pub(super) fn wait(failures: u32, told: Option<Duration>) -> Duration {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let own = WAITS.get(index).copied().unwrap_or(LONGEST_WAIT);
    own.max(told.unwrap_or_default().min(LONGEST_TOLD))
}

/// Most that is added to a wait by chance, so that a fleet does not come back at once.
pub(super) fn spread(wait: Duration) -> Duration {
    wait / 4
}

/// Whether a wait until `not_before` is still on. One that is longer than any was written by a wrong clock.
pub(super) fn waits(now: UnixTime, not_before: UnixTime) -> bool {
    now < not_before && not_before.since(now) <= LONGEST_TOLD.saturating_add(spread(LONGEST_TOLD))
}

/// Until when an earlier run's wait lasts after a start. One that is firm stays as it is.
pub(super) fn wait_after_start(now: UnixTime, not_before: UnixTime, is_firm: bool) -> UnixTime {
    if is_firm { not_before } else { not_before.min(now.plus(AFTER_START)) }
}

/// How long nothing is ordered after a success, whatever the certificate says and the clock.
pub(super) fn rest(validity: Validity) -> Duration {
    REST.min(validity.not_after.since(validity.not_before) / 3)
}

/// When the next certificate is ordered, at the earliest: with a third of its life left.
pub(super) fn renewal(validity: Validity) -> UnixTime {
    let life = validity.not_after.since(validity.not_before);
    validity.not_before.plus(life / 3 * 2)
}

/// Most that is added to that by chance: a thirtieth of its life, three days of ninety.
pub(super) fn renewal_spread(validity: Validity) -> Duration {
    validity.not_after.since(validity.not_before) / 30
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_followed_by_ever_longer_waits_and_the_servers_word_by_no_shorter_one() {
        let waits =
            |told| (1..=8).map(|failures| wait(failures, told).as_secs() / 60).collect::<Vec<_>>();
        assert_eq!(waits(None), [10, 60, 180, 360, 720, 1440, 1440, 1440]);
        let hours = |hours: u32| Some(HOUR * hours);
        assert_eq!(waits(hours(4)), [240, 240, 240, 360, 720, 1440, 1440, 1440]);
        assert_eq!(wait(1, hours(7 * 24)), LONGEST_TOLD);
        assert_eq!(wait(1, hours(7 * 24 + 1)), LONGEST_TOLD);
        assert_eq!(wait(0, None), wait(1, None));
    }

    #[test]
    fn a_start_shortens_the_wait_but_not_the_one_the_server_named() {
        let now = UnixTime(1000);
        let soon = now.plus(AFTER_START);
        assert_eq!(wait_after_start(now, now.plus(HOUR), false), soon);
        assert_eq!(wait_after_start(now, UnixTime(1001), false), UnixTime(1001));
        assert_eq!(wait_after_start(now, now.plus(HOUR), true), now.plus(HOUR));
    }

    #[test]
    fn a_wait_ends_on_its_second_and_one_that_nobody_would_write_is_none() {
        let longest = UnixTime(0).plus(LONGEST_TOLD + spread(LONGEST_TOLD));
        assert!(waits(UnixTime(0), longest) && waits(UnixTime(longest.0 - 1), longest));
        assert!(!waits(longest, longest) && !waits(UnixTime(-1), longest));
    }

    #[test]
    fn the_next_is_ordered_with_a_third_of_its_life_left() {
        let day = 24 * 3600;
        let validity = Validity { not_before: UnixTime(0), not_after: UnixTime(90 * day) };
        assert_eq!(renewal(validity), UnixTime(60 * day));
        assert_eq!(renewal_spread(validity), HOUR * 72);
        assert_eq!(rest(validity), HOUR * 48);
        let validity = Validity { not_before: UnixTime(0), not_after: UnixTime(day) };
        assert_eq!(rest(validity), HOUR * 8, "and never as long as until its renewal");
    }
}
