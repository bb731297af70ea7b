//! Whether the wall clock can be trusted to sign with.
//!
//! A pure judge of readings. Each holds the wall clock and the time since boot, which nobody sets and
//! which runs on while a machine sleeps. Between two readings both must move alike. Two faults are
//! found: the wall clock has jumped, and the wall clock is behind a time that this coordinator has
//! already seen (its high-water mark, kept across restarts).
//!
//! A clock that is only slewed never becomes a fault: the expected difference of the two follows the
//! one found, by at most 500 parts in a million, which is as fast as NTP slews. So 31 seconds within a
//! minute are a jump, and 31 seconds over a day are not. While there is a fault nothing follows, and it
//! ends when the clock is right again.

use std::fmt;
use std::time::Duration;

use crate::clock::{ClockFault, UnixTime};

/// How far the wall clock may be from where the time since boot puts it.
const JUMP_TOLERANCE: Duration = Duration::from_secs(30);

/// How far it may be behind the latest time seen.
const BEHIND_TOLERANCE: Duration = Duration::from_secs(5);

/// The expected difference follows the one found by at most one part in this many.
const SLEW_PARTS: i128 = 2000;

const NANOSECONDS: i128 = 1_000_000_000;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// Wall clock: time since 1970.
    pub wall: Duration,
    /// Time since boot, sleep included.
    pub since_boot: Duration,
}

impl ClockReading {
    fn difference(self) -> i128 {
        nanoseconds(self.wall).saturating_sub(nanoseconds(self.since_boot))
    }

    fn unix_time(self) -> UnixTime {
        UnixTime(i64::try_from(self.wall.as_secs()).unwrap_or(i64::MAX))
    }
}

/// Judges readings, each against those before.
#[derive(Debug, Clone)]
pub struct ClockJudge {
    /// What wall clock less time since boot ought to be, in nanoseconds.
    expected: i128,
    /// When the last reading was made, since boot.
    read_at: Duration,
    high_water: Option<UnixTime>,
}

impl ClockJudge {
    /// Begins with a reading, which nothing but the high-water mark can be held against.
    #[must_use]
    pub fn new(first: ClockReading, high_water: Option<UnixTime>) -> Self {
        Self { expected: first.difference(), read_at: first.since_boot, high_water }
    }

    /// The time of this reading, if it is sound.
    pub fn judge(&mut self, reading: ClockReading) -> Result<UnixTime, ClockFault> {
        let passed = nanoseconds(reading.since_boot.saturating_sub(self.read_at));
        self.read_at = self.read_at.max(reading.since_boot);
        let off = reading.difference().saturating_sub(self.expected);
        let by = Duration::from_nanos(u64::try_from(off.unsigned_abs()).unwrap_or(u64::MAX));
        if by > JUMP_TOLERANCE {
            return Err(ClockFault::Jumped { by, forward: off > 0 });
        }
        let now = reading.unix_time();
        if let Some(mark) = self.high_water {
            let by = mark.since(now);
            if by > BEHIND_TOLERANCE {
                return Err(ClockFault::Behind { by });
            }
        }
        let most = passed.checked_div(SLEW_PARTS).unwrap_or(0);
        self.expected = self.expected.saturating_add(off.clamp(-most, most));
        self.high_water = self.high_water.max(Some(now));
        Ok(now)
    }

    /// Takes this reading for right, on the word of a person who has looked.
    pub fn confirm(&mut self, reading: ClockReading) {
        *self = Self::new(reading, Some(reading.unix_time()));
    }

    /// The latest sound time.
    #[must_use]
    pub fn high_water(&self) -> Option<UnixTime> {
        self.high_water
    }
}

fn nanoseconds(duration: Duration) -> i128 {
    let seconds = i128::from(duration.as_secs()).saturating_mul(NANOSECONDS);
    seconds.saturating_add(i128::from(duration.subsec_nanos()))
}

impl fmt::Display for ClockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jumped { by, forward } => {
                let direction = if *forward { "forward" } else { "back" };
                write!(
                    f,
                    "the wall clock jumped {direction} by {} s; no token is minted until it is \
                     right again; if it is right now, restart the coordinator",
                    by.as_secs()
                )
            }
            Self::Behind { by } => write!(
                f,
                "the wall clock is {} s behind a time that this coordinator has already seen; no \
                 token is minted until it has caught up; set the clock",
                by.as_secs()
            ),
        }
    }
}

impl std::error::Error for ClockFault {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: u64 = 24 * 3600;
    const WALL: u64 = 1_800_000_000;

    fn reading(wall: u64, since_boot: u64) -> ClockReading {
        ClockReading {
            wall: Duration::from_secs(wall),
            since_boot: Duration::from_secs(since_boot),
        }
    }

    fn judge() -> ClockJudge {
        ClockJudge::new(reading(WALL, 100), None)
    }

    fn jumped(by: u64, forward: bool) -> Result<UnixTime, ClockFault> {
        Err(ClockFault::Jumped { by: Duration::from_secs(by), forward })
    }

