//! A coordinator of its own, configured to be measured: no limit on tokens a second, everything else
//! as an operator would run it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use rustix::process::Signal;

use super::binaries::{Binaries, BinaryError};
use super::child::{Child, ChildError, Environment};
use super::json_api::{self, ApiError};
use super::ports::free_addresses;
use crate::http1::Endpoint;
use crate::measure::ProcessId;

/// The trust domain of the stand.
pub(super) const TRUST_DOMAIN: &str = "load.test";

/// Why there is no coordinator.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// Not built.
    #[error("the coordinator is missing")]
    Binary(#[source] BinaryError),
    /// No free ports.
    #[error("cannot find free ports on loopback")]
    Ports(#[source] io::Error),
    /// No configuration file.
    #[error("cannot write {}", .0.display())]
    Configuration(PathBuf, #[source] io::Error),
    /// It did not start or stop.
    #[error("the coordinator did not run")]
    Process(#[source] ChildError),
    /// It did not invite a member.
    #[error("the coordinator's management API did not invite {0}")]
    Invite(String, #[source] ApiError),
    /// It did not remove a runner.
    #[error("the coordinator's management API did not remove {0}")]
    Remove(String, #[source] ApiError),
}

/// A running coordinator.
pub struct Coordinator {
    program: PathBuf,
    directory: PathBuf,
    addresses: Addresses,
    environment: Environment,
    child: Child,
    start_up: Duration,
}

/// Where it listens, and where its files are.
#[derive(Debug, Clone)]
struct Addresses {
    public: SocketAddr,
    grpc: SocketAddr,
    operations: SocketAddr,
    management: PathBuf,
}

impl Coordinator {
    /// Starts one with an empty store under `directory` and waits until it is ready.
    pub async fn start(binaries: &Binaries, directory: &Path) -> Result<Self, CoordinatorError> {
        Self::start_in(binaries, directory, Environment::new()).await
    }

    /// The same with variables of its own, at this start and at every other: `MONEYER__SECTION__KEY`
    /// overrides the configuration.
    pub async fn start_in(
        binaries: &Binaries,
        directory: &Path,
        environment: Environment,
    ) -> Result<Self, CoordinatorError> {
        Self::start_with(binaries, directory, environment, "").await
    }

    /// The same with tables that the stand's configuration file does not have, in TOML.
    pub async fn start_with(
        binaries: &Binaries,
        directory: &Path,
        environment: Environment,
        tables: &str,
    ) -> Result<Self, CoordinatorError> {
        let program = binaries.moneyer().map_err(CoordinatorError::Binary)?;
        let [public, grpc, operations] = free_addresses().map_err(CoordinatorError::Ports)?;
        let management = directory.join("management.sock");
        let addresses = Addresses { public, grpc, operations, management };
        make_seal_key(&seal_key(directory))
            .map_err(|source| CoordinatorError::Configuration(seal_key(directory), source))?;
        let file = directory.join("moneyer.toml");
        fs::write(&file, configuration(directory, &addresses) + tables)
            .map_err(|source| CoordinatorError::Configuration(file, source))?;
        let (child, start_up) = run(&program, directory, &addresses, &environment).await?;
        let directory = directory.to_owned();
        Ok(Self { program, directory, addresses, environment, child, start_up })
    }

    /// Stops it, if it still runs, and starts it again on the same store.
    pub async fn restart(self) -> Result<Self, CoordinatorError> {
        let Self { program, directory, addresses, environment, child, .. } = self;
        child.stop().await.map_err(CoordinatorError::Process)?;
        let (child, start_up) = run(&program, &directory, &addresses, &environment).await?;
        Ok(Self { program, directory, addresses, environment, child, start_up })
    }

    /// Freezes it, as a hanging host would; [`Self::thaw`] lets it go on.
    pub fn freeze(&self) -> Result<(), CoordinatorError> {
        self.child.signal(Signal::STOP).map_err(CoordinatorError::Process)
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Result<(), CoordinatorError> {
        self.child.signal(Signal::CONT).map_err(CoordinatorError::Process)
    }

    /// Kills it, as a crash would; [`Self::restart`] starts it again.
    pub async fn kill(&mut self) -> Result<(), CoordinatorError> {
        self.child.kill().await.map_err(CoordinatorError::Process)
    }

    /// Removes a runner.
    pub fn remove_runner(&self, id: &str) -> Result<(), CoordinatorError> {
        let management = Endpoint::Unix(self.addresses.management.clone());
        json_api::delete(&management, &format!("/api/v1/runners/{id}"))
            .map_err(|source| CoordinatorError::Remove(id.to_owned(), source))
    }

    /// Stops it.
    pub async fn stop(self) -> Result<(), CoordinatorError> {
        self.child.stop().await.map_err(CoordinatorError::Process)
    }

    /// The process to measure.
    pub(crate) fn process(&self) -> ProcessId {
        self.child.id()
    }

    /// The number of the process.
    #[must_use]
    pub fn process_number(&self) -> u32 {
        self.child.id().0
    }

    /// CPU time it has used since it started; `None` once it has ended.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        self.child.id().cpu_time().ok()
    }

    /// From the start of the process until it was ready.
    pub fn start_up(&self) -> Duration {
        self.start_up
    }

    /// Where discovery and key set are.
    pub fn public(&self) -> SocketAddr {
        self.addresses.public
    }

    /// Where health is asked.
    pub fn operations(&self) -> SocketAddr {
        self.addresses.operations
    }

    /// Where runners and controllers connect.
    pub fn grpc(&self) -> SocketAddr {
        self.addresses.grpc
    }

    /// Invites a runner; returns its join token.
    pub fn invite_runner(&self, id: &str) -> Result<String, CoordinatorError> {
        self.invite("/api/v1/runners", id)
    }

    /// Invites a sandbox controller; returns its join token.
    pub fn invite_controller(&self, name: &str) -> Result<String, CoordinatorError> {
        self.invite("/api/v1/controllers", name)
    }

    fn invite(&self, path: &str, member: &str) -> Result<String, CoordinatorError> {
        let management = Endpoint::Unix(self.addresses.management.clone());
        let body = serde_json::json!({ "name": member });
        json_api::post(&management, path, &body)
            .and_then(|answer| json_api::text(&answer, "join_token"))
            .map_err(|source| CoordinatorError::Invite(member.to_owned(), source))
    }
}

async fn run(
    program: &Path,
    directory: &Path,
    addresses: &Addresses,
    environment: &Environment,
) -> Result<(Child, Duration), CoordinatorError> {
    let file = directory.join("moneyer.toml");
    let arguments = ["--config", &file.to_string_lossy(), "serve"];
    let log = directory.join("moneyer.log");
    let child = Child::start(program, &arguments, environment, &log);
    let mut child = child.map_err(CoordinatorError::Process)?;
    let operations = Endpoint::Tcp(addresses.operations);
    let start_up = child.ready(&operations, "/readyz").await.map_err(CoordinatorError::Process)?;
    Ok((child, start_up))
}

fn seal_key(directory: &Path) -> PathBuf {
    directory.join("seal.key")
}

/// A key to seal with. What it protects is measured and thrown away, so it need not be secret.
fn make_seal_key(path: &Path) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&[7; 32])
}

/// The configuration file. All but the limits is the default: those on tokens a second would
/// otherwise be what is measured.
fn configuration(directory: &Path, addresses: &Addresses) -> String {
    let Addresses { public, grpc, operations, management } = addresses;
    let (store, audit) = (directory.join("store"), directory.join("audit"));
    let seal_key = seal_key(directory);
    let seal_key = seal_key.display();
    let (store, audit, management) = (store.display(), audit.display(), management.display());
    format!(
        r#"[issuer]
url = "http://{public}"
organization_id = "load"
cluster_id = "load-1"

[listen]
public = "{public}"
grpc = "{grpc}"
operations = "{operations}"
management = "unix:{management}"
leave_after = "0s"

[keys]
algorithm = "RS256"
bits = 2048

[store]
path = "{store}"

[seal]
key_file = "{seal_key}"

[audit]
path = "{audit}"

[spiffe]
trust_domain = "{TRUST_DOMAIN}"

[limits]
runner_tokens_per_second = 1000000
sandbox_tokens_per_second = 1000000

[telemetry]
filter = "warn"
"#
    )
}
