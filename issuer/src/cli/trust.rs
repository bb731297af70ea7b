//! `moneyer trust`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use moneyer_identity::{
    AppName, Clock as _, KeyCertificate, ProfileName, RelyingParty, RoleArn, SandboxId, SystemClock,
};
use serde::Deserialize as _;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output, print};
use crate::cli::{input, token};
use crate::http::management::{AppView, AudienceCheckView, AudienceView, IssuerView};
use crate::trust::{self, Form, Look, TrustFacts, Trusted, Verdict};

/// Longest trust policy that is read: IAM takes 4,096 characters, blanks not counted.
const MAXIMUM_POLICY_BYTES: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum TrustCommand {
    /// Print what AWS has to be told: an OIDC provider, and a role's trust policy.
    ///
    /// The account is that of the role the app was put with: `moneyer app put APP --aws-role ARN`. Without
    /// one `ACCOUNT_ID` stands in its place.
    Aws(OfApp),
    /// Print what Google Cloud has to be told: a provider of a workload identity pool, and a binding.
    ///
    /// The value of the audience profile is the provider's name.
    Gcp(OfApp),
    /// Print what Azure has to be told: a federated credential.
    Azure(OfApp),
    /// Print what Vault has to be told: a role of the JWT auth method.
    Vault(OfApp),
    /// Print what a Kubernetes API server has to be told: an issuer of its `AuthenticationConfiguration`.
    Kubernetes(OfApp),
    /// Print what Snowflake has to be told: a service user.
    Snowflake(OfApp),
    /// Say why an AWS trust policy would refuse a token, claim by claim.
    ///
    /// Needs no coordinator. The token's signature is not looked at: `moneyer token verify` does that. Exits
    /// with 1 if the token would be refused.
    Explain(Explain),
}

#[derive(Debug, Args)]
pub(super) struct OfApp {
    /// The app whose sandboxes are to be trusted.
    #[arg(long)]
    app: AppName,
    /// One sandbox alone, where the subject names it. Without: every sandbox of the app.
    #[arg(long)]
    sandbox: Option<SandboxId>,
    /// The audience profile, where several have the preset. Without: the first.
    #[arg(long, value_name = "NAME")]
    audience: Option<ProfileName>,
    /// In what form it is printed.
    #[arg(long, value_enum, default_value_t = Form::Commands)]
    form: Form,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// A file that holds the token; `-` for standard input.
    token: PathBuf,
    /// A file that holds the role's trust policy, as JSON.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The role that is to be assumed. Needed where the token names roles.
    #[arg(long, value_name = "ARN")]
    role: Option<RoleArn>,
}

const COLUMNS: &[Column<Look>] = &[
    ("VERDICT", |look| look.verdict.as_str().to_owned()),
    ("WHAT", |look| look.what.clone()),
    ("FOUND", |look| look.found.clone()),
];

pub(super) async fn run(
    command: &TrustCommand,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: Output,
) -> Result<(), Failure> {
    let (party, of) = match command {
        TrustCommand::Explain(arguments) => return explain(arguments, output),
        TrustCommand::Aws(of) => (RelyingParty::Aws, of),
        TrustCommand::Gcp(of) => (RelyingParty::Gcp, of),
        TrustCommand::Azure(of) => (RelyingParty::Azure, of),
        TrustCommand::Vault(of) => (RelyingParty::Vault, of),
        TrustCommand::Kubernetes(of) => (RelyingParty::Kubernetes, of),
        TrustCommand::Snowflake(of) => (RelyingParty::Snowflake, of),
    };
    let facts = facts(party, of, &client()?).await?;
    let text = trust::configuration(party, &facts, of.form);
    let text = text.map_err(|error| Failure::new(error.to_string()))?;
    if output.is_json() {
        let record = serde_json::json!({ "party": party, "configuration": text });
        return output.record(&record, "");
    }
    print(&text)
}

/// What the other side has to be told, by what the coordinator knows.
async fn facts(party: RelyingParty, of: &OfApp, client: &Client) -> Result<TrustFacts, Failure> {
    let audiences: Vec<AudienceView> = client.get("/api/v1/audiences").await?;
    let is_it = |audience: &&AudienceView| {
        let is_named = of.audience.as_ref().is_none_or(|name| *name == audience.name);
        audience.preset == Some(party) && is_named
    };
    let name = audiences.iter().find(is_it).map(|audience| &audience.name).ok_or_else(|| {
        Failure::new(format!(
            "no such audience profile has the preset {0}; make one: moneyer audience put {0} --preset {0}",
            party.as_str()
        ))
    })?;
    let app: AppView = client.get(&format!("/api/v1/apps/{}", of.app)).await?;
    let checked: AudienceCheckView = client.get(&format!("/api/v1/audiences/{name}/check")).await?;
    let AudienceCheckView { audience, apps } = checked;
    let fit = apps.into_iter().find(|checked| checked.app == of.app).ok_or_else(|| {
        Failure::new(format!("the app {} may not ask for {}", of.app, audience.value))
    })?;
    if let Some(problem) = fit.problem {
        return Err(Failure::new(problem));
    }
    let issuer: IssuerView = client.get("/api/v1/issuer").await?;
    let published: serde_json::Value = client.get("/api/v1/keys/published").await?;
    Ok(TrustFacts {
        issuer: issuer.issuer,
        audience: audience.value,
        trusted: Trusted::new(audience.subject, &fit.subject, of.sandbox.as_ref()),
        app: of.app.clone(),
        accounts: app.accounts,
        aws: audience.aws,
        key_certificate: key_certificate(&published)?,
    })
}

/// What a key set is refused for.
const NO_CERTIFICATE: &str = "a certificate of the coordinator's key set cannot be read";

/// The thumbprint of the certificate over the first key of a key set.
fn key_certificate(published: &serde_json::Value) -> Result<Option<String>, Failure> {
    let Some(certificate) = published.pointer("/keys/0/x5c/0") else { return Ok(None) };
    let certificate = KeyCertificate::deserialize(certificate);
    let certificate = certificate.map_err(|error| Failure::of(NO_CERTIFICATE, &error))?;
    certificate.thumbprint().map(Some).map_err(|error| Failure::of(NO_CERTIFICATE, &error))
}

fn explain(arguments: &Explain, output: Output) -> Result<(), Failure> {
    let claims = token::claims(&token::read(&arguments.token)?)?;
    let policy = input::text(&arguments.policy, MAXIMUM_POLICY_BYTES)?;
    let explained = trust::explain(&claims, &policy, arguments.role.as_ref(), SystemClock.now());
    let explained = explained.map_err(|error| Failure::of("nothing is explained", &error))?;
    if output.is_json() {
        output.record(&explained, "")?;
    } else {
        output.records(&explained.looks, COLUMNS)?;
    }
    match explained.verdict {
        Verdict::Refuses => Err(Failure::new("the token would be refused")),
        Verdict::Fits | Verdict::Unknown => Ok(()),
    }
}
