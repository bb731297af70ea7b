//! Whose a file is, and where it lies: what its modes do not say.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use moneyer_daemon::file::ReadSecretError;

use super::SealKeyError;

/// Whose it is, and where it lies.
pub(super) fn check_place(path: &Path, store: &Path) -> Result<(), SealKeyError> {
    let failed =
        |source| SealKeyError::Read(ReadSecretError::Read { path: path.to_owned(), source });
    let real = path.canonicalize().map_err(failed)?;
    let uid = real.metadata().map_err(failed)?.uid();
    if uid != 0 && uid != rustix::process::geteuid().as_raw() {
        return Err(SealKeyError::Owner { path: path.to_owned(), uid });
    }
    let parent = real.parent().unwrap_or(Path::new("/"));
    check_parent(path, parent, store)
}

/// The same of a file that is to be made: it lies in this directory.
pub(super) fn check_parent(path: &Path, parent: &Path, store: &Path) -> Result<(), SealKeyError> {
    let failed =
        |source| SealKeyError::Read(ReadSecretError::Read { path: parent.to_owned(), source });
    let parent = parent.canonicalize().map_err(failed)?;
    // Sticky directories keep others from replacing what is not theirs, not from getting there first.
    if parent.metadata().map_err(failed)?.mode() & 0o002 != 0 {
        return Err(SealKeyError::Directory(path.to_owned()));
    }
    // A store that is not there yet holds nothing.
    match store.canonicalize() {
        Ok(store) if parent.starts_with(&store) => {
            Err(SealKeyError::Inside { path: path.to_owned(), directory: store })
        }
        _ => Ok(()),
    }
}
