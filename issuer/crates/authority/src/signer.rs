//! The signer port: whatever holds private keys.
//!
//! A signer makes keys, opens stored ones and signs tokens with them. What a stored key needs to be
//! opened again is a [`KeyHandle`], opaque to the authority: the key itself for a local signer, a name
//! and version for a remote one. A signer never chooses a key, a claim or a time; and a signer that is
//! overloaded says so at once rather than queue without bound.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use moneyer_identity::{
    Algorithm, ErrorClass, Token, UnixTime, UnsignedCertificate, UnsignedToken, VerifyingKey,
};
use zeroize::Zeroizing;

use crate::store::Cause;

/// What key to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA, 2048 bits: taken everywhere.
    Rsa2048,
    /// RSA, 3072 bits.
    Rsa3072,
    /// RSA, 4096 bits: a signature costs six times that of 2048 bits.
    Rsa4096,
    /// P-256: for audiences that take ES256.
    P256,
}

impl KeyKind {
    /// The algorithm keys of this kind sign with.
    #[must_use]
    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => Algorithm::RS256,
            Self::P256 => Algorithm::ES256,
        }
    }
}

/// What a signer needs to open a key again. May be the private key: wiped when dropped, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHandle(Zeroizing<Vec<u8>>);

impl KeyHandle {
    /// Takes over the bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the signer that made them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHandle(redacted)")
    }
}

impl serde::Serialize for KeyHandle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Zeroizing::new(STANDARD.encode(&*self.0));
        serializer.serialize_str(&text)
    }
}

impl<'de> serde::Deserialize<'de> for KeyHandle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        STANDARD.decode(text.as_bytes()).map(Self::new).map_err(serde::de::Error::custom)
    }
}

/// A key just made.
#[derive(Debug)]
pub struct NewKey {
    /// Its public half.
    pub verifying_key: VerifyingKey,
    /// How to open it again.
    pub handle: KeyHandle,
}

/// Why a signer did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// More work is queued than can be done in time.
    #[error("the signer has too much to do")]
    Overloaded,
    /// The signer is shut down or cannot be reached.
    #[error("the signer is unavailable")]
    Unavailable(#[source] Cause),
    /// A key was not made.
    #[error("the signer could not make a key")]
    Generate(#[source] Cause),
    /// A stored key cannot be opened.
    #[error("the signer could not open a stored key")]
    Open(#[source] Cause),
    /// The private half does not belong to the public half.
    #[error("the private half of the key does not match its public half")]
    Mismatch,
    /// A signature was not made.
    #[error("the signer could not sign")]
    Sign(#[source] Cause),
    /// A certificate over a key was not made.
    #[error("the signer could not make a certificate over a key")]
    Certify(#[source] Cause),
}

impl SignerError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Overloaded => ErrorClass::Exhausted,
            Self::Unavailable(_) => ErrorClass::Unavailable,
            Self::Generate(_)
            | Self::Open(_)
            | Self::Mismatch
            | Self::Sign(_)
            | Self::Certify(_) => ErrorClass::Internal,
        }
    }
}

/// Where a key is kept that is not in this process, and how it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    /// By which name it is told of.
    pub name: &'static str,
    /// Why it does not sign; `None`: nothing is known against it.
    pub fault: Option<Fault>,
}

/// Why a dependency does not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Since when.
    pub since: UnixTime,
    /// What it is, for operators.
    pub problem: String,
}

/// Makes and opens keys.
#[async_trait]
pub trait Signer: Send + Sync + fmt::Debug {
    /// Makes a key pair. May take seconds.
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError>;

    /// Opens a stored key and proves that it belongs to the public half. A signer that is away opens all
    /// the same, by what the handle says: then every signature proves it.
    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError>;

    /// The newest key of this kind that somebody else made where the keys are kept, after the newest that
    /// was made or opened here. It signs nothing here before it was published as any other.
    async fn found(&self, _: KeyKind) -> Result<Option<NewKey>, SignerError> {
        Ok(None)
    }
}

/// An opened key.
#[async_trait]
pub trait SigningKey: Send + Sync + fmt::Debug {
    /// Its public half.
    fn verifying_key(&self) -> &VerifyingKey;

    /// Signs a token that names this key.
    async fn sign(&self, token: UnsignedToken) -> Result<Token, SignerError>;

    /// Where its private half is, if that is not in this process.
    fn dependency(&self) -> Option<Dependency> {
        None
    }

    /// Signs the certificate over this key, and gives the signature as certificates hold it: DER for
    /// ECDSA. A signer that signs nothing but tokens refuses, and `keys.x5c` is not for it.
    async fn sign_certificate(&self, _: UnsignedCertificate) -> Result<Vec<u8>, SignerError> {
        Err(SignerError::Certify("this signer signs tokens alone; set keys.x5c = false".into()))
    }

    /// Signs several tokens that name this key, and answers in their order. A signer that can hand over
    /// work in larger pieces spares a change of threads for each token.
    async fn sign_all(&self, tokens: Vec<UnsignedToken>) -> Vec<Result<Token, SignerError>> {
        let mut signed = Vec::with_capacity(tokens.len());
        for token in tokens {
            signed.push(self.sign(token).await);
        }
        signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_stored_whole_and_shown_never() {
        let handle = KeyHandle::new(b"canary".to_vec());
        let json = serde_json::to_string(&handle).unwrap();
        assert_eq!(serde_json::from_str::<KeyHandle>(&json).unwrap(), handle);
        assert_eq!(format!("{handle:?}"), "KeyHandle(redacted)");
    }
}
