//! Opening the directory: who may, whether everything is there, and what is wrong if it is not.
//!
//! sled panics on much of the damage it finds, so it is opened inside `catch_unwind`. The order
//! matters: our lock first, since everything after it changes files; then the store's identity, sled, and
//! every record against sled's head and the catalogue (`inspection`); the modes and the sync last, since
//! sled makes files while it opens. A store that lacks anything it acknowledged is not opened: the
//! missing records are named, and an operator may accept the loss.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use moneyer_authority::store::{Cause, Generation};

use super::catalogue::Catalogue;
use super::directory::{RECOVERY, StoreDirectory};
use super::failure::panic_text;
use super::identity_file::{self, newer_format_of};
use super::inspection::Inspection;
use super::lock::{LockError, SledLog, StoreLock};
use super::recovery;
use super::secret_files::SecretFiles;
use super::store::SledOptions;
use crate::findings::Findings;
use crate::record::{Head, Identity, IdentityError, Sealing};
use crate::seal::{KekId, SealError};

/// Bytes in one segment of sled's log, fixed when a store is made.
///
/// sled writes a page of more than a quarter segment to a file of its own, which it never syncs: an
/// acknowledged write would be lost with the power. A page holds up to 16 records, 20 while it is
/// split or merged; 20 of the largest are 1.3 MiB, so with this size no page ever gets there. With
/// sled's default of 512 KiB two large neighbours would.
const SEGMENT_BYTES: usize = 8 * 1024 * 1024;

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error(
        "another process (pid {holder}) uses this store; stop it or give this one its own \
         directory instead of {path}"
    )]
    Locked {
        /// The store's directory.
        path: PathBuf,
        /// The number of that process as it wrote it, or `unknown`.
        holder: String,
    },
    /// Others than the owner may enter the directory.
    #[error("{path} is open to others (mode {mode:04o}); run: chmod 700 {path}")]
    Modes {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A newer version wrote it. Nothing was touched.
    #[error(
        "the store in {path} has format {format}, and this version of moneyer knows format 1: a newer \
         version has written it, and nothing was changed; start that version, or restore a backup that \
         was made before it (`moneyer store restore`)"
    )]
    Newer {
        /// The store's directory.
        path: PathBuf,
        /// Its format.
        format: char,
    },
    /// Records that were acknowledged are not there, or are not as they were written.
    #[error(
        "the store in {path} is not whole: {findings}; restore a backup (`moneyer store restore`), or \
         go on without what is missing: `moneyer serve --accept-loss {}`", generation.0
    )]
    Loss {
        /// The store's directory.
        path: PathBuf,
        /// What is missing or changed.
        findings: Findings,
        /// What the store has come to, as it is now.
        generation: Generation,
    },
    /// The key that something in it is sealed under is not here.
    #[error(
        "the store in {path} is sealed under the seal key {needed}, which is not here; name it as \
         seal.key_file or in seal.older_key_files; if it is lost, get it back {}",
        recovery_of(path)
    )]
    Key {
        /// The store's directory.
        path: PathBuf,
        /// The key that is needed.
        needed: KekId,
    },
    /// The loss that was accepted is not the one that is found.
    #[error(
        "the store in {path} is at generation {}, not at {}; look at it again with `moneyer store \
         check`", found.0, accepted.0
    )]
    OtherLoss {
        /// The store's directory.
        path: PathBuf,
        /// Where it is.
        found: Generation,
        /// Where the operator says it is.
        accepted: Generation,
    },
    /// One of our own files beside sled cannot be used.
    #[error("{path} cannot be used; restore a backup (`moneyer store restore`)")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// What is in it cannot be read back.
    #[error("the store in {path} is damaged; move it aside and restore a backup")]
    Damaged {
        /// The store's directory.
        path: PathBuf,
        /// How it shows.
        #[source]
        cause: Cause,
    },
    /// A file or directory could not be used.
    #[error("cannot use {path}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Which recovery copy to take.
fn recovery_of(store: &Path) -> &'static str {
    if recovery::has_recovery_copy(store) {
        "from the recovery copy beside it: `moneyer store recover --identity FILE`"
    } else {
        "from a recovery copy in a backup (there is none beside it): `moneyer store recover --identity \
         FILE --from BACKUP`"
    }
}

/// sled ended in a panic.
#[derive(Debug, thiserror::Error)]
#[error("it could not be opened: {0}")]
struct Panicked(String);

