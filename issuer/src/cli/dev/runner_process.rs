//! The runner proxy of a development directory, as the process it is in a cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::enrollment::{AuthenticatedOperator, Principal};
use moneyer_identity::{RunnerId, SandboxId};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::cli::dev::layout::{Layout, RUNNER};
use crate::cli::failure::Failure;

/// The name of its binary, beside this one or on the path.
const BINARY: &str = "moneyer-runner-proxy";

/// Time for it to come up and for a sandbox to be attached: both take well under a second.
const START: Duration = Duration::from_secs(20);

/// Pause between two tries to reach it while it comes up.
const RETRY: Duration = Duration::from_millis(50);

/// Time for it to end after SIGTERM.
const STOP: Duration = Duration::from_secs(10);

/// A running runner proxy. Killed when dropped.
#[derive(Debug)]
pub(super) struct RunnerProcess {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    child: Child,
}

/// What `sandbox attach --output json` prints.
#[derive(Debug, Deserialize)]
struct Attached {
    environment: BTreeMap<String, String>,
}

impl RunnerProcess {
    /// Lets it join if it has not yet, and starts it.
    pub(super) async fn start(
        layout: &Layout,
        authority: &Authority,
        operator: &AuthenticatedOperator,
    ) -> Result<Self, Failure> {
        let binary = find_binary()?;
        let config = layout.runner_config();
        let runner =
            RunnerId::parse(RUNNER).map_err(|error| Failure::of("the runner's name", &error))?;
        let joined = authority.registry().list_members().iter().any(|(m, _)| m.name == RUNNER);
        if !joined || !layout.runner_state().exists() {
            let token = authority
                .enrollment()
                .invite(operator, Principal::Runner(runner), START, authority.now())
                .await
                .map_err(|error| Failure::of("cannot invite the runner", &error))?;
            join(&binary, &config, token.expose()).await?;
        }
        let log = layout.runner_log();
        let output = std::fs::File::create(&log)
            .map_err(|error| Failure::of(&format!("cannot write {}", log.display()), &error))?;
        let child = command(&binary, &config)
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .map_err(|error| Failure::of(&format!("cannot start {}", binary.display()), &error))?;
        Ok(Self { binary, config, log, child })
    }

    /// Attaches a sandbox, as a sandbox controller's host agent would, and gives its environment.
    pub(super) async fn attach(
        &mut self,
        sandbox: &SandboxId,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let give_up = tokio::time::Instant::now() + START;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                let text = format!("{BINARY} ended ({status}); see {}", self.log.display());
                return Err(Failure::new(text));
            }
            let output = command(&self.binary, &self.config)
                .args(["--output", "json", "sandbox", "attach", sandbox.as_str()])
                .output()
                .await
                .map_err(|error| Failure::of(&format!("cannot run {BINARY}"), &error))?;
            if output.status.success() {
                let attached: Attached = serde_json::from_slice(&output.stdout)
                    .map_err(|error| Failure::of("cannot read what attach printed", &error))?;
                return Ok(attached.environment);
            }
            if tokio::time::Instant::now() >= give_up {
                let text = String::from_utf8_lossy(&output.stderr);
                return Err(Failure::new(format!("the sandbox was not attached: {}", text.trim())));
            }
            // The control socket may not be there yet: there is nothing to wait on before it is.
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Ends it as a service manager would.
    pub(super) async fn stop(mut self) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // It may have ended by itself.
            kill_process(id, Signal::TERM).ok();
        }
        if tokio::time::timeout(STOP, self.child.wait()).await.is_err() {
            self.child.kill().await.ok();
        }
    }
}

/// Spends a join token, which travels by standard input: arguments are readable by others.
async fn join(binary: &Path, config: &Path, token: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::of(&format!("cannot run {BINARY} join"), &error);
    let mut child = command(binary, config)
        .args(["join", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(token.as_bytes()).await.map_err(failed)?;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("the runner did not join: {}", text.trim())))
}

fn command(binary: &Path, config: &Path) -> Command {
    let mut command = Command::new(binary);
    // Variables that set the coordinator's configuration would be mistakes in the runner proxy's.
    command.env_clear();
    command.arg("--config").arg(config).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Beside this binary, as both are built and installed together.
fn find_binary() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe()
        .map_err(|error| Failure::of("cannot tell where this program is", &error))?;
    let beside = own.with_file_name(BINARY);
    if beside.exists() {
        return Ok(beside);
    }
    Err(Failure::new(format!(
        "{BINARY} is not beside {}; build both: cargo build --bin moneyer --bin {BINARY}",
        own.display()
    )))
}
