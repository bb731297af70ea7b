//! The wall clock, watched.
//!
//! Every reading is held against the time since boot (`CLOCK_BOOTTIME`, which nobody sets and which
//! counts sleep) and against the latest time seen, which is kept in a file so that it holds across a
//! restart. A file that is missing beside records that are not is noticed: what the records have seen
//! takes its place. The judgement is [`ClockJudge`]'s; here are the clocks, the file and the log. A clock that
//! is wrong is told once, and once more when it is right again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moneyer_identity::{
    Absence, Absences, Clock, ClockFault, ClockJudge, ClockMemory, ClockReading, ClockReport,
    Evidence, OtherTime, ProvenTime, SystemClock, UnixTime,
};
use rustix::time::{ClockId, clock_gettime};

use crate::file::write_atomic;

/// How often the latest time is kept. A clock set back by less across a restart is not noticed, and of a
/// run that is killed at most as much does not count.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// Why the latest time seen cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ClockFileError {
    /// The file is there and cannot be read.
    #[error("the latest time seen cannot be read from {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error(
        "{path} does not hold the latest time seen and absences before it; remove the file: that time is \
         then taken from the audit log and the keys"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

/// The operating system's clock, with a judge over it.
#[derive(Debug)]
pub struct GuardedClock {
    state: Mutex<State>,
    path: PathBuf,
}

#[derive(Debug)]
struct State {
    judge: ClockJudge,
    kept: Option<ClockMemory>,
    mark_was_missing: bool,
    told: bool,
}

impl GuardedClock {
    /// Begins to watch, with what is kept in the file `path`, which need not exist. What other records
    /// know is [heard](Clock::hear) before the first reading is judged.
    pub fn open(path: &Path) -> Result<Self, ClockFileError> {
        let kept = read(path)?;
        let judge = ClockJudge::new(reading().since_boot, kept.clone().unwrap_or_default());
        let state = State { judge, kept, mark_was_missing: false, told: false };
        Ok(Self { state: Mutex::new(state), path: path.to_owned() })
    }

    /// Keeps the latest time seen.
    ///
    /// # Errors
    /// The file could not be replaced.
    pub fn keep(&self) -> io::Result<()> {
        let memory = self.with(|state| state.judge.memory(reading()));
        let Some(mark) = memory.mark else { return Ok(()) };
        write_atomic(&self.path, written(mark, &memory.absences).as_bytes(), 0o600)
    }

