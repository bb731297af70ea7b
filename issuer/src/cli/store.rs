//! `moneyer store`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use moneyer_authority::store::Store as _;
use moneyer_daemon::progress::Progress;
use moneyer_daemon::settings::Source;
use moneyer_store::{OpenError, SledOptions, SledStore};
use serde::Serialize;

use crate::app::store_options;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::recovery::{self, RecoverArguments};
use crate::config::Config;
use crate::http::management::{BackupBody, CopiedView};

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Look whether the store holds everything it acknowledged. The coordinator must not run.
    ///
    /// Every record is read and compared with what there must be. What is missing or changed is named.
    Check,
    /// Copy the whole store of a running coordinator into a new file, and verify the copy.
    ///
    /// Private keys are sealed in it as they are in the store: keep the seal key elsewhere.
    Backup {
        /// The file, on the coordinator's machine. One that exists is not overwritten.
        file: PathBuf,
    },
    /// Make the store of a copy. The coordinator must not run, and its store's directory must be empty.
    ///
    /// The store is another incarnation afterwards: what runners have seen of the one before does not
    /// bind it.
    Restore {
        /// The copy.
        file: PathBuf,
    },
    /// Seal every private key anew under the present seal key, in a running coordinator.
    ///
    /// First name the new key as `seal.key_file` and the old one in `seal.older_key_files`, and restart. When
    /// this is done nothing needs the old key but older copies.
    Rekey,
    /// Get a lost seal key back from a recovery copy, with the identity that is kept offline for it.
    ///
    /// The copy is the one in the store's directory, or in a backup. The key is written when it was seen to
    /// open the store, or the backup, and never over a file that is there. Earlier keys that were in use
    /// beside it go to files beside it.
    Recover(RecoverArguments),
}

/// What was found.
#[derive(Debug, Serialize)]
struct CheckView {
    whole: bool,
    generation: u64,
    findings: Vec<String>,
}

pub(super) async fn run(
    command: &StoreCommand,
    config: &Path,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: Output,
) -> Result<(), Failure> {
    match command {
        StoreCommand::Check => {
            let (path, options) = store_of(config)?;
            check(&path, &options, output).await
        }
        StoreCommand::Restore { file } => {
            let (path, options) = store_of(config)?;
            let progress = Progress::start("restoring the store");
            let copied = SledStore::restore(file, &path, &options)
                .map_err(|error| Failure::damaged(&error))?;
            progress.finish("the store is restored");
            output.record(&CopiedView::of(file, copied), &sentence("restored", file, copied))
        }
        StoreCommand::Recover(arguments) => recovery::run(arguments, config, output),
        StoreCommand::Backup { file } => {
            let file = std::path::absolute(file)
                .map_err(|error| Failure::of("cannot tell where the file is", &error))?;
            let progress = Progress::start("copying the store");
            let body = BackupBody { file: file.clone() };
            let view: CopiedView = client()?.post("/api/v1/store/backup", &body).await?;
            progress.finish("the store is copied and the copy verified");
            let text = format!(
                "{} holds generation {} ({} records)",
                file.display(),
                view.generation,
                view.records
            );
            output.record(&view, &text)
        }
        StoreCommand::Rekey => {
            let progress = Progress::start("sealing every private key anew");
            let view: serde_json::Value =
                client()?.post("/api/v1/store/rekey", &serde_json::json!({})).await?;
            progress.finish("every private key is sealed anew");
            output.record(&view, "every private key is sealed under the present key")
        }
    }
}

fn store_of(config: &Path) -> Result<(PathBuf, SledOptions), Failure> {
    let (config, charter) = Config::load(&Source::read(config, "MONEYER")?)?;
    let options = store_options(&config, &charter)
        .map_err(|error| Failure::bad_configuration(&crate::chain(&error)))?;
    Ok((config.store.path, options))
}

fn sentence(done: &str, file: &Path, copied: moneyer_store::Copied) -> String {
    let (file, generation, records) = (file.display(), copied.generation, copied.records);
    format!("{done} {file}: generation {generation}, {records} records")
}

async fn check(path: &Path, options: &SledOptions, output: Output) -> Result<(), Failure> {
    if !path.exists() {
        return Err(Failure::new(format!("there is no store at {}", path.display())));
    }
    let progress = Progress::start("reading every record");
    let opened = SledStore::open(path, options);
    if matches!(opened, Ok(_) | Err(OpenError::Loss { .. })) {
        progress.finish("every record was read");
    }
    match opened {
        Ok(store) => {
            let generation = store.generation().0;
            store.close().await;
            let view = CheckView { whole: true, generation, findings: Vec::new() };
            output.record(&view, &format!("the store is whole (generation {generation})"))
        }
        Err(error) => {
            if let (true, OpenError::Loss { findings, generation, .. }) = (output.is_json(), &error)
            {
                let findings = findings.iter().map(str::to_owned).collect();
                let view = CheckView { whole: false, generation: generation.0, findings };
                output.record(&view, "")?;
            }
            Err(Failure::damaged(&error))
        }
    }
}
