//! `moneyer provider`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use moneyer_authority::profiles::ProfileId;
use moneyer_authority::providers::{CredentialValue, MAXIMUM_CREDENTIAL_BYTES};
use moneyer_daemon::file::read_secret;
use moneyer_identity::{AppName, CredentialName, ProviderName, SandboxId, UnixTime};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output, joined, optional_time};
use crate::cli::profile;
use crate::http::management::{
    CredentialBody, CredentialsBody, ProviderBody, ProviderView, SecretText,
};

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
pub(super) struct HeldArguments {
    /// A credential, from a file that nobody else may read. May be given several times. With --from-oidc-token: the
    /// name of the one it becomes.
    #[arg(long = "credential", value_name = "NAME=@FILE")]
    credentials: Vec<String>,
    /// When a credential ends, in seconds since 1970. May be given several times.
    #[arg(long = "credential-expires-at", value_name = "NAME=SECONDS")]
    expires_at: Vec<String>,
    /// A user's access token of an OpenID provider, from a file that nobody else may read. It becomes the one
    /// subject token of the profile, and ends when it says.
    #[arg(long, value_name = "FILE")]
    from_oidc_token: Option<PathBuf>,
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

impl HeldArguments {
    /// What is to be held, from the files.
    async fn read(
        &self,
        client: &Client,
        profile: &ProfileId,
    ) -> Result<BTreeMap<CredentialName, CredentialBody>, Failure> {
        let mut credentials = BTreeMap::new();
        if let Some(file) = &self.from_oidc_token {
            let name = self.destination(client, profile).await?;
            let value = secret(file)?;
            let expires_at = ends_at(&value);
            let value = SecretText(CredentialValue::new(value));
            credentials.insert(name, CredentialBody { expires_at, ..CredentialBody::bare(value) });
        } else {
            for given in &self.credentials {
                let (name, file) = given
                    .split_once("=@")
                    .ok_or_else(|| Failure::usage("--credential is NAME=@FILE"))?;
                let value = SecretText(CredentialValue::new(secret(Path::new(file))?));
                let body = CredentialBody::bare(value);
                credentials.insert(credential_name(name)?, body);
            }
        }
        for given in &self.expires_at {
            let usage = || Failure::usage("--credential-expires-at is NAME=SECONDS");
            let (name, seconds) = given.split_once('=').ok_or_else(usage)?;
            let seconds = seconds.parse().ok().ok_or_else(usage)?;
            let body = credentials.get_mut(&credential_name(name)?).ok_or_else(usage)?;
            body.expires_at = Some(UnixTime(seconds));
        }
        Ok(credentials)
    }

    /// Which credential a token becomes: the one that was named, else the only one that the profile exchanges.
    async fn destination(
        &self,
        client: &Client,
        profile: &ProfileId,
    ) -> Result<CredentialName, Failure> {
        let subjects: Vec<_> = (profile::show(client, profile).await?.row.credentials.into_iter())
            .filter(|credential| credential.subject_token)
            .map(|credential| credential.name)
            .collect();
        let named = match self.credentials.as_slice() {
            [] => None,
            [name] if !name.contains('=') => Some(credential_name(name)?),
            _ => {
                let usage = "with --from-oidc-token, --credential is one NAME without a file";
                return Err(Failure::usage(usage));
            }
        };
        match (named, subjects.as_slice()) {
            (Some(name), subjects) if subjects.contains(&name) => Ok(name),
            (None, [only]) => Ok(only.clone()),
            (_, subjects) => Err(Failure::new(format!(
                "name the credential that the token becomes with --credential; the profile {profile} exchanges: {}",
                joined(subjects)
            ))),
        }
    }
}

fn credential_name(text: &str) -> Result<CredentialName, Failure> {
    CredentialName::parse(text)
        .map_err(|error| Failure::usage(format!("the name of a credential {error}")))
}

/// A secret without the line end that editors leave behind it.
fn secret(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = read_secret(file, MAXIMUM_CREDENTIAL_BYTES.saturating_add(2))
        .map_err(|error| Failure::of("cannot read the credential", &error))?;
    let text = std::str::from_utf8(bytes.expose())
        .map_err(|_not_text| Failure::new(format!("{} holds no text", file.display())))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The end that a JWT names; nothing of it is checked, since it only makes the end known earlier.
fn ends_at(token: &str) -> Option<UnixTime> {
    use base64::Engine as _;
    let payload = token.split('.').nth(1)?;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    claims.get("exp")?.as_i64().map(UnixTime)
}

fn sentence(provider: &ProviderView) -> String {
    let held: Vec<_> = provider.credentials.iter().map(|one| &one.name).collect();
    let holds = if held.is_empty() { "nothing".to_owned() } else { joined(held) };
    format!("{} is a provider of {}, and holds {holds}", provider.name, provider.profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_itself_when_it_ends() {
        // {"exp":1900000000}
        assert_eq!(ends_at("e30.eyJleHAiOjE5MDAwMDAwMDB9.c2ln"), Some(UnixTime(1_900_000_000)));
        for opaque in ["", "opaque", "a.b.c", "e30.e30.c2ln"] {
            assert_eq!(ends_at(opaque), None, "{opaque}");
        }
    }
}
