//! Reading key-encryption keys as `[seal]` says.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_daemon::file::{ReadSecretError, read_secret};
use moneyer_daemon::settings::credentials_directory;
use moneyer_store::seal::{KeyEncryptionKey, SealError, Seals, ZeroKey};
use zeroize::Zeroizing;

use crate::config::{SealSection, StoreSection};

/// Where the key is if nothing else is said.
const DEFAULT_KEY_FILE: &str = "/etc/moneyer/seal.key";

/// Longest key file: hexadecimal digits with a line's end.
const MAXIMUM_KEY_FILE_BYTES: usize = 128;

/// Why there is no key to seal with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealKeyError {
    /// Two sources are named.
    #[error("seal.key_file and seal.credential are both set; keep the one that is meant")]
    Sources,
    /// A key is named and sealing is switched off.
    #[error("seal.insecure_plain is set beside a key; remove it, and records are sealed")]
    Plain,
    /// A credential's name leads elsewhere.
    #[error("seal.credential: {0:?} is not the name of a credential")]
    CredentialName(String),
    /// The daemon was not started with credentials.
    #[error(
        "seal.credential is set, but CREDENTIALS_DIRECTORY is not: the unit needs \
         LoadCredentialEncrypted="
    )]
    NoCredentials,
    /// The file is not there.
    #[error(
        "there is no seal key at {0}; if no records were ever sealed, make one: \
         (umask 077; head -c 32 /dev/urandom > {0})\n\
         otherwise put the key back: without it the records cannot be opened"
    )]
    Missing(PathBuf),
    /// It was refused as a secret file.
    #[error(transparent)]
    Read(ReadSecretError),
    /// It belongs to somebody else.
    #[error("{path} belongs to user {uid}; it must belong to root or to the daemon's user")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Who owns it.
        uid: u32,
    },
    /// Somebody else could put another file in its place.
    #[error("{0} lies in a directory that everybody may write to; move it to one of its own")]
    Directory(PathBuf),
    /// It lies beside what it protects.
    #[error("{path} lies in {directory}, which it protects; move it out, also out of its backups")]
    Inside {
        /// The file.
        path: PathBuf,
        /// The directory.
        directory: PathBuf,
    },
    /// It does not hold 32 bytes in one of three forms.
    #[error("{0} does not hold 32 bytes, neither raw nor as 64 hexadecimal digits nor in base64")]
    Form(PathBuf),
    /// It holds zeros.
    #[error("{path}: {source}")]
    Zero {
        /// The file.
        path: PathBuf,
        /// What was refused.
        source: ZeroKey,
    },
    /// Two keys are one and the same.
    #[error(transparent)]
    Keys(SealError),
}

/// The keys that records are sealed under and opened with; `None` where sealing is switched off.
pub fn seals(seal: &SealSection, store: &StoreSection) -> Result<Option<Seals>, SealKeyError> {
    if seal.insecure_plain {
        if seal.key_file.is_some() || seal.credential.is_some() {
            return Err(SealKeyError::Plain);
        }
        tracing::warn!("seal.insecure_plain is set: private keys lie on the disk as they are");
        return Ok(None);
    }
    seals_from(seal, store, credentials_directory().as_deref()).map(Some)
}

/// The same, with the directory of credentials handed in.
pub(super) fn seals_from(
    seal: &SealSection,
    store: &StoreSection,
    credentials: Option<&Path>,
) -> Result<Seals, SealKeyError> {
    let current = match (&seal.key_file, &seal.credential) {
        (Some(_), Some(_)) => return Err(SealKeyError::Sources),
        (Some(file), None) => read_key(file, &store.path)?,
        (None, Some(name)) => {
            if name.is_empty() || name.starts_with('.') || name.contains('/') {
                return Err(SealKeyError::CredentialName(name.clone()));
            }
            let directory = credentials.ok_or(SealKeyError::NoCredentials)?;
            read_key(&directory.join(name), &store.path)?
        }
        (None, None) => read_key(Path::new(DEFAULT_KEY_FILE), &store.path)?,
    };
    let older = seal.older_key_files.iter().map(|file| read_key(file, &store.path));
    let older = older.collect::<Result<Vec<_>, _>>()?;
    Seals::new(current, older).map_err(SealKeyError::Keys)
}

fn read_key(path: &Path, store: &Path) -> Result<KeyEncryptionKey, SealKeyError> {
    let secret = read_secret(path, MAXIMUM_KEY_FILE_BYTES).map_err(|error| match error {
        ReadSecretError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            SealKeyError::Missing(path.to_owned())
        }
        error => SealKeyError::Read(error),
    })?;
    check_place(path, store)?;
    let key = parse(secret.expose()).ok_or_else(|| SealKeyError::Form(path.to_owned()))?;
    KeyEncryptionKey::from_bytes(*key)
        .map_err(|source| SealKeyError::Zero { path: path.to_owned(), source })
}

/// Whose it is, and where it lies.
fn check_place(path: &Path, store: &Path) -> Result<(), SealKeyError> {
    let failed =
        |source| SealKeyError::Read(ReadSecretError::Read { path: path.to_owned(), source });
    let real = path.canonicalize().map_err(failed)?;
    let uid = real.metadata().map_err(failed)?.uid();
    if uid != 0 && uid != rustix::process::geteuid().as_raw() {
        return Err(SealKeyError::Owner { path: path.to_owned(), uid });
    }
    if let Some(parent) = real.parent() {
        let mode = parent.metadata().map_err(failed)?.mode();
        // Sticky directories keep others from replacing what is not theirs, not from getting there first.
        if mode & 0o002 != 0 {
            return Err(SealKeyError::Directory(path.to_owned()));
        }
    }
    // A store that is not there yet holds nothing.
    match store.canonicalize() {
        Ok(store) if real.starts_with(&store) => {
            Err(SealKeyError::Inside { path: path.to_owned(), directory: store })
        }
        _ => Ok(()),
    }
}

/// Raw bytes, hexadecimal digits or base64; text may end in a line's end.
fn parse(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    if let Ok(raw) = <[u8; 32]>::try_from(bytes) {
        return Some(Zeroizing::new(raw));
    }
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let mut key = Zeroizing::new([0_u8; 32]);
    if text.len() == 64 {
        for (byte, pair) in key.iter_mut().zip(text.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            // `from_str_radix` takes a sign.
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        return Some(key);
    }
    let decoded = Zeroizing::new(STANDARD.decode(text).ok()?);
    key.copy_from_slice(<&[u8; 32]>::try_from(decoded.as_slice()).ok()?);
    Some(key)
}
