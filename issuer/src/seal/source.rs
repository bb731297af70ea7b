//! Reading key-encryption keys as `[seal]` says.

use std::path::Path;

use moneyer_daemon::file::{
    ReadSecretError, SecretBytes, read_group_secret, read_secret, read_unwritable,
};
use moneyer_daemon::settings::credentials_directory;
use moneyer_store::seal::{KeyEncryptionKey, Seals};

use super::SealKeyError;
use super::encrypted::{MAXIMUM_AGE_FILE_BYTES, decrypt};
use super::form::{MAXIMUM_KEY_BYTES, parse};
use super::identities::Identities;
use super::place::check_place;
use crate::config::{SealSection, StoreSection};

/// Where the key is if nothing else is said.
pub(super) const DEFAULT_KEY_FILE: &str = "/etc/moneyer/seal.key";

/// The keys that records are sealed under and opened with; `None` where sealing is switched off.
pub fn seals(seal: &SealSection, store: &StoreSection) -> Result<Option<Seals>, SealKeyError> {
    if seal.insecure_plain {
        let named = [&seal.key_file, &seal.age_file].into_iter().any(Option::is_some);
        if named || seal.credential.is_some() || seal.recovery_recipient.is_some() {
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
    let identities = identities(seal, &store.path)?;
    let read_age = |file: &Path| {
        let identities = identities.as_ref().ok_or(SealKeyError::NoIdentity)?;
        read_age_key(file, identities, &store.path)
    };
    let current = match (&seal.key_file, &seal.credential, &seal.age_file) {
        (Some(file), None, None) => read_key(file, &store.path, read_secret)?,
        (None, Some(name), None) => {
            if name.is_empty() || name.starts_with('.') || name.contains('/') {
                return Err(SealKeyError::CredentialName(name.clone()));
            }
            let directory = credentials.ok_or(SealKeyError::NoCredentials)?;
            // systemd grants the user access by an ACL, whose mask shows as the group's bits; Kubernetes by
            // the group of the pod.
            read_key(&directory.join(name), &store.path, read_group_secret)?
        }
        (None, None, Some(file)) => read_age(file)?,
        (None, None, None) => read_key(Path::new(DEFAULT_KEY_FILE), &store.path, read_secret)?,
        _ => return Err(SealKeyError::Sources),
    };
    let mut older = Vec::new();
    for file in &seal.older_key_files {
        older.push(read_key(file, &store.path, read_secret)?);
    }
    for file in &seal.older_age_files {
        older.push(read_age(file)?);
    }
    Seals::new(current, older).map_err(SealKeyError::Keys)
}

/// What opens the age files, where there are any.
fn identities(seal: &SealSection, store: &Path) -> Result<Option<Identities>, SealKeyError> {
    let Some(path) = &seal.age_identity_file else { return Ok(None) };
    if seal.age_file.is_none() && seal.older_age_files.is_empty() {
        return Err(SealKeyError::IdleIdentity);
    }
    Identities::read(path, store).map(Some)
}

/// Reads one kind of secret file up to a size.
type Read = fn(&Path, usize) -> Result<SecretBytes, ReadSecretError>;

fn read_key(path: &Path, store: &Path, read: Read) -> Result<KeyEncryptionKey, SealKeyError> {
    let secret = read(path, MAXIMUM_KEY_BYTES).map_err(|error| {
        if is_missing(&error) {
            SealKeyError::Missing { path: path.to_owned(), store: store.to_owned() }
        } else {
            SealKeyError::Read(error)
        }
    })?;
    check_place(path, store)?;
    key_of(path, &secret)
}

/// A key that was encrypted to one of these identities. Others may read the file; nobody may replace it.
fn read_age_key(
    path: &Path,
    identities: &Identities,
    store: &Path,
) -> Result<KeyEncryptionKey, SealKeyError> {
    let bytes = read_unwritable(path, MAXIMUM_AGE_FILE_BYTES).map_err(|error| {
        if is_missing(&error) {
            let (path, store) = (path.to_owned(), store.to_owned());
            SealKeyError::MissingAge { what: "age file", path, store }
        } else {
            SealKeyError::Read(error)
        }
    })?;
    check_place(path, store)?;
    let secret = decrypt(&bytes, identities, MAXIMUM_KEY_BYTES)
        .map_err(|source| SealKeyError::Age { path: path.to_owned(), source })?;
    key_of(path, &secret)
}

pub(super) fn is_missing(error: &ReadSecretError) -> bool {
    matches!(error, ReadSecretError::Read { source, .. }
        if source.kind() == std::io::ErrorKind::NotFound)
}

fn key_of(path: &Path, secret: &SecretBytes) -> Result<KeyEncryptionKey, SealKeyError> {
    let key = parse(secret.expose()).ok_or_else(|| SealKeyError::Form(path.to_owned()))?;
    KeyEncryptionKey::from_bytes(*key)
        .map_err(|source| SealKeyError::Zero { path: path.to_owned(), source })
}
