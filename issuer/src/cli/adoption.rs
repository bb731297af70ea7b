//! `moneyer key adopt`: before the first start, by the configuration alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use moneyer_authority::Charter;
use moneyer_authority::audit::Actor;
use moneyer_authority::signer::KeyKind;
use moneyer_daemon::progress::Progress;
use moneyer_daemon::settings::Source;
use moneyer_identity::{Algorithm, IssuerUrl, KeyId, SystemClock, UnixTime};
use serde::Serialize;

use crate::adoption::{Adopted, AdoptionError, AdoptionTerms, LegacyServerDirectory, SavedKeySet};
use crate::app::{Settled, check_unsettled, settle};
use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output, json, print, time};
use crate::cli::serve::{guarded_clock, harden};
use crate::config::Config;

/// What is adopted, and how.
#[derive(Debug, Args)]
pub(super) struct AdoptArguments {
    /// The `server/` directory of the original system. It is only read.
    directory: PathBuf,
    /// The issuer that tokens will name: the configured one, named again where the directory records
    /// another. The recorded one is then a previous issuer.
    #[arg(long, value_name = "URL")]
    issuer: Option<IssuerUrl>,
    /// An issuer that living tokens may name and no file of the directory records.
    #[arg(long = "previous-issuer", value_name = "URL")]
    previous_issuers: Vec<IssuerUrl>,
    /// The key set that the old issuer publishes, saved to a file: keys keep the `kid` it gives them.
    /// Without: RFC 7638 thumbprints.
    #[arg(long, value_name = "FILE")]
    key_set: Option<PathBuf>,
    /// Leave out live keys that cannot be read. Living tokens under them will fail.
    #[arg(long)]
    skip_unreadable: bool,
    /// Only say what would be adopted, or why not.
    #[arg(long)]
    dry_run: bool,
}

/// What was or would be adopted.
#[derive(Debug, Serialize)]
struct AdoptionView {
    dry_run: bool,
    issuer: IssuerUrl,
    keys: Vec<AdoptedView>,
    previous_issuers: Vec<PreviousView>,
    skipped: Vec<PathBuf>,
    next: Vec<String>,
}

#[derive(Debug, Serialize)]
struct AdoptedView {
    file: PathBuf,
    key_id: KeyId,
    algorithm: Algorithm,
    signs: bool,
    /// Until when it signs at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_until: Option<UnixTime>,
}

#[derive(Debug, Serialize)]
struct PreviousView {
    issuer: IssuerUrl,
    /// Until when it is served and verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<UnixTime>,
}

const COLUMNS: &[Column<AdoptedView>] = &[
    ("KEY", |key| key.key_id.as_str().to_owned()),
    ("ALGORITHM", |key| key.algorithm.as_str().to_owned()),
    ("FROM NOW ON", |key| if key.signs { "signs" } else { "verifies" }.to_owned()),
    ("FILE", |key| key.file.display().to_string()),
];

pub(super) async fn run(
    arguments: &AdoptArguments,
    config: &Path,
    output: Output,
) -> Result<(), Failure> {
    let (config, charter) = Config::load(&Source::read(config, "MONEYER")?)?;
    check_issuer(arguments, &charter)?;
    harden()?;
    let adopted = read(arguments, &charter).map_err(|error| refused(&error))?;
    let mut view = view(arguments, &charter, &adopted);
    if arguments.dry_run {
        check_unsettled(&config, &charter, Arc::new(SystemClock)).await?;
    } else {
        let progress = Progress::start("writing the keys into the store");
        let clock = guarded_clock(&config)?;
        let who = Actor::Operator { uid: rustix::process::geteuid().as_raw() };
        let settled = settle(&config, &charter, clock.clone(), &who, adopted).await?;
        clock.keep_or_say();
        progress.finish("the keys are in the store");
        view.complete(settled);
    }
    show(&view, output)
}

fn check_issuer(arguments: &AdoptArguments, charter: &Charter) -> Result<(), Failure> {
    match &arguments.issuer {
        Some(issuer) if *issuer != charter.issuer => Err(Failure::usage(format!(
            "--issuer is {issuer}, and issuer.url is {}: tokens name what is configured, so set \
             issuer.url first",
            charter.issuer
        ))),
        _ => Ok(()),
    }
}