/// sled, what is known of it, and our lock. Dropped in the order of the fields: ours is free when sled's
/// is.
#[derive(Debug)]
pub(super) struct OpenSled {
    /// The one tree is sled's default tree.
    pub(super) db: sled::Db,
    /// The file to sync.
    pub(super) log: SledLog,
    _lock: StoreLock,
}

/// A store that was opened and found whole.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) sled: OpenSled,
    pub(super) identity: Identity,
    pub(super) head: Head,
    pub(super) catalogue: Catalogue,
    pub(super) secret_files: SecretFiles,
    pub(super) sealing: Option<Sealing>,
    /// Whether it goes on with less than it had, by an operator's word.
    pub(super) loss_accepted: bool,
}

impl Opened {
    /// Opens or makes the store in `path`.
    pub(super) fn open(path: &Path, options: &SledOptions) -> Result<Self, OpenError> {
        let directory = StoreDirectory::prepare(path)?;
        refuse_newer(&directory)?;
        let lock = StoreLock::acquire(&directory.lock()).map_err(|error| match error {
            LockError::Held(holder) => OpenError::Locked { path: path.to_owned(), holder },
            LockError::Io(source) => OpenError::Io { path: directory.lock(), source },
        })?;
        directory.remove_unfinished()?;
        let identity = open_identity(&directory, options)?;
        let sled = open_sled(&directory, options, lock)?;
        let secret_files = SecretFiles::prepare(&directory.secrets())
            .map_err(|source| OpenError::Io { path: directory.secrets(), source })?;
        let (sealing, accept_loss) =
            (identity.sealing(options.sealing.as_ref()), options.accept_loss);
        let opened = Inspection {
            directory: &directory,
            sealing,
            accept_loss,
            sled,
            identity,
            secret_files,
        }
        .open()?;
        recovery::write_at_start(directory.root(), opened.sealing.as_ref())
            .map_err(|source| OpenError::Io { path: directory.root().join(RECOVERY), source })?;
        directory.settle()?;
        if opened.loss_accepted {
            tracing::error!(
                store.generation = opened.head.generation,
                "the store goes on with less than it had; every key should be rotated"
            );
        }
        Ok(opened)
    }
}

/// Before anything is written, the lock included: what a newer version left is for a newer version.
fn refuse_newer(directory: &StoreDirectory) -> Result<(), OpenError> {
    let file = directory.identity();
    let format =
        newer_format_of(&file).map_err(|source| OpenError::Io { path: file.clone(), source })?;
    match format {
        Some(format) => Err(OpenError::Newer { path: directory.root().to_owned(), format }),
        None => Ok(()),
    }
}

/// The identity of an existing store, or that of a new one where there is nothing yet.
fn open_identity(directory: &StoreDirectory, options: &SledOptions) -> Result<Identity, OpenError> {
    let path = directory.identity();
    let failed = |error: IdentityError| match error {
        IdentityError::Io(source) => OpenError::Io { path: path.clone(), source },
        IdentityError::Seal(SealError::UnknownKey { needed }) => {
            OpenError::Key { path: directory.root().to_owned(), needed }
        }
        error => OpenError::File { path: path.clone(), cause: error.into() },
    };
    let sealing = options.sealing.as_ref();
    if let Some(identity) = identity_file::read(&path, sealing).map_err(failed)? {
        return Ok(identity);
    }
    if directory.holds_anything()? {
        let cause = "it is missing, and the store is not empty".into();
        return Err(OpenError::File { path, cause });
    }
    let cluster = sealing.map_or("", |sealing| &sealing.cluster);
    let identity = Identity::random(cluster).map_err(failed)?;
    identity_file::write(&path, &identity, sealing).map_err(failed)?;
    Ok(identity)
}

fn open_sled(
    directory: &StoreDirectory,
    options: &SledOptions,
    lock: StoreLock,
) -> Result<OpenSled, OpenError> {
    let damaged = |cause| OpenError::Damaged { path: directory.root().to_owned(), cause };
    let config = sled::Config::new()
        .path(directory.sled())
        .cache_capacity(options.cache_bytes)
        .mode(sled::Mode::LowSpace)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(None);
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(db)) => Ok(OpenSled { db, log: SledLog::new(directory.log()), _lock: lock }),
        Ok(Err(sled::Error::Io(source))) => Err(OpenError::Io { path: directory.sled(), source }),
        Ok(Err(error)) => Err(damaged(error.into())),
        Err(panic) => Err(damaged(Panicked(panic_text(&*panic)).into())),
    }
}
