//! Whether the wall clock can be trusted to sign with.
//!
//! A pure judge of readings. Each holds the wall clock and the time since boot, which nobody sets and
//! which runs on while a machine sleeps. Between two readings both must move alike. Three faults are
//! found: the wall clock has jumped; it is behind a time that this coordinator has already seen (its
//! high-water mark, kept across restarts); and, at a start, it is further ahead of that mark than a
//! coordinator is away.
//!
//! A clock that is only slewed never becomes a fault: the expected difference of the two follows the
//! one found, by at most 500 parts in a million, which is as fast as NTP slews. So 31 seconds within a
//! minute are a jump, and 31 seconds over a day are not. While there is a fault nothing follows, and it
//! ends when the clock is right again. Until the first reading that is sound there is nothing to be
//! expected, so a start with a wrong clock comes right by itself as well.
//!
//! An absence that is short enough to be believed is not proved by that: what is taken away goes by a
//! time that has [certainly come](ClockJudge::proven).

use std::fmt;
use std::time::Duration;

use crate::clock::{ClockFault, ClockReport, UnixTime};
use crate::proven_time::{Absences, ProvenTime, SETTLED_AFTER};

/// How far the wall clock may be from where the time since boot puts it.
const JUMP_TOLERANCE: Duration = Duration::from_secs(30);

/// How far it may be behind the latest time seen.
const BEHIND_TOLERANCE: Duration = Duration::from_secs(5);

/// How long a coordinator may have been away at a start. Longer, a person must say that the clock is
/// right: a token minted by a clock that is ahead lives that much longer.
const LONGEST_ABSENCE: Duration = Duration::from_secs(30 * 24 * 3600);

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

/// What is kept of a judge across restarts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClockMemory {
    /// The latest time seen.
    pub mark: Option<UnixTime>,
    /// When there was nothing to measure time until then.
    pub absences: Absences,
}

impl ClockMemory {
    /// With a mark that other records have seen. Whether time was measured until then nobody knows: not
    /// since the one that was kept, and where none was, not at all.
    #[must_use]
    pub fn raised(self, mark: Option<UnixTime>) -> Self {
        let unknown = mark.map(|seen| (seen, seen.since(self.mark.unwrap_or(UnixTime(0)))));
        let absences = match unknown {
            Some((seen, lasted)) => self.absences.and(seen, lasted),
            None => self.absences,
        };
        Self { mark, absences }
    }
}

/// A run, from its first reading that was sound.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// What wall clock less time since boot ought to be, in nanoseconds.
    expected: i128,
    /// Its beginning by the wall clock.
    from: UnixTime,
    /// Its beginning since boot.
    begun: Duration,
}

impl Run {
    fn beginning(reading: ClockReading) -> Self {
        let (expected, from) = (reading.difference(), reading.unix_time());
        Self { expected, from, begun: reading.since_boot }
    }

    /// What has certainly come since its beginning, of what the wall clock says: a step that is too
    /// small for a fault is believed when all of before it is settled.
    fn certain(&self, since_boot: Duration, now: UnixTime) -> UnixTime {
        let ran = since_boot.saturating_sub(self.begun);
        if ran >= SETTLED_AFTER { now } else { self.from.plus(ran).min(now) }
    }
}

/// Judges readings, each against those before.
#[derive(Debug, Clone)]
pub struct ClockJudge {
    /// `None` until a reading is sound.
    run: Option<Run>,
    /// When the last reading was made, since boot.
    read_at: Duration,
    mark: Option<UnixTime>,
    /// Those before the run.
    absences: Absences,
}

impl ClockJudge {
    /// Begins at a moment since boot, with what was kept before.
    #[must_use]
    pub fn new(since_boot: Duration, memory: ClockMemory) -> Self {
        let ClockMemory { mark, absences } = memory;
        Self { run: None, read_at: since_boot, mark, absences }
    }

