//! `moneyer key`.

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use moneyer_authority::keys::Waiting;
use moneyer_daemon::progress::Progress;
use moneyer_identity::{Algorithm, KeyId, KeySet};
use serde::Serialize;

use crate::cli::adoption::{self, AdoptArguments};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::import::{self, ImportArguments};
use crate::cli::living_tokens::{self, LivingTokens, living_tokens};
use crate::cli::output::{Column, Output, json, optional_time, print, time};
use crate::cli::x509_authorities;
use crate::http::management::{KeyCommandBody, KeyStepsView, KeyVerb, KeyView, StepView};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List the signing keys in published order, the active one first, and what comes next for each.
    ///
    /// The authorities of X.509-SVIDs follow in a table of their own. As JSON they are listed with --x509.
    List {
        /// The authorities of X.509-SVIDs alone.
        #[arg(long)]
        x509: bool,
    },
    /// Make the next key and publish it. It signs when its turn comes.
    Prepare {
        /// Of which algorithm, where the cluster has keys of two: RS256 or ES256. Without: keys.algorithm.
        #[arg(long, value_name = "ALGORITHM", conflicts_with = "x509")]
        algorithm: Option<Algorithm>,
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
    /// take them until their cache ends. Every token of it that is not dead yet is listed. With --x509 the
    /// same of the authorities of X.509-SVIDs: runners get new SVIDs at once.
    Rotate {
        /// Do not wait: a key is out of its owner's hands.
        #[arg(long)]
        emergency: bool,
        /// The key to withdraw. Without: every one that signs.
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
    /// Print the public keys, for a relying party that fetches no key set.
    ///
    /// It is a copy of this moment: print it anew before a prepared key signs (`moneyer key list` says
    /// when), or tokens of that key are refused there.
    Export {
        /// A key set, as Google Cloud takes it for upload (without the certificates of keys.x5c); or PEM, the
        /// active key first.
        #[arg(long, value_enum, default_value_t = PublicForm::Jwks)]
        form: PublicForm,
        /// The certificates of the authorities of X.509-SVIDs instead, PEM, the active one first.
        #[arg(long, conflicts_with = "form")]
        x509: bool,
    },
    /// Forget retired keys whose tokens are all dead.
    Prune {
        /// Which key. Without: every such key.
        key: Option<KeyId>,
        #[command(flatten)]
        trial: Trial,
    },
}

/// In what form public keys are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PublicForm {
    /// A key set (RFC 7517).
    Jwks,
    /// PEM, each key behind a line with its id and algorithm.
    Pem,
}

/// Whether it is only tried, and with which ring.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Trial {
    /// Only say what would be done, or why not now.
    #[arg(long)]
    dry_run: bool,
    /// An authority of X.509-SVIDs is meant, not a key that signs tokens.
    #[arg(long)]
    x509: bool,
}

/// What keys of a ring sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signs {
    Tokens,
    X509Svids,
}

const COLUMNS: &[Column<KeyView>] = &[
    ("KEY", |key| key.key_id.as_str().to_owned()),
    ("STATE", |key| key.state.as_str().to_owned()),
    ("ALGORITHM", |key| key.algorithm.map_or("-", |algorithm| algorithm.as_str()).to_owned()),
    ("PUBLISHED", |key| optional_time(key.published_at)),
    ("SIGNS SINCE", |key| optional_time(key.activated_at)),
    ("SIGNS UNTIL", |key| optional_time(key.sign_until)),
    ("NEXT", |key| {
        key.next.as_ref().map_or_else(|| "-".to_owned(), |step| next(step, Signs::Tokens))
    }),
];

pub(super) async fn run(
    command: &KeyCommand,
    config: &Path,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: Output,
) -> Result<(), Failure> {
    let (verb, key_id, trial) = match command {
        KeyCommand::List { x509 } => return list(*x509, &client()?, output).await,
        KeyCommand::Export { x509: true, .. } => return x509_authorities::export(&client()?).await,
        KeyCommand::Export { form, .. } => return export(*form, &client()?).await,
        KeyCommand::Import(arguments) => return import::run(arguments, client, output).await,
        KeyCommand::Adopt(arguments) => return adoption::run(arguments, config, output).await,
        KeyCommand::Prepare { trial, .. } => (KeyVerb::Prepare, None, trial),
        KeyCommand::Activate { key, trial } => (KeyVerb::Activate, key.clone(), trial),
        KeyCommand::Rotate { emergency: true, key, trial } => {
            (KeyVerb::Emergency, key.clone(), trial)
        }
        KeyCommand::Rotate { trial, .. } => (KeyVerb::Rotate, None, trial),
        KeyCommand::Retire { key, trial } => (KeyVerb::Retire, Some(key.clone()), trial),
        KeyCommand::Prune { key, trial } => (KeyVerb::Prune, key.clone(), trial),
    };
    let algorithm = match command {
        KeyCommand::Prepare { algorithm, .. } => *algorithm,
        _ => None,
    };
    let body = KeyCommandBody { command: verb, key_id, algorithm, dry_run: trial.dry_run };
    let (signs, path) = if trial.x509 {
        (Signs::X509Svids, x509_authorities::PATH)
    } else {
        (Signs::Tokens, "/api/v1/keys")
    };
    let answer: KeyStepsView = client()?.post(path, &body).await?;
    let is_done = verb == KeyVerb::Emergency && !trial.dry_run;
    match signs {
        Signs::Tokens if is_done => report_emergency(config, &answer, output),
        Signs::X509Svids if is_done => x509_authorities::report_emergency(&answer, output),
        _ => output.record(&answer, &described(&answer, signs)),
    }
}

