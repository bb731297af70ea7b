//! `moneyer store`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use moneyer_authority::Charter;
use moneyer_authority::store::{Generation, Store as _};
use moneyer_daemon::progress::Progress;
use moneyer_daemon::settings::Source;
use moneyer_store::{
    CopyError, Findings, OpenError, PostgresError, PostgresStore, SledOptions, SledStore,
    copy_to_postgres,
};
use serde::Serialize;

use crate::app::{StartError, database_options, store_options};
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::recovery::{self, RecoverArguments};
use crate::config::{Config, StoreBackend};
use crate::http::management::{BackupBody, CopiedView};

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Look whether the store holds everything it acknowledged. With `sled` the coordinator must not run.
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
    /// Copy the store in `store.path` into the database of `store.url_file`, and compare every record.
    ///
    /// The coordinator must not run, and the database must hold no store. Everything is copied or nothing, and the
    /// store that is copied stays as it is. Start with `store.backend = "postgres"` afterwards.
    Copy {
        /// What it is copied to.
        #[arg(long, value_enum)]
        to: CopyTarget,
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

/// What a store can be copied to.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum CopyTarget {
    /// The database of `store.url_file`.
    Postgres,
}

/// What was found.
#[derive(Debug, Serialize)]
struct CheckView {
    whole: bool,
    generation: u64,
    findings: Vec<String>,
}

/// What is in the database now.
#[derive(Debug, Serialize)]
struct CopiedToDatabaseView {
    database: String,
    generation: u64,
    records: u64,
}

pub(super) async fn run(
    command: &StoreCommand,
    config: &Path,
    client: impl FnOnce() -> Result<Client, Failure>,
    output: Output,
) -> Result<(), Failure> {
    match command {
        StoreCommand::Check => check(config, output).await,
        StoreCommand::Copy { to: CopyTarget::Postgres } => copy(config, output).await,
        StoreCommand::Restore { file } => {
            let (config, charter) = load(config)?;
            if config.store.backend == StoreBackend::Postgres {
                return Err(Failure::usage(
                    "the store is in a database: restore it with pg_restore or from its WAL (docs/postgres.md)",
                ));
            }
            let (path, options) = store_of(config, &charter)?;
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

fn load(config: &Path) -> Result<(Config, Charter), Failure> {
    Ok(Config::load(&Source::read(config, "MONEYER")?)?)
}

fn store_of(config: Config, charter: &Charter) -> Result<(PathBuf, SledOptions), Failure> {
    let options = store_options(&config, charter)
        .map_err(|error| Failure::bad_configuration(&crate::chain(&error)))?;
    Ok((config.store.path, options))
}

fn sentence(done: &str, file: &Path, copied: moneyer_store::Copied) -> String {
    let (file, generation, records) = (file.display(), copied.generation, copied.records);
    format!("{done} {file}: generation {generation}, {records} records")
}

/// Into the database, from a directory that nobody else has open.
async fn copy(config: &Path, output: Output) -> Result<(), Failure> {
    let (config, charter) = load(config)?;
    let to = database_options(&config, &charter)?;
    let place = to.url.shown();
    let (path, options) = store_of(config, &charter)?;
    if !path.join("IDENTITY").exists() {
        return Err(Failure::new(format!("there is no store at {}", path.display())));
    }
    let progress = Progress::start("copying the store, and comparing the copy");
    let from = SledStore::open(&path, &options).map_err(|error| Failure::damaged(&error))?;
    let copied = copy_to_postgres(&from, to).await;
    from.close().await;
    let copied = copied.map_err(|error| match error {
        CopyError::Database(error) => StartError::Database(error).into(),
        error => Failure::damaged(&error),
    })?;
    progress.finish("the store is copied, and every record compared");
    let (generation, records) = (copied.generation, copied.records);
    let text = format!("{place} holds generation {generation} ({records} records)");
    output
        .record(&CopiedToDatabaseView { database: place, generation: generation.0, records }, &text)
}

async fn check(config: &Path, output: Output) -> Result<(), Failure> {
    let (config, charter) = load(config)?;
    match config.store.backend {
        StoreBackend::Postgres => check_database(&config, &charter, output).await,
        StoreBackend::Sled => {
            let (path, options) = store_of(config, &charter)?;
            check_directory(&path, &options, output).await
        }
    }
}

/// Coordinators may run meanwhile: one state of the database is looked at.
async fn check_database(config: &Config, charter: &Charter, output: Output) -> Result<(), Failure> {
    let options = database_options(config, charter)?;
    let progress = Progress::start("reading every record");
    let checked = PostgresStore::check(options).await;
    if matches!(checked, Ok(_) | Err(PostgresError::Loss { .. })) {
        progress.finish("every record was read");
    }
    match checked {
        Ok(generation) => whole(generation, output),
        Err(error) => {
            if let PostgresError::Loss { findings, generation } = &error {
                tell_loss(findings, *generation, output)?;
            }
            Err(StartError::Database(error).into())
        }
    }
}

fn whole(generation: Generation, output: Output) -> Result<(), Failure> {
    let view = CheckView { whole: true, generation: generation.0, findings: Vec::new() };
    output.record(&view, &format!("the store is whole (generation {generation})"))
}

/// Tells programs what is missing; people read it in the failure.
fn tell_loss(findings: &Findings, generation: Generation, output: Output) -> Result<(), Failure> {
    if !output.is_json() {
        return Ok(());
    }
    let findings = findings.iter().map(str::to_owned).collect();
    output.record(&CheckView { whole: false, generation: generation.0, findings }, "")
}

async fn check_directory(
    path: &Path,
    options: &SledOptions,
    output: Output,
) -> Result<(), Failure> {
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
            let generation = store.generation();
            store.close().await;
            whole(generation, output)
        }
        Err(error) => {
            if let OpenError::Loss { findings, generation, .. } = &error {
                tell_loss(findings, *generation, output)?;
            }
            Err(Failure::damaged(&error))
        }
    }
}
