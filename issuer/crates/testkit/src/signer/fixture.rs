//! A signer whose keys were made beforehand.
//!
//! It signs for real, by josekit's own OpenSSL signers: what it makes verifies everywhere.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use josekit::jws::{ES256, EdDSA, JwsSigner, RS256};
use moneyer_authority::signer::{KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey};
use moneyer_identity::{Algorithm, Token, UnsignedCertificate, UnsignedToken, VerifyingKey};

use crate::fixture_key::FixtureKey;

/// Hands out the fixture keys one after the other, each once.
#[derive(Debug)]
pub struct FixtureSigner {
    left: Mutex<VecDeque<FixtureKey>>,
}

impl Default for FixtureSigner {
    fn default() -> Self {
        Self { left: Mutex::new(FixtureKey::MADE.into()) }
    }
}

impl FixtureSigner {
    fn take(&self, kind: KeyKind) -> Option<FixtureKey> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let at = left.iter().position(|key| key.kind == Some(kind))?;
        left.remove(at)
    }
}

#[async_trait]
impl Signer for FixtureSigner {
    async fn generate(&self, kind: KeyKind) -> Result<NewKey, SignerError> {
        let key = self.take(kind);
        let key = key.ok_or_else(|| {
            SignerError::Generate(format!("the fixtures hold no more keys of {kind:?}").into())
        })?;
        Ok(NewKey { verifying_key: key.verifying_key(), handle: key.handle() })
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        let known = FixtureKey::MADE.into_iter().chain(FixtureKey::ADOPTED);
        let fixture = known.into_iter().find(|key| key.handle() == *handle);
        let fixture = fixture.ok_or_else(|| SignerError::Open("not one of the fixtures".into()))?;
        if fixture.verifying_key().thumbprint() != verifying_key.thumbprint() {
            return Err(SignerError::Mismatch);
        }
        let open = |error: josekit::JoseError| SignerError::Open(error.into());
        let signer: Box<dyn JwsSigner> = match verifying_key.algorithm() {
            Algorithm::RS256 => Box::new(RS256.signer_from_pem(fixture.pem()).map_err(open)?),
            Algorithm::ES256 => Box::new(ES256.signer_from_pem(fixture.pem()).map_err(open)?),
            Algorithm::EdDsa => Box::new(EdDSA.signer_from_pem(fixture.pem()).map_err(open)?),
        };
        Ok(Arc::new(OpenedFixture { verifying_key: verifying_key.clone(), signer }))
    }
}

struct OpenedFixture {
    verifying_key: VerifyingKey,
    signer: Box<dyn JwsSigner>,
}

impl fmt::Debug for OpenedFixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenedFixture({:?})", self.verifying_key)
    }
}

#[async_trait]
impl SigningKey for OpenedFixture {
    fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    async fn sign(&self, token: UnsignedToken) -> Result<Token, SignerError> {
        if token.key_id() != self.verifying_key.key_id() {
            return Err(SignerError::Mismatch);
        }
        token.signed_by(&*self.signer).map_err(|error| SignerError::Sign(error.into()))
    }

    async fn sign_certificate(
        &self,
        unsigned: UnsignedCertificate,
    ) -> Result<Vec<u8>, SignerError> {
        unsigned.signed_by(&*self.signer).map_err(|error| SignerError::Certify(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_fixture_signer_is_a_signer() {
        crate::signer::suite(&FixtureSigner::default()).await;
        crate::signer::adopted_suite(&FixtureSigner::default()).await;
    }

    #[tokio::test]
    async fn each_key_is_given_out_once() {
        let signer = FixtureSigner::default();
        let first = signer.generate(KeyKind::P256).await.unwrap();
        let second = signer.generate(KeyKind::P256).await.unwrap();
        assert_ne!(first.verifying_key.key_id(), second.verifying_key.key_id());
        let third = signer.generate(KeyKind::P256).await;
        assert!(matches!(third, Err(SignerError::Generate(_))));
    }
}
