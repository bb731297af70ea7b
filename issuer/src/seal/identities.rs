//! The identities that open age files: lines of `AGE-SECRET-KEY-1…`, as `age-keygen` writes them.
//!
//! X25519 only. Refused: a file that is itself encrypted, since nobody is there to say its passphrase, and
//! the identity of a plugin, which would run another program with the daemon's rights. No line of the file
//! is ever repeated in a message.

use std::fmt;
use std::path::Path;

use age::x25519::Identity;
use moneyer_daemon::file::read_secret;

use super::SealKeyError;
use super::place::check_place;
use super::source::is_missing;

/// Longest file: a hundred identities and what is said about them.
pub(super) const MAXIMUM_IDENTITY_FILE_BYTES: usize = 16 * 1024;

/// Why a file holds no identities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityFileError {
    /// It is an age file.
    #[error(
        "it is itself encrypted, and a daemon that starts by itself has nobody to ask for a passphrase; \
         decrypt it, and keep it where only the daemon reads it (a systemd credential, another disk)"
    )]
    Encrypted,
    /// It names a plugin.
    #[error(
        "line {0} is the identity of a plugin, which would run another program; encrypt to an identity \
         that `age-keygen` made"
    )]
    Plugin(usize),
    /// A line is something else.
    #[error("line {0} is no identity (AGE-SECRET-KEY-1…) as `age-keygen` writes it")]
    Line(usize),
    /// There is none.
    #[error("it holds no identity; make one: (umask 077; age-keygen -o FILE)")]
    None,
}

/// One or more identities. Wiped by the library when dropped, and never shown.
pub(super) struct Identities(Vec<Identity>);

impl Identities {
    /// Reads a file that nobody else may read, and that does not lie in the store.
    pub(super) fn read(path: &Path, store: &Path) -> Result<Self, SealKeyError> {
        let text = read_secret(path, MAXIMUM_IDENTITY_FILE_BYTES).map_err(|error| {
            if is_missing(&error) {
                let (path, store) = (path.to_owned(), store.to_owned());
                SealKeyError::MissingAge { what: "file of identities", path, store }
            } else {
                SealKeyError::Read(error)
            }
        })?;
        check_place(path, store)?;
        Self::parse(text.expose())
            .map_err(|source| SealKeyError::Identity { path: path.to_owned(), source })
    }

    fn parse(bytes: &[u8]) -> Result<Self, IdentityFileError> {
        if bytes.starts_with(b"age-encryption.org/") || bytes.starts_with(b"-----BEGIN AGE") {
            return Err(IdentityFileError::Encrypted);
        }
        let mut identities = Vec::new();
        for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let line = std::str::from_utf8(line).or(Err(IdentityFileError::Line(number)))?;
            if line.starts_with("AGE-PLUGIN-") {
                return Err(IdentityFileError::Plugin(number));
            }
            identities.push(line.parse().or(Err(IdentityFileError::Line(number)))?);
        }
        if identities.is_empty() { Err(IdentityFileError::None) } else { Ok(Self(identities)) }
    }

    /// Each of them, as the library wants them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity as _)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({} redacted)", self.0.len())
    }
}