    /// The time of this reading, if it is sound.
    pub fn judge(&mut self, reading: ClockReading) -> Result<UnixTime, ClockFault> {
        let passed = nanoseconds(reading.since_boot.saturating_sub(self.read_at));
        self.read_at = self.read_at.max(reading.since_boot);
        let now = self.weigh(reading)?;
        let most = passed.checked_div(SLEW_PARTS).unwrap_or(0);
        let mut run = self.run.unwrap_or_else(|| self.begin(reading));
        let off = reading.difference().saturating_sub(run.expected);
        run.expected = run.expected.saturating_add(off.clamp(-most, most));
        self.run = Some(run);
        self.mark = self.mark.max(Some(now));
        Ok(now)
    }

    /// Notes the absence that ends here: from the mark, if there was anything before.
    fn begin(&mut self, reading: ClockReading) -> Run {
        let run = Run::beginning(reading);
        if let Some(mark) = self.mark {
            // Both are whole seconds: it may have been a second more.
            let lasted = run.from.since(mark).saturating_add(Duration::from_secs(1));
            self.absences = std::mem::take(&mut self.absences).and(run.from, lasted);
        }
        run
    }

    /// The same, without a trace.
    fn weigh(&self, reading: ClockReading) -> Result<UnixTime, ClockFault> {
        let now = reading.unix_time();
        if let Some(run) = self.run {
            let off = reading.difference().saturating_sub(run.expected);
            let by = Duration::from_nanos(u64::try_from(off.unsigned_abs()).unwrap_or(u64::MAX));
            if by > JUMP_TOLERANCE {
                return Err(ClockFault::Jumped { by, forward: off > 0 });
            }
        }
        let Some(mark) = self.mark else { return Ok(now) };
        let behind = mark.since(now);
        if behind > BEHIND_TOLERANCE {
            return Err(ClockFault::Behind { by: behind });
        }
        let ahead = now.since(mark);
        if self.run.is_none() && ahead > LONGEST_ABSENCE {
            return Err(ClockFault::Ahead { by: ahead });
        }
        Ok(now)
    }

    /// What has certainly come at this reading, if that is sound.
    pub fn proven(&mut self, reading: ClockReading) -> Result<ProvenTime, ClockFault> {
        let now = self.judge(reading)?;
        Ok(ProvenTime::new(now, self.absences(reading, now)))
    }

    /// Every absence that is remembered at this reading. What the wall clock went further than the time
    /// since boot is one, too.
    fn absences(&self, reading: ClockReading, now: UnixTime) -> Absences {
        let certain = self.run.map_or(now, |run| run.certain(reading.since_boot, now));
        self.absences.remembered_at(certain).and(now, now.since(certain))
    }

    /// Takes this reading for right, on the word of a person who has looked. Nothing is proved by that:
    /// what has certainly come is no later than before, and what waits for it waits anew.
    pub fn confirm(&mut self, reading: ClockReading) {
        let now = reading.unix_time();
        let memory = self.memory(reading);
        let unproven = memory.mark.map_or(Duration::ZERO, |mark| {
            now.since(ProvenTime::new(mark, memory.absences).at_least())
        });
        *self = Self {
            run: Some(Run::beginning(reading)),
            read_at: reading.since_boot,
            mark: Some(now),
            absences: Absences::default().and(now, unproven),
        };
    }

    /// What is to be kept at this reading.
    #[must_use]
    pub fn memory(&self, reading: ClockReading) -> ClockMemory {
        let absences = |mark| self.absences(reading, mark);
        let absences = self.mark.map_or_else(Absences::default, absences);
        ClockMemory { mark: self.mark, absences }
    }

