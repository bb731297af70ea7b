//! `moneyer-runner-proxy grant`.

use clap::Subcommand;
use moneyer_identity::SandboxId;
use moneyer_proto::v1;
use serde::Serialize;

use super::failure::Failure;
use super::output::{Format, json, print};
use super::sandbox::told;
use crate::config::Config;
use crate::control;

#[derive(Debug, Subcommand)]
pub(super) enum GrantCommand {
    /// Say what would happen to a request of a sandbox by the forward proxy, and why.
    ///
    /// Nothing is sent and no token is asked for.
    Explain {
        /// Where the request would go, such as `https://api.example.com/v1/items`.
        url: String,
        /// The sandbox's id.
        #[arg(long, value_name = "ID")]
        sandbox: SandboxId,
        /// The method.
        #[arg(long, value_name = "METHOD", default_value = "GET")]
        method: String,
    },
}

pub(super) async fn run(
    command: GrantCommand,
    config: &Config,
    output: Format,
) -> Result<(), Failure> {
    let GrantCommand::Explain { url, sandbox, method } = command;
    let mut client = control::connect(&config.control_socket())
        .await
        .map_err(|error| Failure::new(crate::chain(&error)))?;
    let request = v1::ExplainGrantRequest { sandbox_id: sandbox.to_string(), method, url };
    let explained = client.explain_grant(request).await.map_err(|status| told(&status))?;
    show(&explained.into_inner(), output)
}

#[derive(Serialize)]
struct Explained<'a> {
    outcome: &'a str,
    reason: &'a str,
    destination: &'a str,
    target: &'a str,
    revision: &'a str,
    provider: &'a str,
    addresses: &'a [String],
    tokens: Vec<Bearer<'a>>,
}

#[derive(Serialize)]
struct Bearer<'a> {
    provider: &'a str,
    credential: &'a str,
    header: &'a str,
    token_endpoint: &'a str,
    grant_type: &'a str,
    audience: &'a str,
    scope: &'a str,
    jwt_svid_audience: &'a str,
}

fn show(explained: &v1::ExplainGrantResponse, output: Format) -> Result<(), Failure> {
    let tokens = explained.tokens.iter().map(|token| Bearer {
        provider: &token.provider,
        credential: &token.credential,
        header: &token.header,
        token_endpoint: &token.token_endpoint,
        grant_type: &token.grant_type,
        audience: &token.audience,
        scope: &token.scope,
        jwt_svid_audience: &token.jwt_svid_audience,
    });
    let tokens: Vec<_> = tokens.collect();
    if output == Format::Json {
        let v1::ExplainGrantResponse { outcome, reason, destination, target, .. } = explained;
        let (revision, provider) = (&explained.revision, &explained.provider);
        let addresses = &explained.addresses;
        return json(&Explained {
            outcome,
            reason,
            destination,
            target,
            revision,
            provider,
            addresses,
            tokens,
        });
    }
    let mut lines = vec![format!("{}: {}\n", explained.outcome, explained.reason)];
    for (name, value) in [
        ("destination", explained.destination.as_str()),
        ("target", &explained.target),
        ("addresses", &explained.addresses.join(", ")),
        ("provider", &explained.provider),
        ("revision", &explained.revision),
    ] {
        lines.extend((!value.is_empty()).then(|| format!("  {name}: {value}\n")));
    }
    for token in tokens {
        let Bearer { provider, credential, header, token_endpoint, grant_type, .. } = token;
        lines.push(format!("  {header}: a token of {provider}:{credential}\n"));
        let at = if token_endpoint.is_empty() { "" } else { " at " };
        lines.push(format!("    by {grant_type}{at}{token_endpoint}\n"));
        for (name, value) in [
            ("audience", token.audience),
            ("scope", token.scope),
            ("JWT-SVID for", token.jwt_svid_audience),
        ] {
            lines.extend((!value.is_empty()).then(|| format!("    {name}: {value}\n")));
        }
    }
    print(&lines.concat())
}