    fn behind(by: u64) -> Result<UnixTime, ClockFault> {
        Err(ClockFault::Behind { by: Duration::from_secs(by) })
    }

    // F11, F12.
    #[test]
    fn a_jump_is_told_until_the_clock_is_right_again() {
        // Ten seconds on the clock since boot; the wall clock says otherwise.
        let cases = [
            (WALL + 10, Ok(UnixTime(1_800_000_010))),
            (WALL + 40, Ok(UnixTime(1_800_000_040))),
            (WALL + 41, jumped(31, true)),
            (WALL + 10 + 365 * DAY, jumped(365 * DAY, true)),
            (WALL - 3590, jumped(3600, false)),
            (WALL - 21, jumped(31, false)),
            (0, jumped(WALL + 10, false)),
        ];
        for (wall, expected) in cases {
            let mut judge = judge();
            assert_eq!(judge.judge(reading(wall, 110)), expected, "{wall}");
            assert_eq!(judge.judge(reading(WALL + 20, 120)).is_ok(), wall != WALL + 40, "{wall}");
        }
    }

    // F11: less than a jump, but behind what was seen.
    #[test]
    fn a_small_step_back_waits_until_the_clock_has_caught_up() {
        let mut judge = judge();
        judge.judge(reading(WALL + 100, 200)).unwrap();
        assert_eq!(judge.judge(reading(WALL + 90, 200)), behind(10));
        assert_eq!(judge.judge(reading(WALL + 95, 205)), Ok(UnixTime(1_800_000_095)));
    }

    // F11, across a restart.
    #[test]
    fn the_mark_holds_across_a_restart_and_a_forward_jump_does_not_move_it() {
        let mut judge = judge();
        judge.judge(reading(WALL + 365 * DAY, 101)).unwrap_err();
        judge.judge(reading(WALL + 2, 102)).unwrap();
        let mark = judge.high_water();
        assert_eq!(mark, Some(UnixTime(1_800_000_002)));
        let mut later = ClockJudge::new(reading(WALL - 3600, 5), mark);
        assert_eq!(later.judge(reading(WALL - 3600, 5)), behind(3602));
        let mut right = ClockJudge::new(reading(WALL - 3, 5), mark);
        assert!(right.judge(reading(WALL - 3, 5)).is_ok());
    }

    #[test]
    fn a_person_can_say_that_the_clock_is_right() {
        let mut judge = ClockJudge::new(reading(WALL, 5), Some(UnixTime(1_900_000_000)));
        judge.judge(reading(WALL, 5)).unwrap_err();
        judge.confirm(reading(WALL, 6));
        assert!(judge.judge(reading(WALL + 1, 7)).is_ok());
        assert_eq!(judge.high_water(), Some(UnixTime(1_800_000_001)));
    }

    #[test]
    fn sleep_is_no_jump_and_seconds_over_hours_are_none_either() {
        let mut judge = judge();
        assert!(judge.judge(reading(WALL + DAY, 100 + DAY)).is_ok());
        let mut judge = self::judge();
        for minute in 1..=60 * 24 {
            // A minute more on one clock than the seconds of 500 parts in a million on the other.
            let boot = Duration::from_secs(100 + minute * 60);
            let wall = Duration::from_secs(WALL + minute * 60) + Duration::from_millis(minute * 30);
            judge.judge(ClockReading { wall, since_boot: boot }).unwrap();
        }
    }

    // Case 197.
    #[test]
    fn the_ends_of_time_do_not_panic() {
        let ends = [0, 1 << 31, 1 << 32, 253_402_300_799, u64::MAX];
        for first in ends {
            for second in ends {
                let mut judge = ClockJudge::new(reading(first, second), Some(UnixTime(i64::MAX)));
                assert!(judge.judge(reading(second, first)).is_err() || second > 1 << 62);
                judge.confirm(reading(second, first));
            }
        }
    }

    proptest! {
        // P24.
        #[test]
        fn a_slewed_clock_is_never_refused_and_a_jump_always(
            steps in proptest::collection::vec((1_u64..100_000, -500_i64..=500), 1..200),
            jump in 36_u64..10_000_000,
            forward: bool,
        ) {
            let mut judge = judge();
            let (mut wall, mut boot) = (Duration::from_secs(WALL), Duration::from_secs(100));
            for (milliseconds, parts) in steps {
                let passed = Duration::from_millis(milliseconds);
                boot += passed;
                let slewed = i64::try_from(passed.as_nanos()).unwrap() / 1_000_000 * parts;
                let slew = Duration::from_nanos(slewed.unsigned_abs());
                wall += passed;
                wall = if slewed < 0 { wall.saturating_sub(slew) } else { wall + slew };
                let judged = judge.judge(ClockReading { wall, since_boot: boot });
                prop_assert!(judged.is_ok());
            }
            let jump = Duration::from_secs(jump);
            let wall = if forward { wall + jump } else { wall.saturating_sub(jump) };
            let judged = judge.judge(ClockReading { wall, since_boot: boot });
            prop_assert!(judged.is_err());
        }
    }
}
