//! Directories that only their owner may enter.
//!
//! A key store in a directory that others can read is a key store others can copy, so an
//! existing directory with group or other bits is refused with the command that mends it;
//! its mode is never changed silently, since someone may have set it on purpose.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Why a directory could not be used as a private one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateDirError {
    /// It could not be made.
    #[error("cannot make the directory {path}")]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The path exists and is not a directory (a symbolic link counts as none).
    #[error("{path} is not a directory; remove it or name another path")]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Others than the owner may enter it.
    #[error("{path} is open to others (mode {mode:04o}); run: chmod 700 {path}")]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Makes `path` and its missing parents with mode 0700, or accepts it if it is private.
///
/// # Errors
/// See [`PrivateDirError`].
pub fn create_private_dir(path: &Path) -> Result<(), PrivateDirError> {
    let failed = |source| PrivateDirError::Create { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_dir() => {
            Err(PrivateDirError::NotADirectory { path: path.to_owned() })
        }
        Ok(found) => {
            let mode = found.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 {
                return Err(PrivateDirError::OpenToOthers { path: path.to_owned(), mode });
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_a_private_directory_and_accepts_it_again() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        create_private_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        create_private_dir(&path).unwrap();
    }

    #[test]
    fn refuses_open_directories_links_and_files() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("open");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let error = create_private_dir(&path).unwrap_err().to_string();
        assert!(error.ends_with(&format!("run: chmod 700 {}", path.display())), "{error}");

        let link = root.path().join("link");
        std::os::unix::fs::symlink(root.path(), &link).unwrap();
        let error = create_private_dir(&link).unwrap_err();
        assert!(matches!(error, PrivateDirError::NotADirectory { .. }));
    }
}
