//! `moneyer app`.

use clap::{Args, Subcommand};
use moneyer_identity::spiffe::SpiffeIdEnding;
use moneyer_identity::{AppName, Audience, AzureId, CloudAccounts, RoleArn, ServiceAccount};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output, time};
use crate::http::management::{AppBody, AppView};

#[derive(Debug, Subcommand)]
pub(super) enum AppCommand {
    /// Make an app, or say anew what its sandboxes may ask for and who they are at the clouds.
    ///
    /// What is not said is taken back, also where it was said before. The role, ids and service account go
    /// into the environment of its sandboxes, where the SDKs of the clouds look for them.
    Put(PutArguments),
    /// List the apps.
    List,
    /// Remove an app that has no sandboxes. One made again under its name is another app.
    Remove {
        /// Its name.
        name: AppName,
    },
}

#[derive(Debug, Args)]
pub(super) struct PutArguments {
    /// Its name.
    name: AppName,
    /// An audience its sandboxes may ask for; may be given several times. Without any: all that are not
    /// reserved.
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<Audience>,
    /// The AWS role its sandboxes assume: `AWS_ROLE_ARN`, where there is an audience profile for AWS.
    #[arg(long, value_name = "ARN")]
    aws_role: Option<RoleArn>,
    /// The application or managed identity they are at Azure: `AZURE_CLIENT_ID`.
    #[arg(long, value_name = "ID", requires = "azure_tenant_id")]
    azure_client_id: Option<AzureId>,
    /// The tenant it is in: `AZURE_TENANT_ID`.
    #[arg(long, value_name = "ID", requires = "azure_client_id")]
    azure_tenant_id: Option<AzureId>,
    /// The service account of Google Cloud that they impersonate. Without: they act as themselves.
    #[arg(long, value_name = "ADDRESS")]
    google_service_account: Option<ServiceAccount>,
    /// What comes after the app in its sandboxes' SPIFFE IDs: `/sandbox/{sandbox}`, or empty for one id that
    /// all share. Without: what the cluster's template says (`spiffe.id`).
    #[arg(long, value_name = "PATH")]
    spiffe_ending: Option<SpiffeIdEnding>,
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
        AppCommand::Put(arguments) => {
            let (name, body) = (&arguments.name, arguments.body());
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

impl PutArguments {
    fn body(&self) -> AppBody {
        AppBody {
            audiences: self.audiences.clone(),
            accounts: CloudAccounts {
                aws_role: self.aws_role.clone(),
                azure_client_id: self.azure_client_id.clone(),
                azure_tenant_id: self.azure_tenant_id.clone(),
                google_service_account: self.google_service_account.clone(),
            },
            spiffe_ending: self.spiffe_ending.clone(),
        }
    }
}
