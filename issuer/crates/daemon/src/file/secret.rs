//! Reading a secret from a file that nobody else can read.
//!
//! Checks are made on the open descriptor, not on the path, so nothing can be swapped
//! between the check and the read. Refused: symbolic links, anything but a regular file,
//! any group or other permission bit, and more bytes than the caller expects. The bytes
//! are zeroed when dropped and never shown by `Debug`.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

/// Bytes that are zeroed when dropped and shown to nobody by accident.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretBytes(..)")
    }
}

/// Why a secret file was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadSecretError {
    /// It could not be opened or read.
    #[error("cannot read the secret file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The path is a symbolic link.
    #[error("{path} is a symbolic link; name the file itself")]
    Link {
        /// The path.
        path: PathBuf,
    },
    /// The path is a directory, a FIFO, a device or a socket.
    #[error("{path} is not a regular file")]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Others than the owner may read or write it.
    #[error("{path} is open to others (mode {mode:04o}); run: chmod 600 {path}")]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Others than the owner may write to it.
    #[error("others may write to {path} (mode {mode:04o}); run: chmod go-w {path}")]
    WritableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds more than the caller expects of such a secret.
    #[error("{path} is larger than {maximum} bytes; it is probably the wrong file")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes allowed.
        maximum: usize,
    },
}

/// Reads at most `max_len` bytes from the secret file at `path`.
///
/// # Errors
/// See [`ReadSecretError`].
pub fn read_secret(path: &Path, max_len: usize) -> Result<SecretBytes, ReadSecretError> {
    read(path, max_len, |path, mode| match mode & 0o077 {
        0 => Ok(()),
        _ => Err(ReadSecretError::OpenToOthers { path: path.to_owned(), mode }),
    })
}

/// The same for a key that a group may read and nobody else: so Kubernetes and Debian hand out keys of TLS.
///
/// # Errors
/// See [`ReadSecretError`].
pub fn read_group_secret(path: &Path, max_len: usize) -> Result<SecretBytes, ReadSecretError> {
    read(path, max_len, |path, mode| match mode & 0o037 {
        0 => Ok(()),
        _ => Err(ReadSecretError::OpenToOthers { path: path.to_owned(), mode }),
    })
}

/// The same for an encrypted file, which others may read but not write to.
///
/// # Errors
/// See [`ReadSecretError`].
pub fn read_unwritable(path: &Path, max_len: usize) -> Result<SecretBytes, ReadSecretError> {
    read(path, max_len, |path, mode| match mode & 0o022 {
        0 => Ok(()),
        _ => Err(ReadSecretError::WritableByOthers { path: path.to_owned(), mode }),
    })
}

fn read(
    path: &Path,
    max_len: usize,
    check_mode: impl Fn(&Path, u32) -> Result<(), ReadSecretError>,
) -> Result<SecretBytes, ReadSecretError> {
    let path = || path.to_owned();
    let failed = |source| ReadSecretError::Read { path: path(), source };
    // NONBLOCK: opening a FIFO without a writer must fail here, not hang.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path()).map_err(|error| {
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
            ReadSecretError::Link { path: path() }
        } else {
            failed(error)
        }
    })?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(ReadSecretError::NotAFile { path: path() });
    }
    check_mode(&path(), found.permissions().mode() & 0o7777)?;
    // Reserved once: a vector that grows leaves unzeroed copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(max_len.saturating_add(1)));
    let limit = u64::try_from(max_len).unwrap_or(u64::MAX).saturating_add(1);
    (&file).take(limit).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > max_len {
        return Err(ReadSecretError::TooLarge { path: path(), maximum: max_len });
    }
    Ok(SecretBytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::replace;

    #[test]
    fn reads_up_to_the_limit_and_not_one_byte_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        replace(&path, b"12345678", 0o600).unwrap();
        let secret = read_secret(&path, 8).unwrap();
        assert_eq!(secret.expose(), b"12345678");
        assert_eq!(format!("{secret:?}"), "SecretBytes(..)");
        assert!(matches!(read_secret(&path, 7), Err(ReadSecretError::TooLarge { .. })));
    }

    #[test]
    fn an_encrypted_file_may_be_read_by_others_and_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.age");
        for mode in [0o600, 0o644, 0o444] {
            replace(&path, b"12345678", mode).unwrap();
            assert_eq!(read_unwritable(&path, 8).unwrap().expose(), b"12345678");
        }
        assert!(matches!(read_unwritable(&path, 7), Err(ReadSecretError::TooLarge { .. })));
        for mode in [0o620, 0o602, 0o666] {
            replace(&path, b"12345678", mode).unwrap();
            let error = read_unwritable(&path, 8).unwrap_err().to_string();
            assert!(error.ends_with(&format!("run: chmod go-w {}", path.display())), "{error}");
        }
    }

    #[test]
    fn refuses_a_file_others_can_read_and_says_how_to_mend_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for mode in [0o640, 0o604, 0o620] {
            replace(&path, b"secret", mode).unwrap();
            let error = read_secret(&path, 100).unwrap_err().to_string();
            assert!(error.ends_with(&format!("run: chmod 600 {}", path.display())), "{error}");
        }
    }

    #[test]
    fn a_group_may_read_its_key_and_nothing_more() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        for mode in [0o600, 0o640, 0o440] {
            replace(&path, b"12345678", mode).unwrap();
            assert_eq!(read_group_secret(&path, 8).unwrap().expose(), b"12345678");
        }
        for mode in [0o660, 0o650, 0o604, 0o602] {
            replace(&path, b"12345678", mode).unwrap();
            let refused = read_group_secret(&path, 8);
            assert!(matches!(refused, Err(ReadSecretError::OpenToOthers { .. })), "{mode:o}");
        }
    }

    #[test]
    fn refuses_links_directories_and_pipes() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("key"), directory.path().join("link"));
        replace(&path, b"secret", 0o600).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(read_secret(&link, 100), Err(ReadSecretError::Link { .. })));
        let refused = read_secret(directory.path(), 100);
        assert!(matches!(refused, Err(ReadSecretError::NotAFile { .. })));

        let pipe = directory.path().join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert!(matches!(read_secret(&pipe, 100), Err(ReadSecretError::NotAFile { .. })));
        let missing = read_secret(&directory.path().join("none"), 100);
        assert!(matches!(missing, Err(ReadSecretError::Read { .. })));
    }
}
