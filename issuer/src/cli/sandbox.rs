//! `moneyer sandbox`.

use clap::Subcommand;
use moneyer_identity::{AppName, RoleName, RunnerId, SandboxId};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output, time};
use crate::http::management::{SandboxBody, SandboxPage, SandboxView};

#[derive(Debug, Subcommand)]
pub(super) enum SandboxCommand {
    /// Place a sandbox on a runner, or move it there. From then on no other runner gets a token.
    Put {
        /// Its id.
        id: SandboxId,
        /// The app it is an instance of.
        #[arg(long)]
        app: AppName,
        /// The runner it is placed on.
        #[arg(long)]
        runner: RunnerId,
        /// The `role` claim of its tokens.
        #[arg(long)]
        role: Option<RoleName>,
    },
    /// List the sandboxes.
    List {
        /// Only those of this app.
        #[arg(long)]
        app: Option<AppName>,
        /// Only those on this runner.
        #[arg(long)]
        runner: Option<RunnerId>,
    },
    /// Remove a sandbox. From then on nobody gets a token for it.
    Remove {
        /// Its id.
        id: SandboxId,
    },
}

const COLUMNS: &[Column<SandboxView>] = &[
    ("SANDBOX", |sandbox| sandbox.id.as_str().to_owned()),
    ("APP", |sandbox| sandbox.app.as_str().to_owned()),
    ("RUNNER", |sandbox| sandbox.runner.as_str().to_owned()),
    ("ROLE", |sandbox| sandbox.role.as_ref().map_or("-", |role| role.as_str()).to_owned()),
    ("PLACED", |sandbox| time(sandbox.placed_at)),
];

pub(super) async fn run(
    command: &SandboxCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    match command {
        SandboxCommand::Put { id, app, runner, role } => {
            let body = SandboxBody { app: app.clone(), runner: runner.clone(), role: role.clone() };
            let put: SandboxView = client.put(&format!("/api/v1/sandboxes/{id}"), &body).await?;
            output.record(&put, &format!("sandbox {id} is placed on {runner}"))
        }
        SandboxCommand::List { app, runner } => {
            let sandboxes = list(client, app.as_ref(), runner.as_ref()).await?;
            output.records(&sandboxes, COLUMNS)
        }
        SandboxCommand::Remove { id } => {
            client.delete(&format!("/api/v1/sandboxes/{id}")).await?;
            output.record(&serde_json::json!({ "removed": id }), &format!("sandbox {id} is gone"))
        }
    }
}

async fn list(
    client: &Client,
    app: Option<&AppName>,
    runner: Option<&RunnerId>,
) -> Result<Vec<SandboxView>, Failure> {
    let mut sandboxes = Vec::new();
    each(client, app, runner, |sandbox| sandboxes.push(sandbox)).await?;
    Ok(sandboxes)
}

/// Every page, one after the other. Components need no escaping in a query.
pub(super) async fn each(
    client: &Client,
    app: Option<&AppName>,
    runner: Option<&RunnerId>,
    mut take: impl FnMut(SandboxView) + Send,
) -> Result<(), Failure> {
    let app = app.map(|app| format!("&app={app}")).unwrap_or_default();
    let runner = runner.map(|runner| format!("&runner={runner}")).unwrap_or_default();
    let mut after = String::new();
    loop {
        let path = format!("/api/v1/sandboxes?limit=1000{app}{runner}{after}");
        let page: SandboxPage = client.get(&path).await?;
        page.sandboxes.into_iter().for_each(&mut take);
        match page.next {
            Some(last) => after = format!("&after={last}"),
            None => return Ok(()),
        }
    }
}
