//! Opening the store as the configuration says: the one place that does.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moneyer_authority::Charter;
use moneyer_authority::store::Generation;
use moneyer_daemon::file::{ReadSecretError, read_group_secret, write_atomic};
use moneyer_store::seal::RecoveryRecipient;
use moneyer_store::{
    DatabaseUrl, DatabaseUrlError, PostgresOptions, PostgresStore, Sealing, SledOptions, SledStore,
    keep_recovery_copy,
};

use crate::app::error::StartError;
use crate::config::{Config, SealSection, StoreBackend, StoreSection};
use crate::kept_store::KeptStore;
use crate::seal::{Recovery, SealKeyError, seals};

/// Most bytes of the file with the database's URL.
const MAXIMUM_URL_BYTES: usize = 4096;

/// Where a coordinator keeps its name among those that share a store.
const NAME_FILE: &str = "coordinator_name";

/// Hexadecimal digits of that name.
const NAME_DIGITS: usize = 16;

/// Why it is not known where the database is. The URL is in none of it.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseUrlFileError {
    /// No file is named.
    #[error("store.url_file is not set: it names the file with the database's URL")]
    None,
    /// The file cannot be read, or others can.
    #[error("the file with the database's URL cannot be used")]
    Read(#[source] ReadSecretError),
    /// It holds something else.
    #[error("what {path} holds {error}", path = .path.display())]
    Url {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: DatabaseUrlError,
    },
    /// It is not text.
    #[error("what {0} holds is no text")]
    Text(PathBuf),
}

/// How secrets are sealed: with the configured keys, and under the trust domain's name if the store is new.
fn sealing(config: &Config, charter: &Charter) -> Result<Option<Sealing>, SealKeyError> {
    let seals = seals(&config.seal, &config.store)?;
    Ok(seals.map(|seals| Sealing {
        cluster: charter.parts.trust_domain.as_str().to_owned(),
        seals: Arc::new(seals),
        recovery: recovery_recipient(&config.seal),
    }))
}

/// How the store in the configured directory is opened.
pub(crate) fn store_options(
    config: &Config,
    charter: &Charter,
) -> Result<SledOptions, SealKeyError> {
    let mut options = SledOptions::default();
    options.sealing = sealing(config, charter)?;
    Ok(options)
}

/// How the store in the configured database is opened.
pub(crate) fn database_options(
    config: &Config,
    charter: &Charter,
) -> Result<PostgresOptions, StartError> {
    let store = &config.store;
    let mut options = PostgresOptions::new(database_url(store).map_err(StartError::DatabaseUrl)?);
    options.sealing = sealing(config, charter).map_err(StartError::Seal)?;
    options.ca_file.clone_from(&store.ca_file);
    options.plain_allowed = store.insecure_plain;
    options.connections = store.connections;
    options.connect_timeout = store.connect_timeout.duration();
    options.timeout = store.timeout.duration();
    options.poll_every = store.poll_every.duration();
    options.remote_apply = store.remote_apply;
    Ok(options)
}

fn database_url(store: &StoreSection) -> Result<DatabaseUrl, DatabaseUrlFileError> {
    let path = store.url_file.as_ref().ok_or(DatabaseUrlFileError::None)?;
    let bytes = read_group_secret(path, MAXIMUM_URL_BYTES).map_err(DatabaseUrlFileError::Read)?;
    let Ok(text) = std::str::from_utf8(bytes.expose()) else {
        return Err(DatabaseUrlFileError::Text(path.clone()));
    };
    DatabaseUrl::parse(text.trim())
        .map_err(|error| DatabaseUrlFileError::Url { path: path.clone(), error })
}

/// To whom the recovery copy of the seal keys is encrypted.
fn recovery_recipient(seal: &SealSection) -> Option<Arc<dyn RecoveryRecipient>> {
    Some(Arc::new(Recovery::to(seal.recovery_recipient.as_ref()?)))
}

/// Opens the store, or makes it; one that lacks what it acknowledged only at the generation that the
/// operator names.
pub(crate) async fn open_store(
    config: &Config,
    charter: &Charter,
    accept_loss: Option<Generation>,
) -> Result<KeptStore, StartError> {
    match config.store.backend {
        StoreBackend::Sled => open_directory(config, charter, accept_loss).await,
        StoreBackend::Postgres => open_database(config, charter, accept_loss).await,
    }
}

