//! `moneyer controller`.

use clap::Subcommand;
use moneyer_daemon::settings::Span;
use moneyer_identity::ControllerName;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::runner::{COLUMNS, invite};
use crate::http::management::MemberView;

#[derive(Debug, Subcommand)]
pub(super) enum ControllerCommand {
    /// Make a one-time join token for a sandbox controller. It is printed this once.
    Invite {
        /// The controller's name.
        name: ControllerName,
        /// How long the join token may be used, at most 7d. Default: 1h.
        #[arg(long, value_name = "SPAN")]
        lifetime: Option<Span>,
    },
    /// List the controllers that have joined.
    List,
    /// Remove a controller: its certificates are refused at once.
    Remove {
        /// Its name.
        name: ControllerName,
    },
}

pub(super) async fn run(
    command: &ControllerCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    match command {
        ControllerCommand::Invite { name, lifetime } => {
            invite(client, "controllers", name.as_str(), *lifetime, output).await
        }
        ControllerCommand::List => {
            let controllers: Vec<MemberView> = client.get("/api/v1/controllers").await?;
            output.records(&controllers, COLUMNS)
        }
        ControllerCommand::Remove { name } => {
            client.delete(&format!("/api/v1/controllers/{name}")).await?;
            let sentence = format!("controller {name} is gone");
            output.record(&serde_json::json!({ "removed": name }), &sentence)
        }
    }
}
