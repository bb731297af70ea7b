//! A coordinator with members and sandboxes: what every kind of work is measured on.

use std::io;
use std::path::Path;

use tempfile::TempDir;

use super::binaries::Binaries;
use super::coordinator::{Coordinator, CoordinatorError};
use super::membership::{Membership, MembershipError};
use super::runner_proxy::{RunnerProxy, RunnerProxyError};
use super::sandboxes::{RegistrationError, register, register_one};
use crate::measure::{ProcessError, as_f64};

/// The runner the load generator is.
const RUNNER: &str = "load-runner";

/// The runner the runner proxy is.
const PROXY: &str = "load-proxy";

/// The runner proxy's only sandbox.
pub(crate) const PROXY_SANDBOX: &str = "attached";

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    /// No directory.
    #[error("cannot make a directory for the processes under load")]
    Scratch(#[source] io::Error),
    /// No coordinator.
    #[error("there is no coordinator to measure")]
    Coordinator(#[source] CoordinatorError),
    /// No membership.
    #[error("the load generator is no member of the cluster")]
    Membership(#[source] MembershipError),
    /// No sandboxes.
    #[error("the sandboxes are not registered")]
    Registration(#[source] RegistrationError),
    /// No runner proxy.
    #[error("there is no runner proxy to measure")]
    RunnerProxy(#[source] RunnerProxyError),
    /// It could not be measured.
    #[error("the coordinator's memory cannot be measured")]
    Memory(#[source] ProcessError),
}

/// A cluster of one coordinator with sandboxes.
pub(crate) struct Cluster {
    coordinator: Coordinator,
    controller: Membership,
    runner: Membership,
    binaries: Binaries,
    sandboxes: u64,
    // Last: removed once the processes in it have ended.
    scratch: TempDir,
}

/// What holding the sandboxes costs.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Footing {
    /// How many there are.
    pub(crate) sandboxes: u64,
    /// From the start of the coordinator's process until it was ready, in milliseconds.
    pub(crate) start_up_ms: f64,
    /// Its memory in RAM right after that, in MiB.
    pub(crate) resident_mib: f64,
}

impl Cluster {
    /// Registers `sandboxes`, then starts the coordinator again, so that what is measured is a
    /// process that has read its state and not one that has just written it.
    pub(crate) async fn start(binaries: &Binaries, sandboxes: u64) -> Result<Self, ClusterError> {
        let scratch = tempfile::Builder::new().prefix("moneyer-load-").tempdir();
        let scratch = scratch.map_err(ClusterError::Scratch)?;
        let coordinator = Coordinator::start(binaries, scratch.path())
            .await
            .map_err(ClusterError::Coordinator)?;
        let invitation =
            coordinator.invite_controller("load").map_err(ClusterError::Coordinator)?;
        let controller = join(&coordinator, &invitation).await?;
        let invitation = coordinator.invite_runner(RUNNER).map_err(ClusterError::Coordinator)?;
        let runner = join(&coordinator, &invitation).await?;
        register(&controller, RUNNER, sandboxes).await.map_err(ClusterError::Registration)?;
        let coordinator = coordinator.restart().await.map_err(ClusterError::Coordinator)?;
        Ok(Self { coordinator, controller, runner, binaries: binaries.clone(), sandboxes, scratch })
    }

    /// What holding the sandboxes costs; to be asked before any load.
    pub(crate) fn footing(&self) -> Result<Footing, ClusterError> {
        let bytes = self.coordinator.process().resident_bytes().map_err(ClusterError::Memory)?;
        Ok(Footing {
            sandboxes: self.sandboxes,
            start_up_ms: crate::measure::millis(self.coordinator.start_up()),
            resident_mib: as_f64(bytes) / 1_048_576.0,
        })
    }

    /// Adds a runner proxy with one sandbox of its own.
    pub(crate) async fn start_runner_proxy(&self) -> Result<RunnerProxy, ClusterError> {
        let invitation = self.coordinator.invite_runner(PROXY);
        let invitation = invitation.map_err(ClusterError::Coordinator)?;
        let (binaries, directory) = (&self.binaries, self.scratch.path());
        let broken = ClusterError::RunnerProxy;
        let joined = RunnerProxy::join(binaries, directory, &self.coordinator, &invitation).await;
        let mut proxy = joined.map_err(broken)?;
        register_one(&self.controller, PROXY, PROXY_SANDBOX)
            .await
            .map_err(ClusterError::Registration)?;
        proxy.serve().await.map_err(broken)?;
        proxy.attach(PROXY_SANDBOX).await.map_err(broken)?;
        Ok(proxy)
    }

    /// The process under load.
    pub(crate) fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// The runner that may mint for all sandboxes.
    pub(crate) fn runner(&self) -> &Membership {
        &self.runner
    }

    /// How many sandboxes that runner has.
    pub(crate) fn sandboxes(&self) -> u64 {
        self.sandboxes
    }

    /// A directory that goes with the cluster.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Stops everything and removes its files.
    pub(crate) async fn stop(self) -> Result<(), ClusterError> {
        self.coordinator.stop().await.map_err(ClusterError::Coordinator)?;
        self.scratch.close().map_err(ClusterError::Scratch)
    }
}

async fn join(coordinator: &Coordinator, invitation: &str) -> Result<Membership, ClusterError> {
    Membership::join(coordinator.grpc(), invitation).await.map_err(ClusterError::Membership)
}
