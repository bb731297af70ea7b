//! `moneyer mapping`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use moneyer_authority::exchange::{ClientIdentifier, ParticipantContext, ScopeName};
use moneyer_daemon::progress::Progress;
use moneyer_identity::{Audience, Lifetime, UnixTime};
use serde_json::Value;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::input;
use crate::cli::output::{Column, Output, joined, json, optional_time};
use crate::http::management::{ExchangeDecision, ExchangeQuestion, MappingJson, escaped};

/// Longest file that is imported, in bytes: what the management API takes.
const MAXIMUM_IMPORT_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum MappingCommand {
    /// Say what a client may ask for in a participant context.
    ///
    /// A client is a service account, `system:serviceaccount:NAMESPACE:NAME`, or with `*` for the name every one of a
    /// namespace that has no mapping of its own: `moneyer mapping put 'system:serviceaccount:ci:*' pc1 --scope read
    /// --audience https://api.example`. Without an audience its tokens are for `tokens.default_audience` alone.
    Put(PutArguments),
    /// List the mappings.
    List {
        /// Only those of this client.
        #[arg(long, value_name = "CLIENT")]
        client: Option<ClientIdentifier>,
        /// Only those for this context.
        #[arg(long, value_name = "CONTEXT")]
        context: Option<ParticipantContext>,
    },
    /// Remove a mapping, or every one of a client.
    Remove {
        /// The client.
        client: ClientIdentifier,
        /// The participant context. Without: every one of the client.
        context: Option<ParticipantContext>,
    },
    /// Write every mapping as JSON, as `import` takes it.
    Export,
    /// Make or change every mapping in a file: a JSON array. All of them or, where one is wrong, none.
    Import {
        /// The file; `-` for standard input.
        file: PathBuf,
    },
    /// Say what a client would get, and why. Fails where it would get nothing.
    Explain(ExplainArguments),
}

#[derive(Debug, Args)]
pub(super) struct PutArguments {
    /// The client, or every one of a namespace.
    client: ClientIdentifier,
    /// The participant context: the subject of its tokens.
    context: ParticipantContext,
    /// A scope it may ask for. May be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<ScopeName>,
    /// An audience it may ask for. May be given several times.
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<Audience>,
    /// Switch it off: it refuses until it is put without this.
    #[arg(long)]
    disabled: bool,
    /// From when it does not count, in seconds since 1970.
    #[arg(long, value_name = "SECONDS")]
    expires_at: Option<i64>,
    /// How long its tokens live, in seconds. Without: `tokens.default_lifetime`.
    #[arg(long, value_name = "SECONDS")]
    token_lifetime: Option<u32>,
    /// The uid of the service account: one made again under the same name gets nothing.
    #[arg(long, value_name = "UID")]
    service_account_uid: Option<String>,
    /// Let each proof be exchanged once.
    #[arg(long)]
    spend_once: bool,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The client.
    client: ClientIdentifier,
    /// The participant context it asks for.
    context: ParticipantContext,
    /// A scope it asks for. May be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<ScopeName>,
    /// An audience it asks for. May be given several times.
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<Audience>,
    /// The uid of its service account, for a mapping that names one.
    #[arg(long, value_name = "UID")]
    service_account_uid: Option<String>,
}

const COLUMNS: &[Column<MappingJson>] = &[
    ("CLIENT", |mapping| mapping.client_identifier.to_string()),
    ("CONTEXT", |mapping| mapping.participant_context.to_string()),
    ("SCOPES", |mapping| joined(&mapping.scopes)),
    ("AUDIENCES", |mapping| joined(&mapping.audiences)),
    ("ENABLED", |mapping| if mapping.enabled { "yes" } else { "no" }.to_owned()),
    ("EXPIRES", |mapping| optional_time(mapping.expires_at)),
];

