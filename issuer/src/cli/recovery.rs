//! `moneyer store recover`.

use std::path::{Path, PathBuf};

use clap::Args;
use moneyer_daemon::settings::Source;
use moneyer_store::RecoverySource;
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::config::{Config, StoreBackend};
use crate::seal::{RecoverKeyError, Recovered, configured_place, recover};

/// What `store recover` is told.
#[derive(Debug, Args)]
pub(super) struct RecoverArguments {
    /// The file with the identity (`AGE-SECRET-KEY-1…`) of `seal.recovery_recipient`.
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// A backup to take the recovery copy of. Default: the store's directory.
    #[arg(long, value_name = "BACKUP")]
    from: Option<PathBuf>,
    /// Where the key goes: a new file. Default: `seal.key_file` of the configuration.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct RecoveredView {
    cluster: String,
    private_keys: u64,
    key_file: PathBuf,
    older_key_files: Vec<PathBuf>,
}

/// Writes the recovered key. The coordinator may run: it has the key in memory.
pub(super) fn run(
    arguments: &RecoverArguments,
    config: &Path,
    output: Output,
) -> Result<(), Failure> {
    let (config, _charter) = Config::load(&Source::read(config, "MONEYER")?)?;
    let store = config.store.path;
    if config.store.backend == StoreBackend::Postgres && arguments.from.is_none() {
        return Err(Failure::usage(format!(
            "the store is in a database: the recovery copy is {}/RECOVERY.age, and `age -d -i IDENTITY` prints the \
             seal keys in it, a line each, the one that seals first (docs/postgres.md)",
            store.display()
        )));
    }
    let source = match &arguments.from {
        Some(backup) => RecoverySource::Backup(backup.clone()),
        None => RecoverySource::Store(store.clone()),
    };
    let to = match &arguments.to {
        Some(to) => to.clone(),
        None => configured_place(&config.seal).map_err(|error| failure(&error))?,
    };
    let recovered = recover(&source, &arguments.identity, &to, &store);
    let recovered = recovered.map_err(|error| failure(&error))?;
    let text = sentence(&recovered, source.path());
    let Recovered { cluster, private_keys, key_file, older_key_files } = recovered;
    output.record(&RecoveredView { cluster, private_keys, key_file, older_key_files }, &text)
}

fn sentence(recovered: &Recovered, source: &Path) -> String {
    let Recovered { cluster, private_keys, key_file, older_key_files } = recovered;
    let mut lines = vec![format!(
        "the seal key of {cluster} is in {}; it opens {} ({private_keys} private keys)",
        key_file.display(),
        source.display(),
    )];
    lines.extend(older_key_files.iter().map(|older| {
        format!(
            "an earlier key is in {}: name it in seal.older_key_files, until `moneyer store rekey`",
            older.display()
        )
    }));
    lines.join("\n")
}

fn failure(error: &RecoverKeyError) -> Failure {
    match error {
        RecoverKeyError::Nowhere(_) => Failure::usage(error.to_string()),
        error => Failure::new(crate::chain(error)),
    }
}