async fn open_directory(
    config: &Config,
    charter: &Charter,
    accept_loss: Option<Generation>,
) -> Result<KeptStore, StartError> {
    let mut options = store_options(config, charter).map_err(StartError::Seal)?;
    options.accept_loss = accept_loss;
    let path: PathBuf = config.store.path.clone();
    // sled reads its whole log.
    tokio::task::spawn_blocking(move || SledStore::open(&path, &options))
        .await
        .map_err(|error| StartError::Documents(error.into()))?
        .map(|store| KeptStore::Sled(Arc::new(store)))
        .map_err(StartError::Store)
}

async fn open_database(
    config: &Config,
    charter: &Charter,
    accept_loss: Option<Generation>,
) -> Result<KeptStore, StartError> {
    let mut options = database_options(config, charter)?;
    options.accept_loss = accept_loss;
    let failed = |source| StartError::OwnDirectory { path: config.store.path.clone(), source };
    make_own_directory(&config.store.path).map_err(failed)?;
    options.replica = Some(coordinator_name(&config.store.path).map_err(failed)?);
    if let Some(sealing) = &options.sealing {
        keep_recovery_copy(&config.store.path, sealing).map_err(failed)?;
    }
    let store = PostgresStore::open(options).await.map_err(StartError::Database)?;
    Ok(KeptStore::Postgres(Arc::new(store)))
}

/// The directory for what a coordinator keeps for itself.
fn make_own_directory(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The name under which the others know this coordinator. It is kept: one that starts again is the one that they
/// wait for, and not another beside it.
fn coordinator_name(directory: &Path) -> std::io::Result<String> {
    let file = directory.join(NAME_FILE);
    match std::fs::read_to_string(&file) {
        Ok(text) => {
            let name = text.trim();
            let is_name = name.len() == NAME_DIGITS && name.bytes().all(|b| b.is_ascii_hexdigit());
            let cause = "it holds no name; remove it, and the coordinator takes another";
            let damaged = || std::io::Error::new(ErrorKind::InvalidData, cause);
            is_name.then(|| name.to_owned()).ok_or_else(damaged)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let random = getrandom::u64().map_err(std::io::Error::other)?;
            let name = format!("{random:0NAME_DIGITS$x}");
            // Whole and on the disk, or not there: after a power cut half a name would keep it from starting.
            write_atomic(&file, name.as_bytes(), 0o600)?;
            Ok(name)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_coordinator_has_one_name_and_a_damaged_one_is_refused() {
        let directory = tempfile::TempDir::new().unwrap();
        let name = coordinator_name(directory.path()).unwrap();
        assert_eq!(coordinator_name(directory.path()).unwrap(), name);
        let other = tempfile::TempDir::new().unwrap();
        assert_ne!(coordinator_name(other.path()).unwrap(), name);
        for damaged in ["", "0123", "not hexadecimal!"] {
            std::fs::write(directory.path().join(NAME_FILE), damaged).unwrap();
            let refused = coordinator_name(directory.path()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidData);
        }
    }

    #[test]
    fn the_name_is_put_in_its_place_whole_and_nowhere_else() {
        let directory = tempfile::TempDir::new().unwrap();
        let (file, elsewhere) =
            (directory.path().join(NAME_FILE), directory.path().join("elsewhere"));
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        let name = coordinator_name(directory.path()).unwrap();
        // A file that was renamed to its place takes that of a link; one that is opened there does not.
        let kept = std::fs::symlink_metadata(&file).unwrap();
        assert!(kept.is_file() && !elsewhere.exists());
        assert_eq!(kept.permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), name);
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    fn url_of(text: &str, mode: u32) -> Result<DatabaseUrl, DatabaseUrlFileError> {
        let directory = tempfile::TempDir::new().unwrap();
        let file = directory.path().join("url");
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        database_url(&StoreSection { url_file: Some(file), ..StoreSection::default() })
    }

    #[test]
    fn the_file_with_the_url_is_read_up_to_its_limit_and_not_one_byte_more() {
        let url = "postgres://moneyer:secret@db.example/moneyer";
        let filled = format!("{url}{}", "\n".repeat(MAXIMUM_URL_BYTES - url.len()));
        assert_eq!(url_of(&filled, 0o600).unwrap().shown(), "moneyer at db.example:5432");
        let refused = url_of(&format!("{filled}\n"), 0o600).unwrap_err();
        assert!(matches!(refused, DatabaseUrlFileError::Read(ReadSecretError::TooLarge { .. })));
    }

    #[test]
    fn a_file_that_others_may_read_and_one_without_a_url_are_refused_and_not_repeated() {
        let url = "postgres://moneyer:secret@db.example/moneyer";
        for (text, mode) in [(url, 0o644), ("postgres://moneyer:secret@db.example", 0o600)] {
            let refused = crate::chain(&url_of(text, mode).unwrap_err());
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
