//! Opening the directory: who may, in which state, and what is wrong if it cannot be.
//!
//! sled panics on much of the damage it finds, so it is opened inside `catch_unwind`. The order
//! matters: our lock first, since everything after it changes files; the modes and the sync last,
//! since sled makes files while it opens.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use moneyer_authority::store::{Cause, Generation};

use super::directory::StoreDirectory;
use super::envelope::Envelope;
use super::failure::panic_text;
use super::key::GENERATION;
use super::lock::{LockError, SledLog, StoreLock};
use super::store::SledOptions;

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

/// sled ended in a panic.
#[derive(Debug, thiserror::Error)]
#[error("it could not be opened: {0}")]
struct Panicked(String);

/// There are records, but not the generation that wrote them.
#[derive(Debug, thiserror::Error)]
#[error("there are records but no generation")]
struct NoGeneration;

/// sled, and our lock. Dropped in the order of the fields: ours is free when sled's is.
#[derive(Debug)]
pub(super) struct OpenSled {
    /// The one tree is sled's default tree.
    pub(super) db: sled::Db,
    /// The generation found in it.
    pub(super) generation: Generation,
    /// The file to sync.
    pub(super) log: SledLog,
    _lock: StoreLock,
}

impl OpenSled {
    /// Opens or makes the store in `path`.
    pub(super) fn open(path: &Path, options: &SledOptions) -> Result<Self, OpenError> {
        let directory = StoreDirectory::prepare(path)?;
        let lock = StoreLock::acquire(&directory.lock()).map_err(|error| match error {
            LockError::Held(holder) => OpenError::Locked { path: path.to_owned(), holder },
            LockError::Io(source) => OpenError::Io { path: directory.lock(), source },
        })?;
        directory.remove_unfinished()?;
        let damaged = |cause| OpenError::Damaged { path: path.to_owned(), cause };
        let config = sled::Config::new()
            .path(directory.sled())
            .cache_capacity(options.cache_bytes)
            .mode(sled::Mode::LowSpace)
            .segment_size(SEGMENT_BYTES)
            .flush_every_ms(None);
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = config.open()?;
            let generation = read_generation(&db);
            generation.map(|generation| (db, generation))
        }));
        let (db, generation) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(ReadError::Sled(sled::Error::Io(source)))) => {
                return Err(OpenError::Io { path: directory.sled(), source });
            }
            Ok(Err(ReadError::Sled(error))) => return Err(damaged(error.into())),
            Ok(Err(ReadError::Damaged(cause))) => return Err(damaged(cause)),
            Err(panic) => return Err(damaged(Panicked(panic_text(&*panic)).into())),
        };
        directory.settle()?;
        Ok(Self { db, generation, log: SledLog::new(directory.log()), _lock: lock })
    }
}

enum ReadError {
    Sled(sled::Error),
    Damaged(Cause),
}

impl From<sled::Error> for ReadError {
    fn from(error: sled::Error) -> Self {
        Self::Sled(error)
    }
}

fn read_generation(db: &sled::Db) -> Result<Generation, ReadError> {
    match db.get(GENERATION)? {
        Some(bytes) => match Envelope::decode(GENERATION, &bytes) {
            Ok(envelope) => Ok(envelope.revision),
            Err(error) => Err(ReadError::Damaged(error.into())),
        },
        None if db.is_empty() => Ok(Generation::default()),
        None => Err(ReadError::Damaged(NoGeneration.into())),
    }
}
