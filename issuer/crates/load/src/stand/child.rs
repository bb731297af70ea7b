//! A server as a child process: started, waited for, measured, stopped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::http1::{Connection, Endpoint};
use crate::measure::ProcessId;

/// A start that takes longer has hung: a million records take seconds.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A stop that takes longer has hung: servers drain for 30 s at most.
const STOP_LIMIT: Duration = Duration::from_secs(40);

/// How often a starting server is asked: start-up times are good to this.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// How much of a failed server's log is shown.
const LOG_LINES: usize = 5;

/// Variables that a server is given beside those of this process.
pub type Environment = BTreeMap<String, String>;

/// Why a server did not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// Its log could not be made.
    #[error("cannot make {}", .0.display())]
    Log(PathBuf, #[source] io::Error),
    /// It could not be run.
    #[error("cannot run {}", .0.display())]
    Spawn(PathBuf, #[source] io::Error),
    /// It ended by itself.
    #[error("{} ended with {status} before it was ready; its last words: {log}", .program.display())]
    Ended {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// It did not get ready.
    #[error("{} was not ready after {} s; its last words: {log}", .program.display(), START_LIMIT.as_secs())]
    NotReady {
        /// The program.
        program: PathBuf,
        /// The last lines of its log.
        log: String,
    },
    /// It could not be asked whether it runs.
    #[error("cannot wait for {}", .0.display())]
    Wait(PathBuf, #[source] io::Error),
    /// It could not be sent a signal.
    #[error("cannot send a signal to {}", .0.display())]
    Signal(PathBuf, #[source] io::Error),
    /// It did not end when told to.
    #[error("{} was told to end and did not within {} s", .0.display(), STOP_LIMIT.as_secs())]
    WillNotEnd(PathBuf),
}

/// A running server. Dropped, it is killed.
pub(super) struct Child {
    program: PathBuf,
    log: PathBuf,
    process: tokio::process::Child,
    id: ProcessId,
    started: Instant,
}

impl Child {
    /// Runs `program` with what it says going to `log`.
    pub(super) fn start(
        program: &Path,
        arguments: &[&str],
        environment: &Environment,
        log: &Path,
    ) -> Result<Self, ChildError> {
        let for_log = |source| ChildError::Log(log.to_owned(), source);
        let out = fs::File::create(log).map_err(for_log)?;
        let err = out.try_clone().map_err(for_log)?;
        let for_spawn = |source| ChildError::Spawn(program.to_owned(), source);
        let started = Instant::now();
        let process = Command::new(program)
            .args(arguments)
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .kill_on_drop(true)
            .spawn()
            .map_err(for_spawn)?;
        let id = process.id().ok_or_else(|| for_spawn(io::ErrorKind::NotFound.into()))?;
        let (program, log) = (program.to_owned(), log.to_owned());
        Ok(Self { program, log, process, id: ProcessId(id), started })
    }

    /// The process to measure.
    pub(super) fn id(&self) -> ProcessId {
        self.id
    }

    /// Waits until `endpoint` answers `path` with 200; returns the time since the start.
    pub(super) async fn ready(
        &mut self,
        endpoint: &Endpoint,
        path: &str,
    ) -> Result<Duration, ChildError> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.until(|| {
            let opened = Connection::open(endpoint);
            opened.is_ok_and(|mut open| open.exchange_ok(request.as_bytes()).is_ok())
        })
        .await
    }

    /// Waits until `ready` says so; returns the time since the start.
    pub(super) async fn until(&mut self, ready: impl Fn() -> bool) -> Result<Duration, ChildError> {
        while !ready() {
            let ended = self.process.try_wait();
            if let Some(status) = ended.map_err(|e| ChildError::Wait(self.program.clone(), e))? {
                let (program, log) = (self.program.clone(), last_words(&self.log));
                return Err(ChildError::Ended { program, status, log });
            }
            if self.started.elapsed() > START_LIMIT {
                let (program, log) = (self.program.clone(), last_words(&self.log));
                return Err(ChildError::NotReady { program, log });
            }
            sleep(ASK_EVERY).await;
        }
        Ok(self.started.elapsed())
    }

    /// Kills it, as a crash would.
    pub(super) async fn kill(&mut self) -> Result<(), ChildError> {
        let for_wait = |source| ChildError::Wait(self.program.clone(), source);
        self.process.kill().await.map_err(for_wait)
    }

    /// Sends a signal, unless it has ended.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), ChildError> {
        let pid = self.process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let Some(pid) = pid else { return Ok(()) };
        let failed = |source| ChildError::Signal(self.program.clone(), source);
        kill_process(pid, signal).map_err(|errno| failed(errno.into()))
    }

    /// Tells it to end and waits until it has.
    pub(super) async fn stop(mut self) -> Result<(), ChildError> {
        if self.process.id().is_none() {
            return Ok(());
        }
        self.signal(Signal::TERM)?;
        let for_wait = |source| ChildError::Wait(self.program.clone(), source);
        match timeout(STOP_LIMIT, self.process.wait()).await {
            Ok(ended) => ended.map(drop).map_err(for_wait),
            Err(_) => Err(ChildError::WillNotEnd(self.program.clone())),
        }
    }
}

/// The end of a log, on one line.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().rev().take(LOG_LINES).map(str::trim).collect();
    lines.reverse();
    lines.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (tempfile::TempDir, Result<Child, ChildError>) {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let child = Child::start(Path::new("/bin/sh"), &["-c", script], &Environment::new(), &log);
        (directory, child)
    }

    #[tokio::test]
    async fn a_server_that_ends_at_once_is_reported_with_its_last_words() {
        let (_directory, child) = shell("echo one; echo two >&2; exit 78");
        let error = child.unwrap().until(|| false).await.unwrap_err().to_string();
        assert!(error.contains("78") && error.contains("one | two"), "{error}");
    }

    #[tokio::test]
    async fn a_server_is_told_to_end_and_waited_for() {
        let (directory, child) =
            shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done");
        let mut child = child.unwrap();
        let log = directory.path().join("log");
        child.until(|| fs::read_to_string(&log).unwrap().contains("up")).await.unwrap();
        child.id().cpu_time().unwrap();
        child.stop().await.unwrap();
        assert!(fs::read_to_string(&log).unwrap().contains("bye"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_said_so() {
        let directory = tempfile::tempdir().unwrap();
        let nothing = directory.path().join("nothing");
        let error = Child::start(&nothing, &[], &Environment::new(), &directory.path().join("log"))
            .err()
            .unwrap();
        assert!(matches!(error, ChildError::Spawn(program, _) if program == nothing));
    }
}
