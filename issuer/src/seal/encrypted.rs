//! Opening what was encrypted with age (age-encryption.org/v1), binary or armored.
//!
//! Refused: a file that is encrypted with a passphrase, which only a person can say. It is refused before
//! the passphrase's work is done, so such a file costs nothing.

use std::io::{self, Read as _};

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor};
use moneyer_daemon::file::SecretBytes;
use zeroize::Zeroizing;

use super::identities::Identities;

/// Longest file: a key, and some hundred recipients.
pub(super) const MAXIMUM_AGE_FILE_BYTES: usize = 64 * 1024;

/// Why an age file does not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgeFileError {
    /// It has a passphrase.
    #[error(
        "it is encrypted with a passphrase, and nobody is there to say it when a daemon starts; encrypt \
         it to an identity: age -r age1… -o FILE"
    )]
    Passphrase,
    /// It is encrypted to others.
    #[error("it is not encrypted to any of the identities; name the one it is encrypted to")]
    NotToUs,
    /// It holds more than is expected.
    #[error("it holds more than {0} bytes; it is probably the wrong file")]
    TooLarge(usize),
    /// It is cut off, changed, or no age file.
    #[error("it is not a whole age file")]
    Damaged(#[source] DecryptError),
    /// What is in it was cut off or changed.
    #[error("it is cut off or was changed")]
    Contents(#[source] io::Error),
}

/// What is in an age file, of at most so many bytes.
pub(super) fn decrypt(
    bytes: &SecretBytes,
    identities: &Identities,
    maximum: usize,
) -> Result<SecretBytes, AgeFileError> {
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(bytes.expose()));
    let decryptor = decryptor.map_err(AgeFileError::Damaged)?;
    if decryptor.is_scrypt() {
        return Err(AgeFileError::Passphrase);
    }
    let reader = decryptor.decrypt(identities.iter()).map_err(|error| match error {
        DecryptError::NoMatchingKeys => AgeFileError::NotToUs,
        error => AgeFileError::Damaged(error),
    })?;
    // Room for all of it, and one byte more: a vector that grows leaves copies behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(maximum.saturating_add(1)));
    let limit = u64::try_from(maximum).unwrap_or(u64::MAX).saturating_add(1);
    // Read to its end, which shows that nothing was cut off.
    reader.take(limit).read_to_end(&mut plain).map_err(AgeFileError::Contents)?;
    if plain.len() > maximum {
        return Err(AgeFileError::TooLarge(maximum));
    }
    Ok(SecretBytes::new(std::mem::take(&mut *plain)))
}
