//! CPU time and memory of other processes, as Linux shows them in `/proc` (proc(5)).
//!
//! `utime + stime` covers all threads of a process, dead ones too, in clock ticks of usually 10 ms:
//! a run of seconds is needed for a figure good to one per cent.

use std::time::Duration;
use std::{fs, io};

/// A process that is measured, not necessarily a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId(pub(crate) u32);

/// Why a process could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// It has ended, or `/proc` is not mounted.
    #[error("cannot read {path}; has the process ended?")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The kernel writes something else than proc(5) says.
    #[error("{path} has no readable {field}")]
    Field {
        /// The file.
        path: String,
        /// What was looked for.
        field: &'static str,
    },
}

impl ProcessId {
    /// CPU time used since the process started, all threads, user and system.
    pub(crate) fn cpu_time(self) -> Result<Duration, ProcessError> {
        let (path, text) = self.read("stat")?;
        let ticks = stat_ticks(&text);
        let ticks = ticks.ok_or(ProcessError::Field { path, field: "utime and stime" })?;
        let nanos = ticks.saturating_mul(1_000_000_000) / rustix::param::clock_ticks_per_second();
        Ok(Duration::from_nanos(nanos))
    }

    /// Memory in RAM, in bytes.
    pub(crate) fn resident_bytes(self) -> Result<u64, ProcessError> {
        let (path, text) = self.read("status")?;
        status_resident(&text).ok_or(ProcessError::Field { path, field: "VmRSS" })
    }

    /// The process and its children, for servers that fork their workers.
    pub(crate) fn with_children(self) -> Result<Vec<Self>, ProcessError> {
        let (path, text) = self.read(&format!("task/{}/children", self.0))?;
        let children: Result<Vec<_>, _> =
            text.split_whitespace().map(|id| id.parse().map(ProcessId)).collect();
        let mut all = children.or(Err(ProcessError::Field { path, field: "list of children" }))?;
        all.push(self);
        Ok(all)
    }

    fn read(self, file: &str) -> Result<(String, String), ProcessError> {
        let path = format!("/proc/{}/{file}", self.0);
        match fs::read_to_string(&path) {
            Ok(text) => Ok((path, text)),
            Err(source) => Err(ProcessError::Read { path, source }),
        }
    }
}

/// `utime + stime` of a `stat` line. The second field is the program's name in parentheses and may
/// hold spaces and parentheses itself, so counting starts after the last one.
fn stat_ticks(line: &str) -> Option<u64> {
    let (_, rest) = line.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(user + system)
}

/// `VmRSS` of a `status` file, in bytes.
fn status_resident(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let rest = "S 1 2 2 0 -1 4194560 900 0 3 0 1234 66 7 8 20 0 9 0 55 1000 20 18446744073";
        for name in ["moneyer", "a b", "x) R 9 9 (y", "()"] {
            assert_eq!(stat_ticks(&format!("17 ({name}) {rest}")), Some(1300));
        }
    }

    #[test]
    fn broken_stat_lines_give_nothing() {
        for line in ["", "17 (x", "17 (x) S 1 2", "17 (x) S 1 2 2 0 -1 1 1 1 1 1 a b"] {
            assert_eq!(stat_ticks(line), None, "{line}");
        }
    }

    #[test]
    fn resident_memory_is_in_kibibytes() {
        let text = "Name:\tmoneyer\nVmHWM:\t  20 kB\nVmRSS:\t    12345 kB\nThreads:\t4\n";
        assert_eq!(status_resident(text), Some(12345 * 1024));
        assert_eq!(status_resident("VmRSS:\t12 pages\n"), None);
        assert_eq!(status_resident("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn this_process_can_be_measured() {
        let me = ProcessId(std::process::id());
        assert!(me.resident_bytes().unwrap() > 100_000);
        let before = me.cpu_time().unwrap();
        while me.cpu_time().unwrap() == before {
            std::hint::black_box((0..10_000_u64).sum::<u64>());
        }
        assert!(me.with_children().unwrap().contains(&me));
    }

    #[test]
    fn a_process_that_is_gone_is_said_so() {
        // Larger than any pid Linux gives (PID_MAX_LIMIT is 2^22).
        let error = ProcessId(u32::MAX).cpu_time().unwrap_err();
        assert!(matches!(error, ProcessError::Read { .. }));
    }
}
