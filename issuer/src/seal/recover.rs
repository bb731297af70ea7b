//! Getting a lost seal key back from a recovery copy.
//!
//! Nothing is written before the key was shown to open the store or the backup: a copy is only as true as
//! what it opens. No file is ever overwritten; what is there may be the key of another store. The identity
//! comes from offline for this and goes there again; the daemon never needs it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moneyer_daemon::file::SecretBytes;
use moneyer_store::seal::{MAXIMUM_RECOVERY_BYTES, RecoveryCopy, RecoveryCopyError};
use moneyer_store::{RecoveryError, RecoverySource};

use super::SealKeyError;
use super::encrypted::{AgeFileError, decrypt};
use super::identities::Identities;
use super::make::write_key_file;
use super::place::check_parent;
use super::source::DEFAULT_KEY_FILE;
use crate::config::SealSection;

/// Why no key was recovered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoverKeyError {
    /// The configuration names no file that the key could go to.
    #[error(
        "the configuration takes the seal key from {0}, not from a file; say where the recovered key \
         goes with --to, and put it where {0} comes from"
    )]
    Nowhere(&'static str),
    /// There is a file already.
    #[error("{0} exists already and is not overwritten; name a new file with --to")]
    Exists(PathBuf),
    /// The identity was refused, or the place of the new file.
    #[error(transparent)]
    Refused(SealKeyError),
    /// There is no copy, or it opens something else.
    #[error(transparent)]
    Copy(RecoveryError),
    /// The copy does not open with the identity.
    #[error("the recovery copy in {path} does not open")]
    Age {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        #[source]
        source: AgeFileError,
    },
    /// The copy holds something else.
    #[error("the recovery copy in {path} cannot be used")]
    Contents {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        #[source]
        source: RecoveryCopyError,
    },
    /// The key could not be written.
    #[error("the recovered key cannot be written to {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A key that was recovered.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// Whose.
    pub(crate) cluster: String,
    /// Private keys that were seen to open.
    pub(crate) private_keys: u64,
    /// The file of the key that seals.
    pub(crate) key_file: PathBuf,
    /// The files of older keys, which records may still need.
    pub(crate) older_key_files: Vec<PathBuf>,
}

/// Where the key goes if nothing else is said: where the daemon will look for it.
pub(crate) fn configured_place(seal: &SealSection) -> Result<PathBuf, RecoverKeyError> {
    match seal {
        SealSection { credential: Some(_), .. } => Err(RecoverKeyError::Nowhere("a credential")),
        SealSection { age_file: Some(_), .. } => Err(RecoverKeyError::Nowhere("an age file")),
        SealSection { key_file: Some(file), .. } => Ok(file.clone()),
        _ => Ok(DEFAULT_KEY_FILE.into()),
    }
}

/// Writes the keys of a recovery copy to `to` and beside it, after they opened what they belong to.
pub(crate) fn recover(
    source: &RecoverySource,
    identity: &Path,
    to: &Path,
    store: &Path,
) -> Result<Recovered, RecoverKeyError> {
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    check_parent(to, parent, store).map_err(RecoverKeyError::Refused)?;
    let identities = Identities::read(identity, store).map_err(RecoverKeyError::Refused)?;
    let path = || source.path().to_owned();
    let sealed = SecretBytes::new(source.read().map_err(RecoverKeyError::Copy)?);
    let plain = decrypt(&sealed, &identities, MAXIMUM_RECOVERY_BYTES)
        .map_err(|source| RecoverKeyError::Age { path: path(), source })?;
    let RecoveryCopy { cluster, seals } = RecoveryCopy::decode(plain.expose())
        .map_err(|source| RecoverKeyError::Contents { path: path(), source })?;
    let seals = Arc::new(seals);
    let private_keys = source.verify(&cluster, &seals).map_err(RecoverKeyError::Copy)?;
    let count = seals.keys().count();
    let files: Vec<_> = (0..count).map(|number| place(to, number)).collect();
    if let Some(there) = files.iter().find(|file| file.symlink_metadata().is_ok()) {
        return Err(RecoverKeyError::Exists(there.clone()));
    }
    for (file, key) in files.iter().zip(seals.keys()) {
        match write_key_file(file, key) {
            Ok(true) => {}
            Ok(false) => return Err(RecoverKeyError::Exists(file.clone())),
            Err(source) => return Err(RecoverKeyError::Write { path: file.clone(), source }),
        }
    }
    let older_key_files = files.into_iter().skip(1).collect();
    Ok(Recovered { cluster, private_keys, key_file: to.to_owned(), older_key_files })
}

/// The key that seals goes to the file itself, older ones to `<file>.older-1` and on.
fn place(to: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return to.to_owned();
    }
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".older-{number}"));
    to.with_file_name(name)
}
