//! `moneyer token`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use moneyer_daemon::settings::{Source, Span};
use moneyer_identity::{
    Audience, Clock as _, Expectations, IssuerUrl, MAXIMUM_TOKEN_BYTES, SandboxId, SystemClock,
    UnverifiedToken,
};
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::input;
use crate::cli::output::{Output, json};
use crate::cli::verification::verifier_of;
use crate::config::Config;
use crate::http::management::{MintBody, MintView};

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Mint a token for a sandbox, as its operator. It is printed alone, without a newline added by
    /// the shell's redirection.
    Mint {
        /// Whose token.
        sandbox: SandboxId,
        /// Who it is for; may be given several times. Without any: the default audience.
        #[arg(long = "audience", value_name = "AUDIENCE")]
        audiences: Vec<Audience>,
        /// How long it lives, as `15m`. Without: the audience's default.
        #[arg(long, value_name = "SPAN")]
        lifetime: Option<Span>,
    },
    /// Show what a token says. Nothing is verified.
    Inspect {
        /// A file that holds the token; `-` for standard input.
        file: PathBuf,
    },
    /// Verify a token as a relying party would: from the issuer's public documents alone.
    Verify {
        /// A file that holds the token; `-` for standard input.
        file: PathBuf,
        /// The audience it must be for.
        #[arg(long)]
        audience: Audience,
        /// The issuer it must be from. Without: the one in the configuration.
        #[arg(long)]
        issuer: Option<IssuerUrl>,
        /// Accept a token that names other audiences too.
        #[arg(long)]
        several_audiences: bool,
    },
}

pub(super) async fn run(
    command: &TokenCommand,
    config: &Path,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: Output,
) -> Result<(), Failure> {
    match command {
        TokenCommand::Mint { sandbox, audiences, lifetime } => {
            let seconds = |span: Span| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
            let body =
                MintBody { audiences: audiences.clone(), lifetime_seconds: lifetime.map(seconds) };
            let path = format!("/api/v1/sandboxes/{sandbox}/token");
            let minted: MintView = client()?.post(&path, &body).await?;
            output.record(&minted, &minted.token)
        }
        TokenCommand::Inspect { file } => json(&inspect(&read(file)?)?),
        TokenCommand::Verify { file, audience, issuer, several_audiences } => {
            let token = read(file)?;
            let issuer = match issuer {
                Some(issuer) => issuer.clone(),
                None => Config::load(&Source::read(config, "MONEYER")?)?.1.issuer,
            };
            let mut expectations = Expectations::exactly(audience.clone());
            expectations.several_audiences = *several_audiences;
            let verified = verifier_of(&issuer)
                .await?
                .verify(&token, &expectations, SystemClock.now())
                .map_err(|error| Failure::new(format!("the token is refused: {error}")))?;
            json(verified.claims())
        }
    }
}

/// Header and claims, with a reminder that nothing was checked.
fn inspect(token: &str) -> Result<Value, Failure> {
    let unverified = UnverifiedToken::parse(token)
        .map_err(|error| Failure::new(format!("this is no token of ours: {error}")))?;
    Ok(serde_json::json!({
        "verified": false,
        "header": {
            "alg": unverified.algorithm(),
            "kid": unverified.key_id(),
            "typ": "JWT",
        },
        "claims": claims(token)?,
    }))
}

/// What a token says, unverified.
pub(super) fn claims(token: &str) -> Result<Value, Failure> {
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims = claims.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    claims.ok_or_else(|| Failure::new("the token's claims are not JSON"))
}

/// The token in a file, without the newline an editor or shell may have added.
pub(super) fn read(file: &Path) -> Result<String, Failure> {
    let limit = u64::try_from(MAXIMUM_TOKEN_BYTES + 2).unwrap_or(u64::MAX);
    let text = input::text(file, limit)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
