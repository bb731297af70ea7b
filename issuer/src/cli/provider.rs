//! `moneyer provider`.

use clap::{Args, Subcommand};
use moneyer_authority::profiles::ProfileId;
use moneyer_identity::{AppName, ProviderName, SandboxId};
use serde_json::json;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::held::HeldArguments;
use crate::cli::output::{Column, Output, joined, optional_time};
use crate::http::management::{CredentialsBody, ProviderBody, ProviderView};

#[derive(Debug, Subcommand)]
pub(super) enum ProviderCommand {
    /// Make a provider of a profile.
    ///
    /// Where every token of the profile is obtained when it is needed: `moneyer provider create demo --profile
    /// token-grants --runtime-credentials`. Where a user's token is exchanged the provider holds it, sealed, and gives
    /// it to nobody but the token service that its profile names now: `moneyer provider create demo --profile
    /// token-exchange --credential subject_token=@token`. Attach it then: `moneyer provider attach demo --app web`.
    Create(CreateArguments),
    /// Hand a provider other credentials; what is not named stays as it is.
    Update(UpdateArguments),
    /// List the providers.
    List,
    /// Let the sandboxes of an app, or one sandbox, reach what a provider names.
    Attach(PlaceArguments),
    /// Take it from them again. Injection ends at once.
    Detach(PlaceArguments),
    /// Remove a provider, with what it holds.
    Remove {
        /// The provider.
        name: ProviderName,
    },
}

#[derive(Debug, Args)]
pub(super) struct CreateArguments {
    /// Its name.
    name: ProviderName,
    /// Its profile.
    #[arg(long)]
    profile: ProfileId,
    /// Say that it holds nothing: every token is obtained when it is needed.
    #[arg(long, conflicts_with_all = ["credentials", "from_oidc_token"])]
    runtime_credentials: bool,
    #[command(flatten)]
    held: HeldArguments,
}

#[derive(Debug, Args)]
pub(super) struct UpdateArguments {
    /// The provider.
    name: ProviderName,
    #[command(flatten)]
    held: HeldArguments,
}

#[derive(Debug, Args)]
pub(super) struct PlaceArguments {
    /// The provider.
    name: ProviderName,
    /// Every sandbox of this app.
    #[arg(long, required_unless_present = "sandbox", conflicts_with = "sandbox")]
    app: Option<AppName>,
    /// This sandbox.
    #[arg(long)]
    sandbox: Option<SandboxId>,
}

const COLUMNS: &[Column<ProviderView>] = &[
    ("NAME", |provider| provider.name.to_string()),
    ("PROFILE", |provider| provider.profile.to_string()),
    ("HOLDS", |provider| joined(provider.credentials.iter().map(|one| &one.name))),
    ("ENDS", |provider| {
        optional_time(provider.credentials.iter().filter_map(|one| one.expires_at).min())
    }),
    ("APPS", |provider| joined(&provider.apps)),
    ("SANDBOXES", |provider| joined(&provider.sandboxes)),
];

pub(super) async fn run(
    command: &ProviderCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    match command {
        ProviderCommand::Create(arguments) => {
            let CreateArguments { name, profile, runtime_credentials, held } = arguments;
            let credentials = held.read(client, profile).await?;
            let body = ProviderBody {
                name: name.clone(),
                profile: profile.clone(),
                credentials,
                runtime_credentials: *runtime_credentials,
            };
            let made: ProviderView = client.post("/api/v1/providers", &body).await?;
            output.record(&made, &sentence(&made))
        }
        ProviderCommand::Update(UpdateArguments { name, held }) => {
            let known: ProviderView = client.get(&format!("/api/v1/providers/{name}")).await?;
            let credentials = held.read(client, &known.profile).await?;
            let path = format!("/api/v1/providers/{name}/credentials");
            let body = CredentialsBody { credentials };
            let updated: ProviderView = client.put(&path, &body).await?;
            output.record(&updated, &sentence(&updated))
        }
        ProviderCommand::List => {
            let providers: Vec<ProviderView> = client.get("/api/v1/providers").await?;
            output.records(&providers, COLUMNS)
        }
        ProviderCommand::Attach(place) => {
            let attached: ProviderView = client.put(&place.path(), &json!({})).await?;
            output.record(&attached, &format!("{} is attached to {}", place.name, place.what()))
        }
        ProviderCommand::Detach(place) => {
            client.delete(&place.path()).await?;
            let detached = json!({ "detached": place.name, "from": place.what() });
            output.record(&detached, &format!("{} is detached from {}", place.name, place.what()))
        }
        ProviderCommand::Remove { name } => {
            client.delete(&format!("/api/v1/providers/{name}")).await?;
            let removed = json!({ "removed": name });
            output.record(&removed, &format!("{name} is removed, with what it held"))
        }
    }
}

impl PlaceArguments {
    fn path(&self) -> String {
        let name = &self.name;
        match (&self.app, &self.sandbox) {
            (Some(app), _) => format!("/api/v1/providers/{name}/apps/{app}"),
            (None, Some(sandbox)) => format!("/api/v1/providers/{name}/sandboxes/{sandbox}"),
            (None, None) => format!("/api/v1/providers/{name}"),
        }
    }

    fn what(&self) -> String {
        match (&self.app, &self.sandbox) {
            (Some(app), _) => format!("the app {app}"),
            (None, Some(sandbox)) => format!("the sandbox {sandbox}"),
            (None, None) => String::new(),
        }
    }
}

fn sentence(provider: &ProviderView) -> String {
    let held: Vec<_> = provider.credentials.iter().map(|one| &one.name).collect();
    let holds = if held.is_empty() { "nothing".to_owned() } else { joined(held) };
    format!("{} is a provider of {}, and holds {holds}", provider.name, provider.profile)
}
