//! `moneyer app`.

use clap::Subcommand;
use moneyer_identity::{AppName, Audience};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output, time};
use crate::http::management::{AppBody, AppView};

#[derive(Debug, Subcommand)]
pub(super) enum AppCommand {
    /// Make an app, or change what its sandboxes may ask for.
    Put {
        /// Its name.
        name: AppName,
        /// An audience its sandboxes may ask for; may be given several times. Without any: all that
        /// are not reserved.
        #[arg(long = "audience", value_name = "AUDIENCE")]
        audiences: Vec<Audience>,
    },
    /// List the apps.
    List,
    /// Remove an app that has no sandboxes. One made again under its name is another app.
    Remove {
        /// Its name.
        name: AppName,
    },
}

const COLUMNS: &[Column<AppView>] = &[
    ("APP", |app| app.name.as_str().to_owned()),
    ("UID", |app| app.uid.clone()),
    ("SANDBOXES", |app| app.sandboxes.to_string()),
    ("AUDIENCES", |app| match app.audiences.as_slice() {
        [] => "any".to_owned(),
        list => list.iter().map(Audience::as_str).collect::<Vec<_>>().join(","),
    }),
    ("CREATED", |app| time(app.created_at)),
];

pub(super) async fn run(
    command: &AppCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    match command {
        AppCommand::Put { name, audiences } => {
            let body = AppBody { audiences: audiences.clone() };
            let app: AppView = client.put(&format!("/api/v1/apps/{name}"), &body).await?;
            output.record(&app, &format!("app {name} is in force"))
        }
        AppCommand::List => {
            let apps: Vec<AppView> = client.get("/api/v1/apps").await?;
            output.records(&apps, COLUMNS)
        }
        AppCommand::Remove { name } => {
            client.delete(&format!("/api/v1/apps/{name}")).await?;
            output.record(&serde_json::json!({ "removed": name }), &format!("app {name} is gone"))
        }
    }
}