    /// Reads the clock every second and keeps the latest time every five seconds, for ever.
    pub async fn watch(&self) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        let mut kept: Option<tokio::time::Instant> = None;
        loop {
            let now = every.tick().await;
            // So that a fault is noticed, and told there, within a second.
            let _noticed = self.sound();
            if kept.is_none_or(|kept| now.duration_since(kept) >= KEEP_EVERY) {
                kept = Some(now);
                self.keep_or_say();
            }
        }
    }

    /// Keeps the latest time seen, and logs where that fails.
    pub fn keep_or_say(&self) {
        if let Err(error) = self.keep() {
            tracing::warn!(
                file.path = %self.path.display(),
                error.cause = %error,
                "the latest time seen could not be kept; a clock set back across a restart would \
                 not be noticed"
            );
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clock for GuardedClock {
    fn now(&self) -> UnixTime {
        SystemClock.now()
    }

    fn sound(&self) -> Result<UnixTime, ClockFault> {
        self.with(|state| {
            // Read under the lock: of two readings the later one is judged later.
            let judged = state.judge.judge(reading());
            match &judged {
                Err(fault) if !state.told => tracing::error!(clock.fault = %fault, "clock fault"),
                Ok(_) if state.told => tracing::info!("the wall clock is right again"),
                _ => {}
            }
            state.told = judged.is_err();
            judged
        })
    }

    fn proven(&self) -> Result<ProvenTime, ClockFault> {
        self.sound()?;
        self.with(|state| state.judge.proven(reading()))
    }

    fn asleep(&self) -> Duration {
        time_asleep()
    }

    fn hear(&self, evidence: Evidence) {
        self.with(|state| {
            let kept = state.kept.clone();
            let mark = evidence.mark(kept.as_ref().and_then(|kept| kept.mark));
            state.mark_was_missing = kept.is_none() && mark.is_some();
            let memory = kept.unwrap_or_default().raised(mark);
            state.judge = ClockJudge::new(reading().since_boot, memory);
        });
    }

    fn report(&self) -> ClockReport {
        self.with(|state| {
            let mark_was_missing = state.mark_was_missing;
            ClockReport { mark_was_missing, ..state.judge.report(reading()) }
        })
    }

    fn confirm(&self, stated: UnixTime) -> Result<(), OtherTime> {
        self.with(|state| {
            let reading = reading();
            state.judge.report(reading).check(stated)?;
            state.judge.confirm(reading);
            Ok(())
        })?;
        self.keep_or_say();
        Ok(())
    }
}

/// How long this host has slept since it was started: `CLOCK_BOOTTIME` runs on while it is suspended,
/// `CLOCK_MONOTONIC` and every timer stand still.
#[must_use]
pub fn time_asleep() -> Duration {
    // In this order, so that a thread that is held up in between does not look like a host that slept.
    let with_sleep = time_of(ClockId::Boottime);
    with_sleep.saturating_sub(time_of(ClockId::Monotonic))
}

fn reading() -> ClockReading {
    ClockReading { wall: SystemClock.since_epoch(), since_boot: time_of(ClockId::Boottime) }
}

fn time_of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)).saturating_add(Duration::from_nanos(part(time.tv_nsec)))
}

fn read(path: &Path) -> Result<Option<ClockMemory>, ClockFileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => match parse(&text) {
            Some(memory) => Ok(Some(memory)),
            None => Err(ClockFileError::Malformed { path: path.to_owned() }),
        },
        // Whatever else is wrong with its directory is told by whoever keeps records there.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        // Not text, so no time either.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(ClockFileError::Malformed { path: path.to_owned() })
        }
        Err(source) => Err(ClockFileError::Read { path: path.to_owned(), source }),
    }
}

/// The latest time seen, then a line for each absence: its end and its seconds.
fn written(mark: UnixTime, absences: &Absences) -> String {
    let lines = absences.iter().map(|absence| {
        let Absence { until, lasted } = absence;
        format!("{until} {}\n", lasted.as_secs())
    });
    std::iter::once(format!("{mark}\n")).chain(lines).collect()
}

