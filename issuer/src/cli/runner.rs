//! `moneyer runner`.

use clap::Subcommand;
use moneyer_daemon::settings::Span;
use moneyer_identity::RunnerId;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output, time};
use crate::http::management::{InvitationBody, InvitationView, MemberView};

#[derive(Debug, Subcommand)]
pub(super) enum RunnerCommand {
    /// Make a one-time join token for a runner. It is printed this once.
    ///
    /// On the runner: `moneyer-runner-proxy join TOKEN_FILE`, then `moneyer-runner-proxy serve`.
    Invite {
        /// The runner's name: the id in its certificate and in tokens.
        name: RunnerId,
        /// How long the join token may be used, at most 7d. Default: 1h.
        #[arg(long, value_name = "SPAN")]
        lifetime: Option<Span>,
    },
    /// List the runners that have joined.
    List,
    /// Remove a runner: its certificates are refused at once and its streams end.
    Remove {
        /// Its name.
        name: RunnerId,
    },
}

pub(super) const COLUMNS: &[Column<MemberView>] = &[
    ("NAME", |member| member.name.clone()),
    ("SANDBOXES", |member| member.sandboxes.to_string()),
    ("JOINED", |member| time(member.joined_at)),
    ("CERTIFICATE ENDS", |member| time(member.certificate_ends_at)),
];

pub(super) async fn run(
    command: &RunnerCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    match command {
        RunnerCommand::Invite { name, lifetime } => {
            invite(client, "runners", name.as_str(), *lifetime, output).await
        }
        RunnerCommand::List => {
            let runners: Vec<MemberView> = client.get("/api/v1/runners").await?;
            output.records(&runners, COLUMNS)
        }
        RunnerCommand::Remove { name } => {
            client.delete(&format!("/api/v1/runners/{name}")).await?;
            output
                .record(&serde_json::json!({ "removed": name }), &format!("runner {name} is gone"))
        }
    }
}

/// Prints a join token: alone on standard output, so that it can be redirected into a file.
pub(super) async fn invite(
    client: &Client,
    members: &str,
    name: &str,
    lifetime: Option<Span>,
    output: Output,
) -> Result<(), Failure> {
    let seconds = |span: Span| u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
    let body = InvitationBody { name: name.to_owned(), lifetime_seconds: lifetime.map(seconds) };
    let invitation: InvitationView = client.post(&format!("/api/v1/{members}"), &body).await?;
    output.record(&invitation, &invitation.join_token)
}
