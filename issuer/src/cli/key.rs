//! `moneyer key`.

use std::path::Path;

use clap::{Args, Subcommand};
use moneyer_authority::keys::Waiting;
use moneyer_daemon::progress::Progress;
use moneyer_identity::{Clock as _, KeyId, SystemClock};

use crate::cli::adoption::{self, AdoptArguments};
use crate::cli::audit::{LIVING_TOKENS, living_tokens};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::import::{self, ImportArguments};
use crate::cli::output::{Column, Output, json, optional_time, print, time};
use crate::http::management::{KeyCommandBody, KeyStepsView, KeyVerb, KeyView, StepView};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List the signing keys in published order, the active one first, and what comes next for each.
    List,
    /// Make the next key and publish it. It signs when its turn comes.
    Prepare {
        #[command(flatten)]
        trial: Trial,
    },
    /// Sign with a prepared key from now on, if it was published long enough.
    Activate {
        /// Which key. Without: the one whose turn is next.
        key: Option<KeyId>,
        #[command(flatten)]
        trial: Trial,
    },
    /// Hold the next round now: prepare a key and let it sign as soon as it was published long enough.
    ///
    /// With --emergency: withdraw a key at once, and every prepared key beside it, and sign with a new
    /// one. Tokens of a withdrawn key verify no more; relying parties that have cached the key set may
    /// take them until their cache ends. Every token of it that is not dead yet is listed.
    Rotate {
        /// Do not wait: a key is out of its owner's hands.
        #[arg(long)]
        emergency: bool,
        /// The key to withdraw. Without: the active one.
        #[arg(long, value_name = "KEY", requires = "emergency")]
        key: Option<KeyId>,
        #[command(flatten)]
        trial: Trial,
    },
    /// Give up a prepared key. It never signs.
    Retire {
        /// Which key.
        key: KeyId,
        #[command(flatten)]
        trial: Trial,
    },
    /// Go on verifying tokens of another issuer, in a running coordinator. Its keys never sign here.
    ///
    /// The files are read by this command, and only public halves are sent. A key stays in the key set for
    /// a day and five minutes, the longest that a token lives: import when the other issuer has stopped.
    Import(ImportArguments),
    /// Take over a cluster of the original system, before the first start: its keys and its issuers.
    ///
    /// The key that signs there signs here too, since relying parties know it. An Ed25519 key does so until its
    /// successor has been published for `keys.publish_before_use`. The coordinator must not run, and its store
    /// must have no keys.
    Adopt(AdoptArguments),
    /// Forget retired keys whose tokens are all dead.
    Prune {
        /// Which key. Without: every such key.
        key: Option<KeyId>,
        #[command(flatten)]
        trial: Trial,
    },
}

/// Whether it is only tried.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Trial {
    /// Only say what would be done, or why not now.
    #[arg(long)]
    dry_run: bool,
}

const COLUMNS: &[Column<KeyView>] = &[
    ("KEY", |key| key.key_id.as_str().to_owned()),
    ("STATE", |key| key.state.as_str().to_owned()),
    ("ALGORITHM", |key| key.algorithm.map_or("-", |algorithm| algorithm.as_str()).to_owned()),
    ("PUBLISHED", |key| optional_time(key.published_at)),
    ("SIGNS SINCE", |key| optional_time(key.activated_at)),
    ("SIGNS UNTIL", |key| optional_time(key.sign_until)),
    ("NEXT", |key| key.next.as_ref().map_or_else(|| "-".to_owned(), next)),
];

pub(super) async fn run(
    command: &KeyCommand,
    config: &Path,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: Output,
) -> Result<(), Failure> {
    let (verb, key_id, trial) = match command {
        KeyCommand::List => {
            let keys: Vec<KeyView> = client()?.get("/api/v1/keys").await?;
            return output.records(&keys, COLUMNS);
        }
        KeyCommand::Import(arguments) => return import::run(arguments, client, output).await,
        KeyCommand::Adopt(arguments) => return adoption::run(arguments, config, output).await,
        KeyCommand::Prepare { trial } => (KeyVerb::Prepare, None, trial),
        KeyCommand::Activate { key, trial } => (KeyVerb::Activate, key.clone(), trial),
        KeyCommand::Rotate { emergency: true, key, trial } => {
            (KeyVerb::Emergency, key.clone(), trial)
        }
        KeyCommand::Rotate { trial, .. } => (KeyVerb::Rotate, None, trial),
        KeyCommand::Retire { key, trial } => (KeyVerb::Retire, Some(key.clone()), trial),
        KeyCommand::Prune { key, trial } => (KeyVerb::Prune, key.clone(), trial),
    };
    let body = KeyCommandBody { command: verb, key_id, dry_run: trial.dry_run };
    let answer: KeyStepsView = client()?.post("/api/v1/keys", &body).await?;
    if verb == KeyVerb::Emergency {
        return report_emergency(config, &answer, output);
    }
    output.record(&answer, &described(&answer))
}

/// What was withdrawn, and the tokens that relying parties may still take from their caches.
fn report_emergency(config: &Path, answer: &KeyStepsView, output: Output) -> Result<(), Failure> {
    let progress = Progress::start("looking for living tokens in the audit log");
    let (mut tokens, now) = (Vec::new(), SystemClock.now());
    for key_id in answer.steps.iter().flat_map(|step| &step.key_ids) {
        tokens.extend(living_tokens(config, key_id, now)?);
    }
    progress.finish("the audit log was searched");
    if output.is_json() {
        let mut report = serde_json::to_value(answer)
            .map_err(|error| Failure::of("cannot write JSON", &error))?;
        if let Some(members) = report.as_object_mut() {
            let tokens = serde_json::to_value(&tokens)
                .map_err(|error| Failure::of("cannot write JSON", &error))?;
            members.insert("living_tokens".to_owned(), tokens);
        }
        return json(&report);
    }
    let count = tokens.len();
    print(&format!("{}\nliving tokens of withdrawn keys: {count}\n", described(answer)))?;
    if tokens.is_empty() { Ok(()) } else { output.records(&tokens, LIVING_TOKENS) }
}

/// What was or would be done, and what comes next.
fn described(answer: &KeyStepsView) -> String {
    let begins = if answer.dry_run { "would" } else { "did" };
    let mut lines: Vec<String> =
        answer.steps.iter().map(|step| format!("{begins}: {}", sentence(step))).collect();
    if lines.is_empty() {
        lines.push("nothing is to be done now".to_owned());
    }
    if let Some(first) = answer.outlook.first() {
        lines.push(format!("next: {}", next(first)));
    }
    lines.join("\n")
}

fn sentence(step: &StepView) -> String {
    let keys = step.key_ids.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
    match step.step.as_str() {
        "prepare" => "prepare a new key".to_owned(),
        "request" => "hold the next round as soon as publication before use allows".to_owned(),
        verb => format!("{verb} {keys}"),
    }
}

fn next(step: &StepView) -> String {
    let waits_for = match step.waits_for {
        Some(Waiting::Publication) => " (waits until relying parties are served it)",
        Some(Waiting::PublishBeforeUse) => " (cached key sets may lack it until then)",
        Some(Waiting::LivingTokens) => " (its tokens may live until then)",
        Some(Waiting::Schedule) | None => "",
    };
    match step.at {
        Some(at) => format!("{} at {}{waits_for}", step.step, time(at)),
        None => format!("{}{waits_for}", step.step),
    }
}
