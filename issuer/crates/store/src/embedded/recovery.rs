//! The recovery copy: what opens this store when its seal key is lost.
//!
//! It holds every key-encryption key the coordinator was started with, so every key that a record may
//! need, also while records are sealed anew. It lies in the directory and in every copy of the store. It
//! is written at every start, since nothing here can read it to see whether it is still right, and before
//! anything is sealed anew. A copy that is wrong - of another cluster, of a key that is gone, put there by
//! somebody - opens nothing, and [`RecoverySource::verify`] says so.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use moneyer_authority::store::Cause;

use super::directory::RECOVERY;
use super::identity_file;
use super::replace::replace;
use super::secret_files::SecretFiles;
use super::snapshot::{self, RestoreError};
use crate::record::{IdentityError, Sealing, disclose};
use crate::seal::{MAXIMUM_RECOVERY_BYTES, RecoveryCopy, SealError, Seals};

/// The encrypted copy, or nothing where nobody is to have one.
pub(super) fn encrypt(sealing: Option<&Sealing>) -> io::Result<Vec<u8>> {
    let Some((sealing, recipient)) = sealing.and_then(|s| Some((s, s.recovery.as_ref()?))) else {
        return Ok(Vec::new());
    };
    let plain = RecoveryCopy::encode(&sealing.cluster, &sealing.seals);
    let bytes = recipient.encrypt(plain.as_bytes()).map_err(io::Error::other)?;
    if bytes.len() > MAXIMUM_RECOVERY_BYTES {
        return Err(io::Error::other("the recovery copy is too large: name fewer older seal keys"));
    }
    Ok(bytes)
}

/// Puts the copy of these keys into the directory.
pub(super) fn write(directory: &Path, sealing: Option<&Sealing>) -> io::Result<()> {
    let path = directory.join(RECOVERY);
    match encrypt(sealing)? {
        bytes if !bytes.is_empty() => replace(&path, &bytes),
        _ => {
            if path.exists() {
                tracing::warn!(
                    path = %path.display(),
                    "there is a recovery copy and seal.recovery_recipient is not set: it is not \
                     kept up; remove it if nobody is to have one"
                );
            }
            Ok(())
        }
    }
}

/// The same when the store is opened. A full disk does not keep a coordinator from starting that has a copy
/// of the one key it was made with.
pub(super) fn write_at_start(directory: &Path, sealing: Option<&Sealing>) -> io::Result<()> {
    let Err(error) = write(directory, sealing) else { return Ok(()) };
    let changing = sealing.is_some_and(|sealing| sealing.seals.keys().nth(1).is_some());
    if changing || !has_recovery_copy(directory) {
        return Err(error);
    }
    tracing::error!(%error, "the recovery copy was not written anew; the one before is kept");
    Ok(())
}

/// Puts the recovery copy into a directory that holds no store: beside a coordinator whose store is elsewhere.
pub fn keep_recovery_copy(directory: &Path, sealing: &Sealing) -> io::Result<()> {
    write_at_start(directory, Some(sealing))
}

/// Whether a recovery copy lies in the directory of a store.
#[must_use]
pub fn has_recovery_copy(store: &Path) -> bool {
    store.join(RECOVERY).exists()
}

/// Where a recovery copy lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoverySource {
    /// In the directory of a store.
    Store(PathBuf),
    /// In a copy of a store.
    Backup(PathBuf),
}

/// Why there is no recovery.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// It holds no recovery copy.
    #[error(
        "there is no recovery copy in {0}: the seal key itself is needed, or a backup made while \
         seal.recovery_recipient was set (`--from BACKUP`)"
    )]
    None(PathBuf),
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is larger than any that is written.
    #[error(
        "the recovery copy in {0} is larger than {MAXIMUM_RECOVERY_BYTES} bytes: it is not ours"
    )]
    TooLarge(PathBuf),
    /// The keys in it open something else.
    #[error(
        "the recovery copy holds a key of the cluster {cluster}, and not the one that {path} is sealed \
         under; look for the copy in a backup of this store (`--from BACKUP`)"
    )]
    OtherKey {
        /// Whose key it is.
        cluster: String,
        /// What it does not open.
        path: PathBuf,
        /// How that shows.
        #[source]
        cause: Cause,
    },
    /// The store is not sealed, or damaged.
    #[error("whether the key opens {path} cannot be told")]
    Unclear {
        /// What should be opened.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Cause,
    },
}

impl RecoverySource {
    /// What a message names.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Store(path) | Self::Backup(path) => path,
        }
    }

    /// The copy, encrypted.
    pub fn read(&self) -> Result<Vec<u8>, RecoveryError> {
        let bytes = match self {
            Self::Store(directory) => read_bounded(&directory.join(RECOVERY))?,
            Self::Backup(path) => snapshot::recovery_copy(path).map_err(|cause| {
                RecoveryError::Unclear { path: path.clone(), cause: cause.into() }
            })?,
        };
        if bytes.is_empty() {
            return Err(RecoveryError::None(self.path().to_owned()));
        }
        Ok(bytes)
    }

    /// Shows that these keys open the identity and every private key of the store, or of the copy of it.
    /// Gives how many private keys.
    pub fn verify(&self, cluster: &str, seals: &Arc<Seals>) -> Result<u64, RecoveryError> {
        let (cluster, seals) = (cluster.to_owned(), Arc::clone(seals));
        let sealing = Sealing { cluster, seals, recovery: None };
        match self {
            Self::Store(directory) => verify_store(directory, &sealing),
            Self::Backup(path) => match snapshot::check(path, Some(&sealing)) {
                Ok(copied) => Ok(copied.secrets),
                Err(cause @ RestoreError::Key { .. }) => {
                    Err(other_key(path, &sealing, cause.into()))
                }
                Err(cause) => Err(unclear(path, cause.into())),
            },
        }
    }
}

fn verify_store(directory: &Path, given: &Sealing) -> Result<u64, RecoveryError> {
    let path = directory.join("IDENTITY");
    let identity = match identity_file::read(&path, Some(given)) {
        Ok(Some(identity)) => identity,
        Ok(None) => return Err(unclear(&path, "it is missing".into())),
        Err(IdentityError::Seal(cause)) => return Err(other_key(directory, given, cause.into())),
        Err(cause) => return Err(unclear(&path, cause.into())),
    };
    let path = directory.join("keys");
    let sealing = identity.sealing(Some(given));
    let (records, _) = SecretFiles::at(&path).read().map_err(|e| unclear(&path, e.into()))?;
    for (key, bytes) in &records {
        disclose(sealing.as_ref(), key, bytes).map_err(|cause| {
            match cause.downcast::<SealError>() {
                Ok(cause) => other_key(&path, given, cause),
                Err(cause) => unclear(&path, cause),
            }
        })?;
    }
    Ok(u64::try_from(records.len()).unwrap_or(u64::MAX))
}

fn other_key(path: &Path, sealing: &Sealing, cause: Cause) -> RecoveryError {
    let cluster = sealing.cluster.clone();
    RecoveryError::OtherKey { cluster, path: path.to_owned(), cause }
}

fn unclear(path: &Path, cause: Cause) -> RecoveryError {
    RecoveryError::Unclear { path: path.to_owned(), cause }
}

/// Nothing where there is no file.
fn read_bounded(path: &Path) -> Result<Vec<u8>, RecoveryError> {
    let failed = |source| RecoveryError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAXIMUM_RECOVERY_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > MAXIMUM_RECOVERY_BYTES {
        return Err(RecoveryError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}
