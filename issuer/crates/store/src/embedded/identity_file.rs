//! The file with the store's identity: read at every start, written whole or not at all.

use std::io;
use std::path::Path;

use super::replace::replace;
use crate::record::{Identity, IdentityError, Sealing, newer_format};

/// The format of a store that a newer version has written, where it is one.
pub(super) fn newer_format_of(path: &Path) -> io::Result<Option<char>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(newer_format(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads the file; `None` where there is none.
pub(super) fn read(
    path: &Path,
    sealing: Option<&Sealing>,
) -> Result<Option<Identity>, IdentityError> {
    match std::fs::read(path) {
        Ok(bytes) => Identity::decode(&bytes, sealing).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(IdentityError::Io(error)),
    }
}

/// Writes the file.
pub(super) fn write(
    path: &Path,
    identity: &Identity,
    sealing: Option<&Sealing>,
) -> Result<(), IdentityError> {
    replace(path, &identity.encode(sealing)?).map_err(IdentityError::Io)
}
