//! `moneyer issuer`.

use clap::Subcommand;
use moneyer_identity::IssuerUrl;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, time};
use crate::http::management::{IssuerView, MoveBody};

#[derive(Debug, Subcommand)]
pub(super) enum IssuerCommand {
    /// Show the issuer, and the previous ones that live tokens may still name.
    Show,
    /// Let tokens name another issuer from now on.
    ///
    /// The present one stays served under its host and path, and verifiable, until the last token under
    /// it is dead. Runners rewrite their sandboxes' token files and environments at once. Then write the
    /// new URL into the configuration.
    Move {
        /// The new value of `iss`.
        issuer: IssuerUrl,
    },
}

pub(super) async fn run(
    command: &IssuerCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let view: IssuerView = match command {
        IssuerCommand::Show => client.get("/api/v1/issuer").await?,
        IssuerCommand::Move { issuer } => {
            let body = MoveBody { issuer: issuer.clone() };
            client.post("/api/v1/issuer/move", &body).await?
        }
    };
    let mut lines = described(&view);
    if matches!(command, IssuerCommand::Move { .. }) {
        lines.push(format!("now set issuer.url = \"{}\" in the configuration", view.issuer));
    }
    output.record(&view, &lines.join("\n"))
}

fn described(view: &IssuerView) -> Vec<String> {
    let mut lines = vec![
        format!("issuer        {} (since {})", view.issuer, time(view.since)),
        format!("key set       {}", view.jwks_uri),
        format!("trust domain  {}", view.trust_domain),
    ];
    for left in &view.previous {
        lines.push(format!("previous      {} (served until {})", left.issuer, time(left.until)));
    }
    lines
}