fn parse(text: &str) -> Option<ClockMemory> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let mark = UnixTime(lines.next()?.parse().ok()?);
    let absences = lines.map(|line| {
        // Of a version that kept one time that had certainly come by then.
        let Some((until, seconds)) = line.split_once(' ') else {
            let proven = UnixTime(line.parse().ok()?);
            let lasted = mark.since(proven);
            return (proven <= mark).then_some(Absence { until: mark, lasted });
        };
        let until = UnixTime(until.parse().ok()?);
        let absence = Absence { until, lasted: Duration::from_secs(seconds.parse().ok()?) };
        (until <= mark).then_some(absence)
    });
    Some(ClockMemory { mark: Some(mark), absences: absences.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens the clock that is kept at this path, with nothing to be heard.
    fn open(path: &Path) -> GuardedClock {
        let clock = GuardedClock::open(path).unwrap();
        clock.hear(Evidence::default());
        clock
    }

    #[test]
    fn a_host_that_is_awake_falls_no_further_asleep() {
        // The longest of many: a reading falls short where the thread is held up in the middle of it.
        let asleep = || (0..1000).map(|_| time_asleep()).max().unwrap_or_default();
        let (before, began) = (asleep(), time_of(ClockId::Boottime));
        while time_of(ClockId::Boottime).saturating_sub(began) < Duration::from_millis(50) {}
        assert!(asleep().abs_diff(before) < Duration::from_millis(25));
    }

    #[test]
    fn the_sleep_of_the_host_is_known_to_whoever_has_the_clock() {
        let directory = tempfile::tempdir().unwrap();
        let clock = open(&directory.path().join("CLOCK"));
        let told = (0..1000).map(|_| clock.asleep()).max().unwrap_or_default();
        let is = time_of(ClockId::Boottime).saturating_sub(time_of(ClockId::Monotonic));
        assert!(told.abs_diff(is) < Duration::from_secs(1), "{told:?} {is:?}");
    }

    // F11, across a restart.
    #[test]
    fn the_latest_time_seen_is_kept_and_held_against_the_clock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("CLOCK");
        let clock = open(&path);
        let seen = clock.sound().unwrap();
        clock.keep().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{seen}\n"));
        let again = open(&path);
        let begun = again.sound().unwrap();
        again.keep().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let absence = format!("{begun} {}", begun.since(seen).as_secs() + 1);
        assert_eq!(text.lines().skip(1).collect::<Vec<_>>(), [absence]);

        let later = seen.0 + 3600;
        write_atomic(&path, format!("{later}\n").as_bytes(), 0o600).unwrap();
        let ahead = open(&path);
        assert!(matches!(ahead.sound(), Err(ClockFault::Behind { .. })));
        let blind = ahead.confirm(UnixTime(later));
        assert!(blind.unwrap_err().to_string().contains("more than a minute apart"));
        assert!(ahead.sound().is_err());
        ahead.confirm(SystemClock.now()).unwrap();
        assert!(ahead.sound().is_ok());
        assert!(open(&path).sound().is_ok(), "the confirmed time is kept at once");
    }

    #[test]
    fn a_mark_that_is_missing_is_made_again_from_what_other_records_have_seen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("CLOCK");
        let now = SystemClock.now();
        let hour = Duration::from_secs(3600);
        let clock = GuardedClock::open(&path).unwrap();
        clock.hear(Evidence { recorded: Some(now.plus(hour)), keys: None });
        assert!(clock.report().mark_was_missing);
        assert!(matches!(clock.sound(), Err(ClockFault::Behind { .. })));

        let clock = GuardedClock::open(&path).unwrap();
        clock.hear(Evidence { recorded: None, keys: Some(now.minus(hour)) });
        assert!(clock.report().mark_was_missing);
        clock.sound().unwrap();
        let proven = clock.proven().unwrap().at_least();
        assert!(proven <= now.minus(hour).plus(Duration::from_secs(60)), "{proven}");
        clock.keep().unwrap();

        let clock = GuardedClock::open(&path).unwrap();
        clock.hear(Evidence { recorded: None, keys: Some(now.plus(hour)) });
        assert!(!clock.report().mark_was_missing);
        assert!(clock.sound().is_ok(), "the file says more than the keys");
        assert!(!open(&directory.path().join("first")).report().mark_was_missing);
    }

    #[test]
    fn a_file_of_the_version_before_is_read() {
        let lasted = Duration::from_secs(5);
        let absences = Absences::default().and(UnixTime(17), lasted);
        let expected = ClockMemory { mark: Some(UnixTime(17)), absences };
        assert_eq!(parse("17\n12\n"), Some(expected));
        let nothing = ClockMemory { mark: Some(UnixTime(17)), ..ClockMemory::default() };
        assert_eq!(parse("17\n17\n"), Some(nothing));
    }

    #[test]
    fn a_file_that_holds_no_time_is_not_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("CLOCK");
        for text in [
            &b""[..],
            b"17",
            b"tomorrow\n",
            b"1.5\n",
            b"17\n18\n",
            b"17\n18 1\n",
            b"17\n1 -1\n",
            b"17\n1 1 1\n",
            b"17\n\n",
            b"17\n1\xff\n",
        ] {
            std::fs::write(&path, text).unwrap();
            let refused = GuardedClock::open(&path);
            assert!(matches!(refused, Err(ClockFileError::Malformed { .. })), "{text:?}");
        }
    }
}
