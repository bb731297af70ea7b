//! A runner proxy with one sandbox attached, as the process it is on a runner host.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use std::{fs, io};

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::binaries::{Binaries, BinaryError};
use super::child::{Child, ChildError, Environment};
use super::coordinator::{Coordinator, TRUST_DOMAIN};
use super::ports::free_addresses;
use crate::http1::Endpoint;
use crate::measure::ProcessId;

/// Time from the proxy's start until it has heard of its sandbox from the coordinator.
const ATTACH_LIMIT: Duration = Duration::from_secs(20);

/// Between two attempts to attach: nothing tells when the proxy knows its sandboxes.
const ATTACH_EVERY: Duration = Duration::from_millis(100);

/// Why there is no runner proxy.
#[derive(Debug, thiserror::Error)]
pub enum RunnerProxyError {
    /// Not built.
    #[error("the runner proxy is missing")]
    Binary(#[source] BinaryError),
    /// No free port.
    #[error("cannot find a free port on loopback")]
    Ports(#[source] io::Error),
    /// No configuration file.
    #[error("cannot write {}", .0.display())]
    Configuration(PathBuf, #[source] io::Error),
    /// A command could not be run.
    #[error("cannot run {} {command}", .program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The command.
        command: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A command failed.
    #[error("{} {command} failed: {said}", .program.display())]
    Command {
        /// The program.
        program: PathBuf,
        /// The command.
        command: &'static str,
        /// What it said.
        said: String,
    },
    /// The daemon did not start or stop.
    #[error("the runner proxy did not run")]
    Process(#[source] ChildError),
}

/// A runner proxy that has joined.
pub struct RunnerProxy {
    commands: Commands,
    directory: PathBuf,
    operations: SocketAddr,
    child: Option<Child>,
}

impl RunnerProxy {
    /// Writes a configuration under `directory` and joins with `join_token`.
    pub async fn join(
        binaries: &Binaries,
        directory: &Path,
        coordinator: &Coordinator,
        join_token: &str,
    ) -> Result<Self, RunnerProxyError> {
        Self::join_at(binaries, directory, coordinator.grpc(), join_token).await
    }

    /// The same with a coordinator that is reached at another address than its own.
    pub async fn join_at(
        binaries: &Binaries,
        directory: &Path,
        coordinator: SocketAddr,
        join_token: &str,
    ) -> Result<Self, RunnerProxyError> {
        let program = binaries.moneyer_runner_proxy().map_err(RunnerProxyError::Binary)?;
        let [tcp, operations] = free_addresses().map_err(RunnerProxyError::Ports)?;
        let file = directory.join("runner-proxy.toml");
        let run = directory.join("run");
        // One sandbox asks for what a whole host would: its share must not be what is measured.
        let text = format!(
            "[coordinator]\naddress = \"{coordinator}\"\ntrust_domain = \"{TRUST_DOMAIN}\"\n\n\
             [runner]\nstate = \"{}\"\nrun = \"{}\"\n\n[token_server]\nlisten = \"{tcp}\"\n\n\
             [operations]\nlisten = \"{operations}\"\n\n\
             [limits]\nrequests_under_way_per_sandbox = 1024\n",
            directory.join("runner").display(),
            run.display(),
        );
        fs::write(&file, text)
            .map_err(|source| RunnerProxyError::Configuration(file.clone(), source))?;
        let commands = Commands { program, file };
        commands.join(join_token).await?;
        Ok(Self { commands, directory: directory.to_owned(), operations, child: None })
    }

    /// Spends another join token, as after the end of a certificate.
    pub async fn join_again(&self, join_token: &str) -> Result<(), RunnerProxyError> {
        self.commands.join(join_token).await
    }

    /// Starts the daemon and waits until it can be told to attach.
    pub async fn serve(&mut self) -> Result<(), RunnerProxyError> {
        self.serve_in(&Environment::new()).await
    }

    /// The same with variables of its own.
    pub async fn serve_in(&mut self, environment: &Environment) -> Result<(), RunnerProxyError> {
        let config = self.commands.file.to_string_lossy().into_owned();
        let arguments = ["--config", &config, "serve"];
        let log = self.directory.join("runner-proxy.log");
        let child = Child::start(&self.commands.program, &arguments, environment, &log);
        let mut child = child.map_err(RunnerProxyError::Process)?;
        let control = self.run_directory().join("control.sock");
        child.until(|| control.exists()).await.map_err(RunnerProxyError::Process)?;
        self.child = Some(child);
        Ok(())
    }

    /// Attaches a sandbox, as soon as the proxy has heard of it.
    pub async fn attach(&self, sandbox: &str) -> Result<(), RunnerProxyError> {
        self.commands.attach(sandbox).await
    }

    /// A sandbox's own socket.
    #[must_use]
    pub fn token_server(&self, sandbox: &str) -> Endpoint {
        Endpoint::Unix(self.sandbox_directory(sandbox).join("identity.sock"))
    }

    /// A sandbox's own directory.
    #[must_use]
    pub fn sandbox_directory(&self, sandbox: &str) -> PathBuf {
        self.run_directory().join("sandboxes").join(sandbox)
    }

    /// Where health is asked.
    #[must_use]
    pub fn operations(&self) -> SocketAddr {
        self.operations
    }

    /// The process to measure, while it serves.
    pub(crate) fn process(&self) -> Option<ProcessId> {
        self.child.as_ref().map(Child::id)
    }

    /// Stops the daemon; [`Self::serve`] starts it again.
    pub async fn stop_serving(&mut self) -> Result<(), RunnerProxyError> {
        match self.child.take() {
            Some(child) => child.stop().await.map_err(RunnerProxyError::Process),
            None => Ok(()),
        }
    }

    fn run_directory(&self) -> PathBuf {
        self.directory.join("run")
    }
}

/// The commands of the runner proxy's own command line.
struct Commands {
    program: PathBuf,
    file: PathBuf,
}

impl Commands {
    /// Spends a join token, which travels by standard input.
    async fn join(&self, token: &str) -> Result<(), RunnerProxyError> {
        let output = self.run("join", &["join", "-"], token).await?;
        self.succeeded("join", &output)
    }

    /// Attaches a sandbox, as soon as the proxy has heard of it.
    async fn attach(&self, sandbox: &str) -> Result<(), RunnerProxyError> {
        let give_up = Instant::now() + ATTACH_LIMIT;
        loop {
            let arguments = ["--output", "json", "sandbox", "attach", sandbox];
            let output = self.run("sandbox attach", &arguments, "").await?;
            let attached = self.succeeded("sandbox attach", &output);
            if attached.is_ok() || Instant::now() >= give_up {
                return attached;
            }
            sleep(ATTACH_EVERY).await;
        }
    }

    async fn run(
        &self,
        command: &'static str,
        arguments: &[&str],
        input: &str,
    ) -> Result<Output, RunnerProxyError> {
        let failed =
            |source| RunnerProxyError::Run { program: self.program.clone(), command, source };
        let mut child = Command::new(&self.program)
            .arg("--config")
            .arg(&self.file)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(input.as_bytes()).await.map_err(failed)?;
        }
        child.wait_with_output().await.map_err(failed)
    }

    fn succeeded(&self, command: &'static str, output: &Output) -> Result<(), RunnerProxyError> {
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(RunnerProxyError::Command { program: self.program.clone(), command, said })
    }
}
