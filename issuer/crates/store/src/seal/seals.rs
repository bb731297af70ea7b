//! Sealing and opening.
//!
//! ```text
//! 1 version | 16 KEK id | 32 salt | ciphertext | 16 tag
//! ```
//!
//! The key of a seal is HKDF-SHA256 (RFC 5869) of the KEK and the random salt. Each such key seals once,
//! so AES-256-GCM runs with a nonce of zeros: there is no nonce that could repeat. What is opened is
//! wiped when dropped.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use moneyer_identity::ErrorClass;
use zeroize::Zeroizing;

use crate::seal::encryption_key::{ID_BYTES, KekId, KeyEncryptionKey};
use crate::seal::place::Place;

/// The only form there is.
const VERSION: u8 = 1;

/// Bytes of the random salt.
pub(super) const SALT_BYTES: usize = 32;

/// Bytes of the tag.
const TAG_BYTES: usize = 16;

/// Bytes before the ciphertext.
const HEADER_BYTES: usize = 1 + ID_BYTES + SALT_BYTES;

/// `info` of the key of a seal.
const KEY_LABEL: &[u8] = b"moneyer seal key v1";

/// Why a record is not sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Two KEKs are one and the same.
    #[error(
        "the key-encryption key {0} is given twice; \
         make another one, or list it as the current or an older one only"
    )]
    SameKey(KekId),
    /// No randomness, or the crypto library failed.
    #[error("the record could not be sealed: the crypto library failed")]
    Crypto(#[source] aws_lc_rs::error::Unspecified),
    /// Too few bytes.
    #[error("the sealed record is cut off")]
    Short,
    /// Written by another version, not sealed, or damaged in its first byte.
    #[error("the record is not sealed in a known form (version {0})")]
    Version(u8),
    /// The KEK that sealed it is not here.
    #[error(
        "the record was sealed under the key-encryption key {needed}, which is not here; \
         give it as the current or an older key, or get it back with `moneyer store recover`"
    )]
    UnknownKey {
        /// The KEK that is needed.
        needed: KekId,
    },
    /// The record was changed, or belongs elsewhere.
    #[error(
        "the record does not open with the key-encryption key {with}: \
         it was changed, moved or comes from another cluster"
    )]
    Refused {
        /// The KEK it names.
        with: KekId,
    },
}

impl SealError {
    /// The kind of failure: always a fault of ours or of the disk, never of a caller.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Internal
    }
}

/// One KEK that seals, and those that open.
pub struct Seals {
    current: KeyEncryptionKey,
    older: Vec<KeyEncryptionKey>,
}

impl Seals {
    /// `current` seals and opens, `older` open only. Refused: the same KEK twice.
    pub fn new(current: KeyEncryptionKey, older: Vec<KeyEncryptionKey>) -> Result<Self, SealError> {
        let mut ids: Vec<_> = older.iter().map(KeyEncryptionKey::id).collect();
        ids.push(current.id());
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[_]>::first) {
            Some(same) => Err(SealError::SameKey(*same)),
            None => Ok(Self { current, older }),
        }
    }

    /// The KEK that seals.
    #[must_use]
    pub fn current_id(&self) -> KekId {
        self.current.id()
    }

    /// The KEK that seals, for what is derived from it.
    #[must_use]
    pub fn current(&self) -> &KeyEncryptionKey {
        &self.current
    }

    /// Every KEK, the one that seals first.
    pub fn keys(&self) -> impl Iterator<Item = &KeyEncryptionKey> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// The KEK of this id, the current or an older one.
    #[must_use]
    pub fn key(&self, id: KekId) -> Option<&KeyEncryptionKey> {
        self.keys().find(|key| key.id() == id)
    }

    /// Seals `plain` for its place.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt).map_err(SealError::Crypto)?;
        self.seal_with(&salt, place, plain)
    }

    /// Never twice with one salt: that would repeat a key and its nonce.
    pub(super) fn seal_with(
        &self,
        salt: &[u8; SALT_BYTES],
        place: &Place<'_>,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let length = HEADER_BYTES.saturating_add(plain.len()).saturating_add(TAG_BYTES);
        // Reserved once: a vector that grows leaves copies of the plain bytes behind.
        let mut sealed = Vec::with_capacity(length);
        sealed.push(VERSION);
        sealed.extend_from_slice(self.current.id().as_bytes());
        sealed.extend_from_slice(salt);
        sealed.extend_from_slice(plain);
        let body = sealed.get_mut(HEADER_BYTES..).unwrap_or_default();
        let aad = Aad::from(place.associated_data());
        let tag = gcm(&self.current, salt)
            .and_then(|key| key.seal_in_place_separate_tag(zero_nonce(), aad, body))
            .map_err(SealError::Crypto)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// What was sealed for this place.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let parts = Parts::of(sealed)?;
        let with = parts.id;
        let key = self.key(with).ok_or(SealError::UnknownKey { needed: with })?;
        let mut body = Zeroizing::new(parts.body.to_vec());
        let aad = Aad::from(place.associated_data());
        // The cause says nothing: GCM knows only that the tag is another.
        let plain = gcm(key, parts.salt)
            .and_then(|key| Ok(key.open_in_place(zero_nonce(), aad, &mut body)?.len()))
            .or(Err(SealError::Refused { with }))?;
        body.truncate(plain);
        Ok(body)
    }

    /// The KEK a record was sealed under, if it is sealed at all.
    #[must_use]
    pub fn sealed_by(sealed: &[u8]) -> Option<KekId> {
        Parts::of(sealed).ok().map(|parts| parts.id)
    }
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let older: Vec<_> = self.older.iter().map(KeyEncryptionKey::id).collect();
        f.debug_struct("Seals").field("current", &self.current.id()).field("older", &older).finish()
    }
}

/// A sealed record, taken apart.
struct Parts<'a> {
    id: KekId,
    salt: &'a [u8; SALT_BYTES],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Result<Self, SealError> {
        let (&[version], rest) = sealed.split_first_chunk().ok_or(SealError::Short)?;
        if version != VERSION {
            return Err(SealError::Version(version));
        }
        let (&id, rest) = rest.split_first_chunk().ok_or(SealError::Short)?;
        let (salt, body) = rest.split_first_chunk().ok_or(SealError::Short)?;
        if body.len() < TAG_BYTES {
            return Err(SealError::Short);
        }
        Ok(Self { id: KekId::from_bytes(id), salt, body })
    }
}

fn gcm(
    key: &KeyEncryptionKey,
    salt: &[u8; SALT_BYTES],
) -> Result<LessSafeKey, aws_lc_rs::error::Unspecified> {
    let key = key.seal_key(salt, KEY_LABEL);
    UnboundKey::new(&AES_256_GCM, &*key).map(LessSafeKey::new)
}

/// Each key seals one record.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}
