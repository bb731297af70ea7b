//! One process at a time on a directory of state.
//!
//! The lock is `flock`: the kernel drops it when the process dies however it dies, so a
//! lock left behind never has to be removed by hand. The file holds the number of the
//! process only so that the error can name it; the number proves nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The longest process number that is read back: that of the largest `pid_t`.
const MAX_PID_DIGITS: u64 = 10;

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The lock file could not be opened, locked or written.
    #[error("cannot use the lock file {path}")]
    Open {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process holds it.
    #[error(
        "{path} is held by process {holder}; stop it first, or give this one its own directory"
    )]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The number of that process as it wrote it, or `unknown`.
        holder: String,
    },
}

/// A lock that is held for as long as this value lives.
#[derive(Debug)]
#[must_use = "the lock is dropped with this value"]
pub struct FileLock {
    file: File,
}

impl Drop for FileLock {
    /// Closing the file is not enough: a program that is being started elsewhere in this process
    /// has a duplicate of every descriptor until it is executed, and `flock` holds as long as any
    /// is open, unless one lets go of it.
    fn drop(&mut self) {
        self.file.unlock().ok();
    }
}

/// Takes the lock at `path`, making the file (mode 0600) if it is missing.
///
/// # Errors
/// See [`LockError`]; it never waits.
pub fn acquire_lock(path: &Path) -> Result<FileLock, LockError> {
    let failed = |source| LockError::Open { path: path.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(LockError::Held { path: path.to_owned(), holder: holder(&file) });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(failed)?;
    Ok(FileLock { file })
}

/// The process number in a lock file, or `unknown` if it holds none.
fn holder(file: &File) -> String {
    let mut text = String::new();
    match file.take(MAX_PID_DIGITS).read_to_string(&mut text) {
        Ok(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => text,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_learns_who_holds_it_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = acquire_lock(&path).unwrap();
        let error = acquire_lock(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("held by process {}", std::process::id())), "{error}");
        // What a fork makes of every descriptor.
        let duplicate = first.file.try_clone().unwrap();
        drop(first);
        drop(acquire_lock(&path).unwrap());
        drop(duplicate);
    }

    #[test]
    fn odd_bytes_in_the_file_are_not_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let _held = acquire_lock(&path).unwrap();
        std::fs::write(&path, "\u{1b}[2J").unwrap();
        assert!(acquire_lock(&path).unwrap_err().to_string().contains("process unknown"));
    }
}