fn read(arguments: &AdoptArguments, charter: &Charter) -> Result<Adopted, AdoptionError> {
    let key_set = arguments.key_set.as_deref().map(SavedKeySet::read).transpose()?;
    let terms = AdoptionTerms {
        issuer: Some(charter.issuer.clone()),
        issuer_changes: arguments.issuer.is_some(),
        key_set,
        previous_issuers: arguments.previous_issuers.clone(),
        skip_unreadable: arguments.skip_unreadable,
    };
    LegacyServerDirectory::new(&arguments.directory).read(&terms)
}

/// What lies in the directory is at fault, but for an issuer that is not the configured one.
fn refused(error: &AdoptionError) -> Failure {
    match error {
        AdoptionError::OtherIssuer { .. } => Failure::bad_configuration(&crate::chain(error)),
        AdoptionError::Unreadable(skipped) => {
            let reasons = skipped.iter().map(|one| format!("\n  {}", crate::chain(&one.cause)));
            Failure::refused_data(format!("{error}{}", reasons.collect::<String>()))
        }
        _ => Failure::damaged(error),
    }
}

fn view(arguments: &AdoptArguments, charter: &Charter, adopted: &Adopted) -> AdoptionView {
    let mut keys = Vec::new();
    let mut add = |file: &Path, key_id: &KeyId, algorithm: Algorithm, signs: bool| {
        let (file, key_id) = (file.to_owned(), key_id.clone());
        keys.push(AdoptedView { file, key_id, algorithm, signs, sign_until: None });
    };
    let primary = &adopted.primary;
    let algorithm = primary.key.verifying_key().algorithm();
    add(&primary.file, &primary.key_id, algorithm, true);
    for found in &adopted.live {
        add(&found.file, &found.key_id, found.key.verifying_key().algorithm(), false);
    }
    for found in &adopted.previous {
        add(&found.file, &found.key_id, found.key.verifying_key().algorithm(), false);
    }
    let previous = adopted.previous_issuers.iter();
    AdoptionView {
        dry_run: arguments.dry_run,
        issuer: charter.issuer.clone(),
        keys,
        previous_issuers: previous
            .map(|one| PreviousView { issuer: one.issuer.clone(), until: None })
            .collect(),
        skipped: adopted.skipped.iter().map(|one| one.file.clone()).collect(),
        next: next(arguments, charter, algorithm),
    }
}

impl AdoptionView {
    /// Adds the times that are known once it is done.
    fn complete(&mut self, settled: Settled) {
        for key in &mut self.keys {
            let record = settled.keys.iter().find(|record| record.key_id == key.key_id);
            key.sign_until = record.filter(|_| key.signs).and_then(|record| record.sign_until);
        }
        let previous = settled.previous_issuers.into_iter();
        self.previous_issuers =
            previous.map(|(issuer, until)| PreviousView { issuer, until: Some(until) }).collect();
    }
}

/// What the person does now, and what happens then.
fn next(arguments: &AdoptArguments, charter: &Charter, primary: Algorithm) -> Vec<String> {
    if arguments.dry_run {
        return vec!["nothing was written; run it again without --dry-run".to_owned()];
    }
    let mut next = vec!["stop the old issuer, then start: moneyer serve".to_owned()];
    if primary == Algorithm::EdDsa {
        let made = match charter.key_kinds.primary {
            KeyKind::P256 => "ES256",
            KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096 => "RS256",
        };
        let hours = charter.schedule.publish_before_use().as_secs() / 3600;
        next.push(format!(
            "the EdDSA key signs on; the start makes an {made} key, which signs once it was \
             published for {hours} h (keys.publish_before_use)"
        ));
    }
    next.push("watch the keys: moneyer key list".to_owned());
    next
}

fn show(view: &AdoptionView, output: Output) -> Result<(), Failure> {
    if output.is_json() {
        return json(view);
    }
    output.records(&view.keys, COLUMNS)?;
    let verb = if view.dry_run { "would be" } else { "is" };
    let mut lines = vec![format!("issuer {verb} {}", view.issuer)];
    for one in &view.previous_issuers {
        let until =
            one.until.map_or_else(String::new, |at| format!(" (served until {})", time(at)));
        lines.push(format!("previous issuer {}{until}", one.issuer));
    }
    for file in &view.skipped {
        lines.push(format!("left out {}: its tokens will fail", file.display()));
    }
    lines.extend(view.next.iter().map(|step| format!("next: {step}")));
    print(&format!("{}\n", lines.join("\n")))
}