pub(super) async fn run(
    command: &MappingCommand,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    match command {
        MappingCommand::Put(arguments) => {
            let mapping = arguments.mapping();
            client.change("/api/v1/mappings", &vec![&mapping]).await?;
            let (who, context) = (&mapping.client_identifier, &mapping.participant_context);
            output.record(&mapping, &format!("{who} may ask for tokens of {context}"))
        }
        MappingCommand::List { client: named, context } => {
            let mappings = list(client, named.as_ref(), context.as_ref()).await?;
            output.records(&mappings, COLUMNS)
        }
        MappingCommand::Remove { client: named, context } => {
            let of_client = format!("/api/v1/mappings/{}", escaped(named.as_str()));
            let path = match context {
                Some(context) => format!("{of_client}/{}", escaped(context.as_str())),
                None => of_client,
            };
            client.delete(&path).await?;
            let removed = serde_json::json!({ "removed": { "clientIdentifier": named, "participantContext": context } });
            output.record(&removed, &format!("{named} is given no such token any more"))
        }
        MappingCommand::Export => json(&list(client, None, None).await?),
        MappingCommand::Import { file } => import(file, client, output).await,
        MappingCommand::Explain(arguments) => explain(arguments, client, output).await,
    }
}

async fn list(
    client: &Client,
    named: Option<&ClientIdentifier>,
    context: Option<&ParticipantContext>,
) -> Result<Vec<MappingJson>, Failure> {
    let mut filters = Vec::new();
    filters.extend(named.map(|name| format!("clientIdentifier={}", escaped(name.as_str()))));
    filters.extend(context.map(|name| format!("participantContext={}", escaped(name.as_str()))));
    client.get(&format!("/api/v1/mappings?{}", filters.join("&"))).await
}

/// The coordinator judges each, so that what is wrong is told in its words and nothing is half done.
async fn import(file: &Path, client: &Client, output: Output) -> Result<(), Failure> {
    let text = input::text(file, MAXIMUM_IMPORT_BYTES + 1)?;
    let mappings: Vec<Value> = serde_json::from_str(&text)
        .map_err(|error| Failure::of(&format!("{} is no JSON array", file.display()), &error))?;
    let count = mappings.len();
    let progress = Progress::start(&format!("importing {count} mappings"));
    client.change("/api/v1/mappings", &mappings).await?;
    progress.finish("imported");
    let imported = serde_json::json!({ "imported": count });
    output.record(&imported, &format!("{count} mappings are in force"))
}

async fn explain(
    arguments: &ExplainArguments,
    client: &Client,
    output: Output,
) -> Result<(), Failure> {
    let question = ExchangeQuestion {
        client_identifier: arguments.client.clone(),
        participant_context: arguments.context.clone(),
        scopes: arguments.scopes.iter().cloned().collect(),
        audiences: arguments.audiences.clone(),
        service_account_uid: arguments.service_account_uid.clone(),
    };
    let decision: ExchangeDecision = client.post("/api/v1/mapping-decision", &question).await?;
    output.record(&decision, &explained(&question, &decision))?;
    if decision.granted {
        return Ok(());
    }
    Err(Failure::new(format!("{} would get no token", question.client_identifier)))
}

fn explained(question: &ExchangeQuestion, decision: &ExchangeDecision) -> String {
    let (client, context) = (&question.client_identifier, &question.participant_context);
    let mut lines = Vec::new();
    match &decision.reason {
        None => {
            let claims = serde_json::to_string(&decision.claims).unwrap_or_default();
            let lifetime = decision.lifetime.map(|lifetime| lifetime.to_string());
            lines.push(format!("{client} would get a token of {context}"));
            lines.push(format!("audiences  {}", joined(&decision.audiences)));
            lines.push(format!("claims     {claims}"));
            lines.push(format!("lifetime   {} at most", lifetime.unwrap_or_default()));
        }
        Some(reason) => lines.push(format!("{client} would get nothing: {reason}")),
    }
    match &decision.mapping {
        Some(mapping) => lines.push(format!(
            "decided by the mapping of {} for {context} (scopes: {}; audiences: {})",
            mapping.client_identifier,
            joined(&mapping.scopes),
            joined(&mapping.audiences)
        )),
        None => lines.push("there is no mapping of its own, nor of its namespace".to_owned()),
    }
    lines.join("\n")
}

impl PutArguments {
    fn mapping(&self) -> MappingJson {
        MappingJson {
            client_identifier: self.client.clone(),
            participant_context: self.context.clone(),
            scopes: self.scopes.iter().cloned().collect(),
            audiences: self.audiences.iter().cloned().collect::<BTreeSet<_>>(),
            enabled: !self.disabled,
            expires_at: self.expires_at.map(UnixTime),
            token_lifetime: self.token_lifetime.map(Lifetime::from_seconds),
            service_account_uid: self.service_account_uid.clone(),
            spend_once: self.spend_once,
        }
    }
}
