//! A signer that makes as many keys as are asked for: P-256, whatever the kind, since a test of many
//! rotations would otherwise wait for RSA keys.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use josekit::jws::ES256;
use josekit::jws::alg::ecdsa::EcdsaJwsSigner;
use moneyer_authority::signer::{KeyHandle, KeyKind, NewKey, Signer, SignerError, SigningKey};
use moneyer_identity::{Token, UnsignedCertificate, UnsignedToken, VerifyingKey};

/// Makes a new P-256 key each time.
#[derive(Debug, Default)]
pub struct FreshSigner;

#[async_trait]
impl Signer for FreshSigner {
    async fn generate(&self, _: KeyKind) -> Result<NewKey, SignerError> {
        let refused = |error: String| SignerError::Generate(error.into());
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .map_err(|error| refused(error.to_string()))?;
        let handle = KeyHandle::new(document.as_ref().to_vec());
        let verifying_key = public_half(handle.expose())?;
        Ok(NewKey { verifying_key, handle })
    }

    async fn open(
        &self,
        verifying_key: &VerifyingKey,
        handle: &KeyHandle,
    ) -> Result<Arc<dyn SigningKey>, SignerError> {
        if public_half(handle.expose())?.thumbprint() != verifying_key.thumbprint() {
            return Err(SignerError::Mismatch);
        }
        let signer = ES256.signer_from_der(handle.expose());
        let signer = signer.map_err(|error| SignerError::Open(error.into()))?;
        Ok(Arc::new(FreshKey { verifying_key: verifying_key.clone(), signer }))
    }
}

struct FreshKey {
    verifying_key: VerifyingKey,
    signer: EcdsaJwsSigner,
}

impl fmt::Debug for FreshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FreshKey({:?})", self.verifying_key)
    }
}

#[async_trait]
impl SigningKey for FreshKey {
    fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    async fn sign(&self, token: UnsignedToken) -> Result<Token, SignerError> {
        if token.key_id() != self.verifying_key.key_id() {
            return Err(SignerError::Mismatch);
        }
        token.signed_by(&self.signer).map_err(|error| SignerError::Sign(error.into()))
    }

    async fn sign_certificate(
        &self,
        unsigned: UnsignedCertificate,
    ) -> Result<Vec<u8>, SignerError> {
        unsigned.signed_by(&self.signer).map_err(|error| SignerError::Certify(error.into()))
    }
}

fn public_half(pkcs8: &[u8]) -> Result<VerifyingKey, SignerError> {
    let open = |error: String| SignerError::Open(error.into());
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
        .map_err(|error| open(error.to_string()))?;
    // An uncompressed point: 4, x, y.
    let point = pair.public_key().as_ref();
    match (point.get(1..33), point.get(33..65)) {
        (Some(x), Some(y)) => VerifyingKey::p256(x, y).map_err(|error| open(error.to_string())),
        _ => Err(open("not a point".to_owned())),
    }
}
