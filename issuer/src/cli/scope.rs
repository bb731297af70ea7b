//! `moneyer scope`.

use clap::Subcommand;
use moneyer_authority::exchange::{ParticipantContext, ScopeName};
use serde_json::{Map, Value};

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output};
use crate::http::management::{ScopeJson, escaped};

#[derive(Debug, Subcommand)]
pub(super) enum ScopeCommand {
    /// Say which claims a scope stands for.
    ///
    /// Each claim is NAME=JSON: `moneyer scope put read --claim 'roles=["reader"]' --claim scope='"read"'`. Claims that
    /// the coordinator sets (iss, sub, aud and the others of docs/claims.md) are refused. Of two scopes in one token
    /// two texts of one claim are joined with a blank, two lists are one, and anything else refuses the request.
    Put {
        /// The scope.
        scope: ScopeName,
        /// A claim and its value. May be given several times.
        #[arg(long = "claim", value_name = "NAME=JSON", value_parser = claim)]
        claims: Vec<(String, Value)>,
        /// In this participant context alone, in the place of what it stands for elsewhere.
        #[arg(long, value_name = "CONTEXT")]
        context: Option<ParticipantContext>,
    },
    /// List the scopes.
    List,
    /// Remove a scope: it stands for nothing from then on.
    Remove {
        /// The scope.
        scope: ScopeName,
        /// In this participant context alone.
        #[arg(long, value_name = "CONTEXT")]
        context: Option<ParticipantContext>,
    },
}

/// Reads `NAME=JSON`.
fn claim(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("is NAME=JSON, as roles=[\"reader\"]")?;
    let value = serde_json::from_str(value).map_err(|error| {
        format!("{value} is not JSON ({error}); a text is written \"in quotes\"")
    })?;
    Ok((name.to_owned(), value))
}

const COLUMNS: &[Column<ScopeJson>] = &[
    ("SCOPE", |scope| scope.scope.to_string()),
    ("CONTEXT", |scope| {
        scope.participant_context.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)
    }),
    ("CLAIMS", |scope| serde_json::to_string(&scope.claims).unwrap_or_default()),
];

pub(super) async fn run(
    command: &ScopeCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    match command {
        ScopeCommand::Put { scope, claims, context } => {
            let claims: Map<String, Value> = claims.iter().cloned().collect();
            let (scope, participant_context) = (scope.clone(), context.clone());
            let put = ScopeJson { scope, claims, participant_context };
            client.change("/api/v1/scopes", &vec![&put]).await?;
            let names: Vec<_> = put.claims.keys().cloned().collect();
            let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            output.record(&put, &format!("the scope {} stands for {names}", put.scope))
        }
        ScopeCommand::List => {
            let scopes: Vec<ScopeJson> = client.get("/api/v1/scopes").await?;
            output.records(&scopes, COLUMNS)
        }
        ScopeCommand::Remove { scope, context } => {
            let query = context.as_ref().map(|context| escaped(context.as_str()));
            let query = query.map(|context| format!("?participantContext={context}"));
            let path = format!("/api/v1/scopes/{}", escaped(scope.as_str()));
            client.delete(&format!("{path}{}", query.unwrap_or_default())).await?;
            let removed = serde_json::json!({ "removed": scope });
            output.record(&removed, &format!("the scope {scope} stands for nothing any more"))
        }
    }
}
