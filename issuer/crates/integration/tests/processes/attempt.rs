//! A start that may fail, and a coordinator that may end by itself: on the files and ports of a stand whose
//! own does not run.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use moneyer_load::stand::Environment;
use tokio::time::{Instant, sleep};

use crate::stand::{Stand, fetch, moneyer};

/// A start or an end that takes longer has hung.
const LONGEST: Duration = Duration::from_secs(30);

/// How one ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) said: String,
}

/// A running coordinator. Dropped, it is killed.
pub(crate) struct Attempt {
    process: Child,
    log: PathBuf,
    operations: std::net::SocketAddr,
}

impl Attempt {
    pub(crate) fn start(stand: &Stand, environment: &Environment) -> Self {
        let directory = stand.directory.path();
        let log = directory.join("attempt.log");
        let process = moneyer(directory)
            .arg("serve")
            .envs(environment)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { process, log, operations: stand.coordinator.operations() }
    }

    /// Waits until it is ready, or has ended before.
    pub(crate) async fn until_ready(&mut self) -> Result<(), Ended> {
        let give_up = Instant::now() + LONGEST;
        while fetch(self.operations, "/readyz").is_none_or(|(status, _)| status != 200) {
            if let Some(ended) = self.ended() {
                return Err(ended);
            }
            assert!(Instant::now() < give_up, "not ready: {}", self.said());
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Waits until it has ended, which it must because of `why`.
    pub(crate) async fn until_ended(&mut self, why: &str) -> Ended {
        let give_up = Instant::now() + LONGEST;
        loop {
            if let Some(ended) = self.ended() {
                return ended;
            }
            assert!(Instant::now() < give_up, "{why}, and it does not end: {}", self.said());
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn ended(&mut self) -> Option<Ended> {
        let status = self.process.try_wait().unwrap()?;
        Some(Ended { code: status.code(), said: self.said() })
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
