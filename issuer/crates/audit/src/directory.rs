//! The directory of a log: private, and the log's alone.
//!
//! ```text
//! LOCK                                held by the process that writes the log
//! RESERVE                             bytes set aside for a full disk
//! audit-00000000000000000001.jsonl    the lines from that number on
//! audit-….jsonl.torn                  a last line that was cut off, kept aside
//! ```

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use moneyer_recording::Sequence;

/// Group and other, all of their bits.
const OTHERS: u32 = 0o077;

/// Digits of a file's first number, so that names sort as numbers do.
const NAME_DIGITS: usize = 20;

/// Name of the lock file.
pub(crate) const LOCK: &str = "LOCK";

/// Name of the reserve.
pub(crate) const RESERVE: &str = "RESERVE";

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The system refused something.
    #[error("cannot use {}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is not a directory; a symbolic link counts as none.
    #[error("{} is not a directory; remove it or name another path", _0.display())]
    NotADirectory(PathBuf),
    /// Others may enter it.
    #[error("{} is open to others (mode {mode:04o}); run: chmod 700 {}", path.display(), path.display())]
    Modes {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to another user, who could write to it.
    #[error("{} belongs to user id {owner}, not to this process's; run: chown {expected} {}", path.display(), path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it has to be.
        expected: u32,
    },
}

/// Makes the directory and its missing parents with mode 0700, or accepts a private one of our own.
pub(crate) fn prepare(path: &Path) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::Io { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(found) => check(path, &found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            sync(parent.unwrap_or(Path::new("."))).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn check(path: &Path, found: &fs::Metadata) -> Result<(), DirectoryError> {
    if !found.is_dir() {
        return Err(DirectoryError::NotADirectory(path.to_owned()));
    }
    let mode = found.permissions().mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(DirectoryError::Modes { path: path.to_owned(), mode });
    }
    let expected = rustix::process::geteuid().as_raw();
    if found.uid() != expected {
        return Err(DirectoryError::Owner { path: path.to_owned(), owner: found.uid(), expected });
    }
    Ok(())
}

/// The name of the file whose first line has this number.
pub(crate) fn file_name(first: Sequence) -> String {
    format!("audit-{:0NAME_DIGITS$}.jsonl", first.0)
}

/// The number in a file's name, if it is that of a log file.
fn first_sequence(name: &str) -> Option<Sequence> {
    let digits = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?;
    let all_digits = digits.len() == NAME_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| all_digits).map(Sequence)
}

/// Every file of the log in the order of its lines.
pub(crate) fn files(directory: &Path) -> io::Result<Vec<(Sequence, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(first) = entry.file_name().to_str().and_then(first_sequence) {
            files.push((first, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// Makes what was done in a directory survive power loss.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_directory_of_ours_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a/b");
        prepare(&path).unwrap();
        prepare(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        assert!(matches!(prepare(&path), Err(DirectoryError::Modes { mode: 0o750, .. })));
        let link = root.path().join("link");
        std::os::unix::fs::symlink(root.path(), &link).unwrap();
        assert!(matches!(prepare(&link), Err(DirectoryError::NotADirectory(_))));
    }

    #[test]
    fn names_are_those_of_numbers_and_sort_as_they_do() {
        assert_eq!(file_name(Sequence(12)), "audit-00000000000000000012.jsonl");
        assert_eq!(first_sequence(&file_name(Sequence(u64::MAX))), Some(Sequence(u64::MAX)));
        for other in ["audit-1.jsonl", "audit-00000000000000000012.jsonl.torn", "RESERVE", ""] {
            assert_eq!(first_sequence(other), None, "{other}");
        }
    }
}
