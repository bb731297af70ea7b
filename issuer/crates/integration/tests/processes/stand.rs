//! A coordinator with a controller and runners that have joined.

use std::path::{Path, PathBuf};

use moneyer_load::stand::{Binaries, Coordinator, Membership};
use moneyer_proto::v1::minting_client::MintingClient;
use moneyer_proto::v1::placement_client::PlacementClient;
use moneyer_proto::v1::{App, MintTokenRequest, PutAppRequest, PutSandboxRequest, Sandbox};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Where `cargo build` puts the daemons, seen from a test binary in `deps`.
pub(crate) fn binary_directory() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().to_owned()
}

pub(crate) struct Stand {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) binaries: Binaries,
    pub(crate) coordinator: Coordinator,
    pub(crate) controller: Membership,
}

impl Stand {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let binaries = Binaries::in_directory(Some(&binary_directory()));
        let coordinator = Coordinator::start(&binaries, directory.path()).await.unwrap();
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

    pub(crate) async fn placement(&self) -> PlacementClient<Channel> {
        PlacementClient::new(self.controller.connect().await.unwrap())
    }

    pub(crate) async fn place(&self, id: &str, runner: &str) {
        place(&mut self.placement().await, id, runner).await.unwrap();
    }
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