async fn list(x509: bool, client: &Client, output: Output) -> Result<(), Failure> {
    if x509 {
        return x509_authorities::list(client, output).await;
    }
    let keys: Vec<KeyView> = client.get("/api/v1/keys").await?;
    output.records(&keys, COLUMNS)?;
    if output.is_json() {
        return Ok(());
    }
    print("\n")?;
    x509_authorities::list(client, output).await
}

async fn export(form: PublicForm, client: &Client) -> Result<(), Failure> {
    let mut document: serde_json::Value = client.get("/api/v1/keys/published").await?;
    // Google takes no member that it does not know.
    let keys = document.get_mut("keys").and_then(serde_json::Value::as_array_mut);
    let keys = keys.into_iter().flatten();
    keys.filter_map(serde_json::Value::as_object_mut).for_each(|key| drop(key.remove("x5c")));
    if form == PublicForm::Jwks {
        return json(&document);
    }
    let keys = KeySet::parse(document.to_string().as_bytes());
    let keys = keys.map_err(|error| Failure::of("the coordinator's key set is none", &error))?;
    for key in keys.iter() {
        let pem = key.to_pem().map_err(|error| Failure::of("a key cannot be written", &error))?;
        print(&format!("# {} {}\n{pem}", key.key_id(), key.algorithm()))?;
    }
    Ok(())
}

/// What was withdrawn, and the tokens that relying parties may still take from their caches. The deed is
/// told first, and whatever becomes of the list, it was done.
fn report_emergency(config: &Path, answer: &KeyStepsView, output: Output) -> Result<(), Failure> {
    if !output.is_json() {
        print(&withdrawn(answer, Signs::Tokens))?;
    }
    let progress = Progress::start("looking for living tokens in the audit log");
    let withdrawn: Vec<_> = answer.steps.iter().flat_map(|step| &step.key_ids).collect();
    let living = living_tokens(config, &withdrawn);
    progress.finish(if living.is_ok() { "the audit log was searched" } else { "it was not read" });
    if output.is_json() {
        return json(&EmergencyView {
            steps: answer,
            problem: living.as_ref().err().map(|failure| failure.reason().to_owned()),
            living: living.ok(),
        });
    }
    let living = match living {
        Ok(living) => living,
        Err(failure) => {
            return print(&format!(
                "the withdrawal is in force, but its living tokens are not listed: {}\n\
                 list them as the daemon's user: moneyer audit query --event token_minted --kid KEY\n",
                failure.reason()
            ));
        }
    };
    if let Some(since) = living.complete_since {
        print(&format!(
            "older files of the audit log are not here: listed since {}\n",
            time(since)
        ))?;
    }
    let tokens = living.living_tokens;
    print(&format!("living tokens of withdrawn keys: {}\n", tokens.len()))?;
    if tokens.is_empty() { Ok(()) } else { output.records(&tokens, living_tokens::COLUMNS) }
}

/// An emergency as JSON.
#[derive(Serialize)]
struct EmergencyView<'a> {
    #[serde(flatten)]
    steps: &'a KeyStepsView,
    #[serde(flatten)]
    living: Option<LivingTokens>,
    /// Why living tokens are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// That keys were withdrawn, and which one signs now.
pub(super) fn withdrawn(answer: &KeyStepsView, signs: Signs) -> String {
    let now = answer.signs.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    format!("{}\nsigns now: {now}\n", described(answer, signs))
}

/// What was or would be done, and what comes next.
fn described(answer: &KeyStepsView, signs: Signs) -> String {
    let begins = if answer.dry_run { "would" } else { "did" };
    let mut lines: Vec<String> =
        answer.steps.iter().map(|step| format!("{begins}: {}", sentence(step, signs))).collect();
    if lines.is_empty() {
        lines.push("nothing is to be done now".to_owned());
    }
    // That a key is served is written down by itself a moment later, and the end of one that signs is moved
    // out by itself: nothing an operator waits for.
    let is_awaited = |step: &&StepView| !matches!(step.step.as_str(), "publish" | "extend");
    if let Some(first) = answer.outlook.iter().find(is_awaited) {
        lines.push(format!("next: {}", next(first, signs)));
    }
    lines.join("\n")
}

fn sentence(step: &StepView, signs: Signs) -> String {
    let keys = step.key_ids.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
    match step.step.as_str() {
        "prepare" if signs == Signs::X509Svids => "prepare a new authority".to_owned(),
        "prepare" => "prepare a new key".to_owned(),
        "request" => "hold the next round as soon as publication before use allows".to_owned(),
        verb => format!("{verb} {keys}"),
    }
}

/// What comes next, when, and what it waits for.
pub(super) fn next(step: &StepView, signs: Signs) -> String {
    let waits_for = match (step.waits_for, signs) {
        (Some(Waiting::Publication), Signs::Tokens) => {
            " (waits until relying parties are seen to be served it; see `moneyer publish status`)"
        }
        (Some(Waiting::Publication), Signs::X509Svids) => {
            " (waits until the trust bundle lists it)"
        }
        (Some(Waiting::PublishBeforeUse), Signs::Tokens) => {
            " (cached key sets may lack it until then)"
        }
        (Some(Waiting::PublishBeforeUse), Signs::X509Svids) => {
            " (trust bundles of peers may lack it until then)"
        }
        (Some(Waiting::LivingTokens), Signs::Tokens) => " (its tokens may live until then)",
        (Some(Waiting::LivingTokens), Signs::X509Svids) => " (its SVIDs may live until then)",
        (Some(Waiting::Schedule) | None, _) => "",
    };
    match step.at {
        Some(at) => format!("{} at {}{waits_for}", step.step, time(at)),
        None => format!("{}{waits_for}", step.step),
    }
}
