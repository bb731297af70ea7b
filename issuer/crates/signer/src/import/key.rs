//! A key that was taken from a file.

use std::fmt;

use moneyer_authority::signer::{KeyHandle, SignerError};
use moneyer_identity::{Algorithm, KeyError, KeyId, VerifyingKey};
use rsa::pkcs8::der::Decode as _;
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use rsa::pkcs8::{ObjectIdentifier, PrivateKeyInfo};
use zeroize::Zeroizing;

use crate::import::encoding::{Encoded, Encoding, read};
use crate::import::error::ImportError;
use crate::import::{ed25519, openssh, p256, rsa as rsa_key};
use crate::local::PrivateKey;

/// Largest file: an RSA-4096 key has 3.3 KiB, and a chain of bag attributes a few more.
pub const MAXIMUM_KEY_FILE_BYTES: usize = 64 * 1024;

/// `rsaEncryption`, RFC 8017.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-ecPublicKey`, RFC 5480.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `id-Ed25519`, RFC 8410.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What a key is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It will sign.
    Sign,
    /// Only its public half is kept.
    Verify,
}

/// A private key as PKCS#8, and the public half its file claims. Not proven yet.
pub(super) struct Claimed {
    pub(super) public: VerifyingKey,
    pub(super) pkcs8: Zeroizing<Vec<u8>>,
}

/// A key pair that can sign. Its private half belongs to its public half.
pub struct ImportedKey {
    verifying_key: VerifyingKey,
    handle: KeyHandle,
}

impl ImportedKey {
    /// Takes the one private key out of a file's bytes.
    pub fn parse(file: &[u8]) -> Result<Self, ImportError> {
        let claimed = claimed(&read(file)?, Use::Sign)?;
        let algorithm = claimed.public.algorithm();
        let private = PrivateKey::parse(algorithm, &claimed.pkcs8).map_err(refused)?;
        let public = private.verifying_key().map_err(ImportError::Key)?;
        if public.thumbprint() != claimed.public.thumbprint() {
            return Err(ImportError::Mismatch);
        }
        Ok(Self { verifying_key: public, handle: KeyHandle::new(claimed.pkcs8.to_vec()) })
    }

    /// Its public half.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// How the local signer opens it.
    #[must_use]
    pub fn handle(&self) -> &KeyHandle {
        &self.handle
    }

    /// Its thumbprint, by which an operator tells it from others.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        self.verifying_key.thumbprint()
    }

    /// Both halves.
    #[must_use]
    pub fn into_parts(self) -> (VerifyingKey, KeyHandle) {
        (self.verifying_key, self.handle)
    }
}

impl fmt::Debug for ImportedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImportedKey({:?}, private half redacted)", self.verifying_key)
    }
}

/// A key that only verifies.
#[derive(Debug, Clone)]
pub struct ImportedPublicKey {
    verifying_key: VerifyingKey,
}

impl ImportedPublicKey {
    /// Takes the one key out of a file's bytes. Of a private key only the public half is kept.
    pub fn parse(file: &[u8]) -> Result<Self, ImportError> {
        let encoded = read(file)?;
        let verifying_key = match encoded.encoding {
            Encoding::PublicKey => public(&encoded.der)?,
            Encoding::Pkcs1Public => rsa_key::public(&encoded.der)?,
            _ => claimed(&encoded, Use::Verify)?.public,
        };
        Ok(Self { verifying_key })
    }

    /// The key.
    #[must_use]
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// Its thumbprint, by which an operator tells it from others.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        self.verifying_key.thumbprint()
    }
}

fn claimed(encoded: &Encoded, purpose: Use) -> Result<Claimed, ImportError> {
    let der = &encoded.der;
    match encoded.encoding {
        Encoding::Pkcs1 => rsa_key::private(der, purpose),
        Encoding::Sec1 => p256::private(der, encoded.curve),
        Encoding::OpenSsh => openssh::private(der),
        Encoding::PublicKey | Encoding::Pkcs1Public => Err(ImportError::PublicOnly),
        Encoding::Pkcs8 => {
            let broken = |_der| ImportError::Damaged("its PKCS#8 structure is broken");
            let key = PrivateKeyInfo::from_der(der).map_err(broken)?;
            match key.algorithm.oid {
                RSA => rsa_key::private(key.private_key, purpose),
                EC => p256::private(key.private_key, Some(p256::curve(&key.algorithm)?)),
                ED25519 => ed25519::private(key.private_key, key.public_key),
                _ => Err(ImportError::Algorithm),
            }
        }
    }
}

fn public(der: &[u8]) -> Result<VerifyingKey, ImportError> {
    let broken = ImportError::Damaged("its public key's structure is broken");
    let Ok(key) = SubjectPublicKeyInfoRef::from_der(der) else { return Err(broken) };
    let Some(bytes) = key.subject_public_key.as_bytes() else { return Err(broken) };
    match key.algorithm.oid {
        RSA => rsa_key::public(bytes),
        EC => {
            p256::curve(&key.algorithm)?;
            p256::public(bytes)
        }
        ED25519 => VerifyingKey::ed25519(bytes).map_err(ImportError::Key),
        _ => Err(ImportError::Algorithm),
    }
}

/// A private key of one of our algorithms that its library does not take contradicts itself.
pub(super) fn refused(_error: SignerError) -> ImportError {
    ImportError::Mismatch
}

/// Opens a PKCS#8 key to learn its public half.
pub(super) fn public_half(algorithm: Algorithm, pkcs8: &[u8]) -> Result<VerifyingKey, ImportError> {
    let key = PrivateKey::parse(algorithm, pkcs8).map_err(refused)?;
    key.verifying_key().map_err(|error: KeyError| ImportError::Key(error))
}
