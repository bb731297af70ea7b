//! Private keys behind josekit's `JwsSigner`.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use josekit::JoseError;
use josekit::jws::{ES256, JwsAlgorithm, JwsSigner, RS256};
use moneyer_authority::signer::{KeyKind, SignerError};
use moneyer_identity::{Algorithm, KeyError, VerifyingKey};

/// A private key, parsed once.
#[derive(Clone)]
pub(super) enum PrivateKey {
    Rsa(Arc<RsaKeyPair>),
    P256(Arc<EcdsaKeyPair>),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa(_) => "PrivateKey(RSA, redacted)",
            Self::P256(_) => "PrivateKey(P-256, redacted)",
        })
    }
}

impl PrivateKey {
    /// Makes a key and its PKCS#8 form.
    pub(super) fn generate(kind: KeyKind) -> Result<(Self, Vec<u8>), SignerError> {
        use aws_lc_rs::encoding::AsDer as _;
        use aws_lc_rs::rsa::KeySize;
        let size = match kind {
            KeyKind::Rsa2048 => KeySize::Rsa2048,
            KeyKind::Rsa3072 => KeySize::Rsa3072,
            KeyKind::Rsa4096 => KeySize::Rsa4096,
            KeyKind::P256 => {
                let document = EcdsaKeyPair::generate_pkcs8(
                    &ECDSA_P256_SHA256_FIXED_SIGNING,
                    &SystemRandom::new(),
                );
                let pkcs8 = document.map_err(generate)?.as_ref().to_vec();
                return Ok((Self::parse(Algorithm::ES256, &pkcs8)?, pkcs8));
            }
        };
        let pair = RsaKeyPair::generate(size).map_err(generate)?;
        let pkcs8 = pair.as_der().map_err(generate)?.as_ref().to_vec();
        Ok((Self::Rsa(Arc::new(pair)), pkcs8))
    }

    /// Reads a PKCS#8 key.
    pub(super) fn parse(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, SignerError> {
        match algorithm {
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(open)?;
                Ok(Self::Rsa(Arc::new(pair)))
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
                Ok(Self::P256(Arc::new(pair.map_err(open)?)))
            }
            Algorithm::EdDsa => Err(SignerError::Open("EdDSA keys do not sign".into())),
        }
    }

    /// The public half.
    pub(super) fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        match self {
            Self::Rsa(pair) => {
                let public = pair.public_key();
                VerifyingKey::rsa(
                    public.modulus().big_endian_without_leading_zero(),
                    public.exponent().big_endian_without_leading_zero(),
                )
            }
            Self::P256(pair) => {
                // An uncompressed point: 4, x, y.
                let point = pair.public_key().as_ref();
                match (point.get(1..33), point.get(33..65)) {
                    (Some(x), Some(y)) => VerifyingKey::p256(x, y),
                    _ => Err(KeyError::Malformed),
                }
            }
        }
    }

    fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
            Self::P256(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
        }
    }
}

impl JwsSigner for PrivateKey {
    fn algorithm(&self) -> &dyn JwsAlgorithm {
        match self {
            Self::Rsa(_) => &RS256,
            Self::P256(_) => &ES256,
        }
    }

    fn key_id(&self) -> Option<&str> {
        None
    }

    fn signature_len(&self) -> usize {
        match self {
            Self::Rsa(pair) => pair.public_modulus_len(),
            Self::P256(_) => 64,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        self.sign_bytes(message).map_err(|error| JoseError::InvalidSignature(error.into()))
    }

    fn box_clone(&self) -> Box<dyn JwsSigner> {
        Box::new(self.clone())
    }
}

fn generate(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SignerError {
    SignerError::Generate(error.into())
}

fn open(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SignerError {
    SignerError::Open(error.into())
}