    /// How it stands at this reading.
    #[must_use]
    pub fn report(&self, reading: ClockReading) -> ClockReport {
        let judged = self.weigh(reading);
        let expected = |run: Run| {
            let wall = nanoseconds(reading.since_boot).saturating_add(run.expected);
            UnixTime(i64::try_from(wall.div_euclid(NANOSECONDS)).unwrap_or(i64::MAX))
        };
        let absences = |now| self.absences(reading, now);
        ClockReport {
            wall: reading.unix_time(),
            expected: self.run.map(expected),
            mark: self.mark,
            mark_was_missing: false,
            proven: judged.ok().map(|now| ProvenTime::new(now, absences(now)).at_least()),
            settles_in: self.mark.map_or(Duration::ZERO, |mark| absences(mark).settle_in(mark)),
            fault: judged.err(),
        }
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
                     right again; if it is right now, run: moneyer clock confirm",
                    by.as_secs()
                )
            }
            Self::Behind { by } => write!(
                f,
                "the wall clock is {} s behind a time that this coordinator has already seen; no \
                 token is minted until it has caught up; set the clock; if it is right, run: moneyer \
                 clock confirm",
                by.as_secs()
            ),
            Self::Ahead { by } => write!(
                f,
                "the wall clock is {} days ahead of the latest time that this coordinator has seen, and \
                 nobody knows whether it was away so long; no token is minted until a person says so; \
                 set the clock if it is wrong, else run: moneyer clock confirm",
                by.as_secs() / 86_400
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

    fn started(since_boot: u64, mark: Option<i64>) -> ClockJudge {
        let mark = mark.map(UnixTime);
        ClockJudge::new(
            Duration::from_secs(since_boot),
            ClockMemory { mark, ..ClockMemory::default() },
        )
    }

    fn judge() -> ClockJudge {
        let mut judge = started(100, None);
        judge.judge(reading(WALL, 100)).unwrap();
        judge
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
        let kept = judge.memory(reading(WALL + 2, 102));
        assert_eq!(kept.mark, Some(UnixTime(1_800_000_002)));
        let mut later = ClockJudge::new(Duration::from_secs(5), kept.clone());
        assert_eq!(later.judge(reading(WALL - 3600, 5)), behind(3602));
        let mut right = ClockJudge::new(Duration::from_secs(5), kept);
        assert!(right.judge(reading(WALL - 3, 5)).is_ok());
    }

    // F11: a start behind the mark comes right as soon as the clock is.
    #[test]
    fn a_start_with_a_wrong_clock_comes_right_when_the_clock_does() {
        for wrong in [WALL - 365 * DAY, WALL - 3600, WALL + 31 * DAY, WALL + 365 * DAY] {
            let mut judge = started(5, Some(1_800_000_000));
            judge.judge(reading(wrong, 5)).unwrap_err();
            judge.judge(reading(wrong + 60, 65)).unwrap_err();
            assert!(judge.judge(reading(WALL + 120, 125)).is_ok(), "{wrong}");
            assert!(
                judge.judge(reading(WALL + 180, 126)).is_err(),
                "from then on it is held to it"
            );
        }
    }

    // F12, across a restart.
    #[test]
    fn a_start_further_ahead_than_it_can_have_been_away_waits_for_a_person() {
        let longest = 30 * DAY;
        for (absence, expected) in
            [(0, true), (longest, true), (longest + 1, false), (365 * DAY, false)]
        {
            let mut judge = started(5, Some(1_800_000_000));
            let judged = judge.judge(reading(WALL + absence, 5));
            assert_eq!(judged.is_ok(), expected, "{absence}");
            if !expected {
                let by = Duration::from_secs(absence);
                assert_eq!(judged, Err(ClockFault::Ahead { by }));
                judge.confirm(reading(WALL + absence, 6));
                assert!(judge.judge(reading(WALL + absence + 1, 7)).is_ok());
            }
        }
        // A machine that sleeps runs on: there is no absence.
        let mut judge = judge();
        assert!(judge.judge(reading(WALL + 31 * DAY, 100 + 31 * DAY)).is_ok());
    }

    // P24: nothing is taken away early, however far ahead the clock is at a start, and however often.
    #[test]
    fn starts_with_a_clock_that_is_ahead_prove_no_time() {
        let mut judge = started(100, Some(1_800_000_000));
        let set = UnixTime(1_800_000_000);
        for start in 1..=5 {
            // A minute of running, and 20 days of the wall clock for each start.
            let (wall, boot) = (WALL + start * 20 * DAY, start * 1000);
            judge.judge(reading(wall, boot)).unwrap();
            let proven = judge.proven(reading(wall + 60, boot + 60)).unwrap();
            let run = Duration::from_secs(start * 60);
            assert!(proven.at_least() <= set.plus(run), "{proven:?}");
            let rounded = Duration::from_secs(start);
            assert!(proven.at_least() >= set.plus(run).minus(rounded), "{proven:?}");
            assert_eq!(proven.at_least(), proven.reckoned_from(set));
            // What was set in this run is held up by no absence.
            let since = UnixTime(i64::try_from(wall).unwrap());
            assert_eq!(proven.reckoned_from(since), since.plus(Duration::from_secs(60)));
            let kept = judge.memory(reading(wall + 60, boot + 60));
            judge = ClockJudge::new(Duration::from_secs(boot + 70), kept);
        }
    }

    // P24: steps too small for a fault.
    #[test]
    fn small_steps_of_the_wall_clock_prove_no_time_either() {
        let (mut judge, set) = (judge(), UnixTime(1_800_000_000));
        for start in 1..=20 {
            let (wall, boot) = (WALL + start * 100, 100 + start * 80);
            let proven = judge.proven(reading(wall, boot)).unwrap();
            assert!(proven.reckoned_from(set) <= set.plus(Duration::from_secs(start * 80)));
            judge = ClockJudge::new(Duration::from_secs(boot), judge.memory(reading(wall, boot)));
            judge.judge(reading(wall, boot)).unwrap();
        }
    }

    #[test]
    fn a_mark_that_others_have_seen_proves_nothing() {
        let kept = ClockMemory { mark: Some(UnixTime(100)), ..ClockMemory::default() };
        let raised = kept.clone().raised(Some(UnixTime(160)));
        assert_eq!(raised.mark, Some(UnixTime(160)));
        let absences = Absences::default().and(UnixTime(160), Duration::from_secs(60));
        assert_eq!(raised.absences, absences);
        assert_eq!(kept.clone().raised(kept.mark), kept);
        // What was kept is lost, and with it which absences there were.
        let lost = ClockMemory::default().raised(Some(UnixTime(160)));
        let proven = ProvenTime::new(UnixTime(160), lost.absences);
        assert_eq!(proven.reckoned_from(UnixTime(159)), UnixTime(0));
        assert_eq!(ClockMemory::default().raised(None), ClockMemory::default());
    }

    #[test]
    fn a_person_can_say_that_the_clock_is_right_and_proves_nothing_by_that() {
        let mut judge = started(5, Some(1_900_000_000));
        judge.judge(reading(WALL, 5)).unwrap_err();
        judge.confirm(reading(WALL, 6));
        assert!(judge.judge(reading(WALL + 1, 7)).is_ok());
        assert_eq!(judge.memory(reading(WALL + 1, 7)).mark, Some(UnixTime(1_800_000_001)));

        let mut ahead = self::judge();
        ahead.judge(reading(WALL + 3600, 101)).unwrap_err();
        ahead.confirm(reading(WALL + 3601, 102));
        let proven = ahead.proven(reading(WALL + 3602, 103)).unwrap();
        let least = proven.at_least();
        assert_eq!(least, UnixTime(1_800_000_001), "the jump is not part of it");
    }

    #[test]
    fn the_report_says_what_is_wrong_and_where_the_clock_ought_to_be() {
        let mut judge = judge();
        judge.judge(reading(WALL + 10, 110)).unwrap();
        let report = judge.report(reading(WALL + 3620, 120));
        assert_eq!(report.wall, UnixTime(1_800_003_620));
        assert_eq!(report.expected, Some(UnixTime(1_800_000_020)));
        assert_eq!(report.mark, Some(UnixTime(1_800_000_010)));
        assert_eq!(report.fault, jumped(3600, true).err());
        assert_eq!(report.proven, None);
        assert_eq!(judge.report(reading(WALL + 20, 120)).fault, None);
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
                let mut judge = started(second, Some(i64::MAX));
                assert!(judge.judge(reading(second, first)).is_err() || second > 1 << 62);
                let _before = judge.report(reading(first, second));
                judge.confirm(reading(second, first));
                let _after = judge.report(reading(first, second));
                judge.judge(reading(first, second)).ok();
                let _kept = judge.memory(reading(second, second));
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
