//! The wall clock, watched.
//!
//! Every reading is held against the time since boot (`CLOCK_BOOTTIME`, which nobody sets and which
//! counts sleep) and against the latest time seen, which is kept in a file so that it holds across a
//! restart. The judgement is [`ClockJudge`]'s; here are the clocks, the file and the log. A clock that
//! is wrong is told once, and once more when it is right again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moneyer_identity::{Clock, ClockFault, ClockJudge, ClockReading, SystemClock, UnixTime};
use rustix::time::{ClockId, clock_gettime};

use crate::file::write_atomic;

/// How often the latest time is kept. A clock set back by less across a restart is not noticed.
const KEEP_EVERY: Duration = Duration::from_secs(30);

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
    #[error("{path} does not hold a time; if the clock is right, remove the file")]
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
    told: bool,
}

impl GuardedClock {
    /// Begins to watch. The latest time seen is the later one of that in the file `path`, which need
    /// not exist, and `seen`, where another record of ours knows one.
    pub fn open(path: &Path, seen: Option<UnixTime>) -> Result<Self, ClockFileError> {
        let high_water = read(path)?.max(seen);
        let judge = ClockJudge::new(reading(), high_water);
        Ok(Self { state: Mutex::new(State { judge, told: false }), path: path.to_owned() })
    }

    /// Takes the clock for right as it is now, on the word of a person who has looked.
    pub fn confirm(&self) {
        self.with(|state| state.judge.confirm(reading()));
    }

    /// Keeps the latest time seen.
    ///
    /// # Errors
    /// The file could not be replaced.
    pub fn keep(&self) -> io::Result<()> {
        match self.with(|state| state.judge.high_water()) {
            Some(mark) => write_atomic(&self.path, format!("{mark}\n").as_bytes(), 0o600),
            None => Ok(()),
        }
    }

    /// Reads the clock every second and keeps the latest time every 30 seconds, for ever.
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
}

fn reading() -> ClockReading {
    let boot = clock_gettime(ClockId::Boottime);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    let nanoseconds = Duration::from_nanos(part(boot.tv_nsec));
    let since_boot = Duration::from_secs(part(boot.tv_sec)).saturating_add(nanoseconds);
    ClockReading { wall: SystemClock.since_epoch(), since_boot }
}

fn read(path: &Path) -> Result<Option<UnixTime>, ClockFileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => match text.trim_end().parse() {
            Ok(seconds) => Ok(Some(UnixTime(seconds))),
            Err(_) => Err(ClockFileError::Malformed { path: path.to_owned() }),
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

#[cfg(test)]
mod tests {
    use super::*;

    // F11, across a restart.
    #[test]
    fn the_latest_time_seen_is_kept_and_held_against_the_clock() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("CLOCK");
        let clock = GuardedClock::open(&path, None).unwrap();
        let seen = clock.sound().unwrap();
        clock.keep().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{seen}\n"));
        assert!(GuardedClock::open(&path, None).unwrap().sound().is_ok());

        write_atomic(&path, format!("{}\n", seen.0 + 3600).as_bytes(), 0o600).unwrap();
        let ahead = GuardedClock::open(&path, None).unwrap();
        assert!(matches!(ahead.sound(), Err(ClockFault::Behind { .. })));
        ahead.confirm();
        assert!(ahead.sound().is_ok());
        let elsewhere =
            GuardedClock::open(&directory.path().join("none"), Some(UnixTime(i64::MAX)));
        assert!(matches!(elsewhere.unwrap().sound(), Err(ClockFault::Behind { .. })));
    }

    #[test]
    fn a_file_that_holds_no_time_is_not_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("CLOCK");
        for text in [&b""[..], b"tomorrow", b"1.5", b"17\xff"] {
            std::fs::write(&path, text).unwrap();
            let refused = GuardedClock::open(&path, None);
            assert!(matches!(refused, Err(ClockFileError::Malformed { .. })), "{text:?}");
        }
    }
}
