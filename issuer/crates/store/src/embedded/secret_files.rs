//! Records that hold private keys, each in a file of its own: what sled loses of them is not lost.
//!
//! A file holds exactly what sled holds, sealed and in its envelope, after the record's key. It is
//! written before the change is acknowledged and compared when the store is opened.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::group::SecretChange;
use super::replace::{UNFINISHED, replace, sync_parent};
use crate::record::{record_key, record_of};

/// What the files hold by record key, and the files that hold something else.
pub(super) type Contents = (BTreeMap<Vec<u8>, Vec<u8>>, Vec<PathBuf>);

/// The directory.
#[derive(Debug)]
pub(super) struct SecretFiles(PathBuf);

impl SecretFiles {
    /// Makes the directory where it is missing, and removes what was never finished.
    pub(super) fn prepare(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// The directory as it is.
    pub(super) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Writes or removes the files of changed records. They are on disk when this returns.
    pub(super) fn apply(&self, changes: &[SecretChange]) -> io::Result<()> {
        for change in changes {
            let path = self.path(&record_key(change.collection, &change.id));
            match &change.envelope {
                Some(envelope) => {
                    let key = record_key(change.collection, &change.id);
                    let length = u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes();
                    replace(&path, &[&length, key.as_slice(), envelope].concat())?;
                }
                None => match fs::remove_file(&path) {
                    Ok(()) => sync_parent(&path)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// What the files hold, by record key; a file that is not one of ours is named instead.
    pub(super) fn read(&self) -> io::Result<Contents> {
        let (mut records, mut odd) = (BTreeMap::new(), Vec::new());
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let bytes = fs::read(&path)?;
            let parts = bytes.split_first_chunk::<2>().and_then(|(length, rest)| {
                rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
            });
            match parts {
                Some((key, envelope)) if self.path(key) == path && record_of(key).is_some() => {
                    records.insert(key.to_vec(), envelope.to_vec());
                }
                _ => odd.push(path),
            }
        }
        Ok((records, odd))
    }

    /// Named by a hash, since an id may hold what a file name may not.
    fn path(&self, key: &[u8]) -> PathBuf {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key);
        let name = digest.as_ref().iter().take(16).fold(String::new(), |mut name, byte| {
            use std::fmt::Write as _;
            // Writing to a String cannot fail.
            write!(name, "{byte:02x}").ok();
            name
        });
        self.0.join(name)
    }
}
