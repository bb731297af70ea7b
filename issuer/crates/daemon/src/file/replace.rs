//! Replacing a file in one step, durably or not.
//!
//! POSIX `rename` swaps the name atomically, but only `fsync` of the file before it and of
//! the directory after it makes the swap survive a power cut. [`write_atomic`] does all
//! three; [`replace`] skips both `fsync` calls, which is right on a tmpfs and wrong
//! elsewhere. Neither leaves a temporary file behind when it fails.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path` with permission bits `mode` so that they survive a power cut.
///
/// An existing file is replaced, whatever it was; readers see the old or the new bytes.
///
/// # Errors
/// The error of the first step that failed; the target is then as it was before.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let staged = Staged::create(path, bytes, mode)?;
    staged.file.sync_all()?;
    let directory = File::open(parent(path))?;
    staged.publish(path)?;
    directory.sync_all()
}

/// Writes `bytes` to `path` with permission bits `mode`, without waiting for the disk.
///
/// For files that a restart makes anew, such as tokens on a tmpfs.
///
/// # Errors
/// The error of the first step that failed; the target is then as it was before.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    Staged::create(path, bytes, mode)?.publish(path)
}

/// A complete file under a temporary name, removed again unless it is published.
struct Staged {
    file: File,
    path: PathBuf,
    published: bool,
}

impl Staged {
    fn create(target: &Path, bytes: &[u8], mode: u32) -> io::Result<Self> {
        let path = temporary_name(target)?;
        // `create_new` is O_EXCL, which refuses a symbolic link planted under the name.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let mut staged = Self { file, path, published: false };
        staged.file.write_all(bytes)?;
        // After the bytes, and by fchmod, so that the umask has no say in it.
        staged.file.set_permissions(Permissions::from_mode(mode))?;
        Ok(staged)
    }

    fn publish(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.path, target)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// The directory that holds `path`.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A hidden name beside `target` that nobody can guess.
fn temporary_name(target: &Path) -> io::Result<PathBuf> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    if target.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
    }
    Ok(parent(target).join(format!(".moneyer-{:016x}.tmp", u64::from_ne_bytes(random))))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Writer = fn(&Path, &[u8], u32) -> io::Result<()>;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn both_replace_the_bytes_and_set_the_mode_whatever_the_umask() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let writers: [(Writer, u32); 2] = [(write_atomic, 0o666), (replace, 0o640)];
        for (write, mode) in writers {
            fs::write(&path, "old and longer").unwrap();
            write(&path, b"new", mode).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
        assert_eq!(names(directory.path()), ["token"]);
    }

    #[test]
    fn a_link_is_replaced_and_its_target_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let (path, victim) = (directory.path().join("token"), directory.path().join("victim"));
        fs::write(&victim, "safe").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        write_atomic(&path, b"new", 0o600).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"safe");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn a_failed_rename_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::create_dir(&path).unwrap();
        write_atomic(&path, b"new", 0o600).unwrap_err();
        assert_eq!(names(directory.path()), ["token"]);
        assert_eq!(
            write_atomic(Path::new("/"), b"", 0o600).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
