//! A coordinator with a controller and runners that have joined.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use moneyer_load::http1::{Connection, Endpoint};
use moneyer_load::stand::{Binaries, Coordinator, Environment, Membership};
use moneyer_proto::v1::minting_client::MintingClient;
use moneyer_proto::v1::placement_client::PlacementClient;
use moneyer_proto::v1::{App, MintTokenRequest, PutAppRequest, PutSandboxRequest, Sandbox};
use serde_json::Value;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Where `cargo build` puts the daemons, seen from a test binary in `deps`.
pub(crate) fn binary_directory() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().to_owned()
}

/// Keys that change as fast as the schedule allows: it keeps 80 at most, and each lingers for minutes.
pub(crate) const FAST_ROTATION: [(&str, &str); 6] = [
    ("MONEYER__KEYS__ROTATE_EVERY", "6s"),
    ("MONEYER__KEYS__PUBLISH_BEFORE_USE", "4s"),
    ("MONEYER__KEYS__MAX_AGE", "1s"),
    ("MONEYER__TOKENS__MINIMUM_LIFETIME", "60s"),
    ("MONEYER__TOKENS__DEFAULT_LIFETIME", "60s"),
    ("MONEYER__TOKENS__MAXIMUM_LIFETIME", "60s"),
];

/// That of [`FAST_ROTATION`].
pub(crate) const PUBLISHED_BEFORE_USE: Duration = Duration::from_secs(4);

/// A management call that takes longer has hung: some make keys, on a machine that may be busy.
const LONGEST_CALL: Duration = Duration::from_secs(60);

/// A number that the environment may set, for long runs.
pub(crate) fn number(variable: &str, otherwise: u64) -> u64 {
    let Some(text) = std::env::var_os(variable) else { return otherwise };
    text.to_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{variable}: {text:?}"))
}

pub(crate) struct Stand {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) binaries: Binaries,
    pub(crate) coordinator: Coordinator,
    pub(crate) controller: Membership,
}

impl Stand {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with settings that differ: `("MONEYER__KEYS__MAX_AGE", "1s")`.
    pub(crate) async fn start_with(settings: &[(&str, &str)]) -> Self {
        let environment = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Self::start_in(tempfile::tempdir().unwrap(), environment.collect()).await
    }

    /// The same in a directory that is there.
    pub(crate) async fn start_in(directory: tempfile::TempDir, environment: Environment) -> Self {
        let binaries = Binaries::in_directory(Some(&binary_directory()));
        let coordinator = Coordinator::start_in(&binaries, directory.path(), environment);
        let coordinator = coordinator.await.unwrap();
        let token = coordinator.invite_controller("controller").unwrap();
        let controller = Membership::join(coordinator.grpc(), &token).await.unwrap();
        let stand = Self { directory, binaries, coordinator, controller };
        let app = App { name: "web".to_owned(), ..App::default() };
        stand.placement().await.put_app(PutAppRequest { app: Some(app) }).await.unwrap();
        stand
    }

    pub(crate) async fn runner(&self, id: &str) -> Membership {
        let token = self.coordinator.invite_runner(id).unwrap();
        Membership::join(self.coordinator.grpc(), &token).await.unwrap()
    }

    /// `/readyz`, the check of that name: `None` where it is good, else what is wrong.
    pub(crate) fn problem(&self, check: &str) -> Option<String> {
        let (_, body) = fetch(self.coordinator.operations(), "/readyz").expect("no /readyz");
        let health: Value = serde_json::from_slice(&body).unwrap();
        let checks = health["checks"].as_array().unwrap();
        let found = checks.iter().find(|found| found["name"] == check).expect("no such check");
        (found["ok"] != true).then(|| found["problem"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn management(&self) -> Management {
        Management::in_directory(self.directory.path())
    }

    pub(crate) async fn placement(&self) -> PlacementClient<Channel> {
        PlacementClient::new(self.controller.connect().await.unwrap())
    }

    pub(crate) async fn place(&self, id: &str, runner: &str) {
        place(&mut self.placement().await, id, runner).await.unwrap();
    }
}

/// The management API.
#[derive(Clone)]
pub(crate) struct Management(PathBuf);

impl Management {
    /// That of the coordinator whose configuration is in this directory.
    pub(crate) fn in_directory(directory: &Path) -> Self {
        Self(directory.join("management.sock"))
    }

    /// The answer, or the status and text of a refusal; `None` where nobody answers.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Option<Result<Value, (u16, String)>> {
        let body = body.to_string();
        let request = format!(
            "{method} /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let stream = UnixStream::connect(&self.0).ok()?;
        stream.set_read_timeout(Some(LONGEST_CALL)).unwrap();
        let mut connection = Connection::over(stream);
        let (status, answer) = connection.exchange(request.as_bytes()).ok()?;
        if !(200..300).contains(&status) {
            return Some(Err((status, String::from_utf8_lossy(answer).into_owned())));
        }
        Some(Ok(serde_json::from_slice(answer).unwrap_or_default()))
    }
}

/// `moneyer` with the configuration of the stand in `directory`.
pub(crate) fn moneyer(directory: &Path) -> Command {
    let mut command = Command::new(binary_directory().join("moneyer"));
    command.arg("--config").arg(directory.join("moneyer.toml"));
    command
}

/// GET over a connection of its own: status and body, or `None` where nobody answers.
pub(crate) fn fetch(address: SocketAddr, path: &str) -> Option<(u16, Vec<u8>)> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut connection = Connection::open(&Endpoint::Tcp(address)).ok()?;
    let (status, body) = connection.exchange(request.as_bytes()).ok()?;
    Some((status, body.to_vec()))
}

pub(crate) async fn place(
    client: &mut PlacementClient<Channel>,
    id: &str,
    runner: &str,
) -> Result<u64, Status> {
    let sandbox = Sandbox {
        id: id.to_owned(),
        app: "web".to_owned(),
        runner_id: runner.to_owned(),
        role: String::new(),
    };
    let put = client.put_sandbox(PutSandboxRequest { sandbox: Some(sandbox) }).await?;
    Ok(put.into_inner().generation)
}

/// Asks for a token: the token, or the code and text of the refusal.
pub(crate) async fn mint(
    client: &mut MintingClient<Channel>,
    sandbox: &str,
) -> Result<String, (Code, String)> {
    let request = MintTokenRequest { sandbox_id: sandbox.to_owned(), ..Default::default() };
    match client.mint_token(request).await {
        Ok(minted) => Ok(minted.into_inner().token),
        Err(status) => Err((status.code(), status.message().to_owned())),
    }
}
