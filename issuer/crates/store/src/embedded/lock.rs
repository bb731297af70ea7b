//! One process at a time on a store.
//!
//! sled has a lock of its own, but refuses without saying who holds it. The lock is `flock`: the
//! kernel drops it when the process dies, however it dies, so nothing has to be removed by hand.
//! The file holds the number of the process only so that the refusal can name it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest process number that is read back: that of the largest `pid_t`.
const MAXIMUM_PID_DIGITS: u64 = 10;

/// How often sled's lock is tried: for five seconds, after which an operator who waits for the end
/// of the process would look for what hangs.
const RELEASE_ATTEMPTS: u32 = 5000;

/// Between two attempts. sled usually needs none.
const RELEASE_PAUSE: Duration = Duration::from_millis(1);

/// Why the lock was not taken.
#[derive(Debug)]
pub(super) enum LockError {
    /// The process of this number, or `unknown`, holds it.
    Held(String),
    /// The file could not be opened, locked or written.
    Io(io::Error),
}

/// Held as long as this value lives.
#[derive(Debug)]
pub(super) struct StoreLock {
    file: File,
}

impl StoreLock {
    /// Takes the lock without waiting.
    pub(super) fn acquire(path: &Path) -> Result<Self, LockError> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(holder(&file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()))
            .map_err(LockError::Io)?;
        Ok(Self { file })
    }
}

impl Drop for StoreLock {
    /// Closing the file is not enough: a program that is being started elsewhere in this process has a duplicate of every
    /// descriptor until it is executed, and `flock` holds as long as any is open, unless one lets go of it.
    fn drop(&mut self) {
        self.file.unlock().ok();
    }
}

/// The file sled appends to and holds a lock of its own on. Dropped after sled, it waits until that
/// lock is free: sled's threads may still be writing when its handle is gone, and whoever opened the
/// directory then would be refused.
#[derive(Debug)]
pub(super) struct SledLog(PathBuf);

impl SledLog {
    /// Of a sled that is open.
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SledLog {
    fn drop(&mut self) {
        let Ok(file) = File::open(&self.0) else { return };
        for _ in 0..RELEASE_ATTEMPTS {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => std::thread::sleep(RELEASE_PAUSE),
                Ok(()) => {
                    // For the same reason as ours.
                    file.unlock().ok();
                    return;
                }
                Err(TryLockError::Error(_)) => return,
            }
        }
        tracing::warn!("sled did not let go of its files in time");
    }
}

fn holder(file: &File) -> String {
    let mut text = String::new();
    match file.take(MAXIMUM_PID_DIGITS).read_to_string(&mut text) {
        Ok(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => text,
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_given_up_is_free_while_a_child_that_is_being_started_has_its_descriptor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("LOCK");
        let lock = StoreLock::acquire(&path).unwrap();
        assert!(matches!(StoreLock::acquire(&path), Err(LockError::Held(_))));
        // What a fork makes of every descriptor.
        let duplicate = lock.file.try_clone().unwrap();
        drop(lock);
        let again = StoreLock::acquire(&path);
        assert!(again.is_ok(), "{again:?}");
        drop(duplicate);
        assert!(matches!(StoreLock::acquire(&path), Err(LockError::Held(_))), "it is held now");
    }
}
