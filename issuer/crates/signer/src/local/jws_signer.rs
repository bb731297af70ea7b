//! Private keys behind josekit's `JwsSigner`.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use ed25519_dalek::Signer as _;
use josekit::JoseError;
use josekit::jws::{ES256, EdDSA, JwsAlgorithm, JwsSigner, RS256};
use moneyer_authority::signer::{KeyKind, SignerError};
use moneyer_identity::{Algorithm, KeyError, VerifyingKey};
use zeroize::Zeroizing;

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 version 1 (RFC 8410 section 7).
const ED25519_PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The modulus of RSA-2048, whose signature takes under half a millisecond.
const QUICK_MODULUS_BYTES: usize = 256;

/// A private key, parsed once.
#[derive(Clone)]
pub(crate) enum PrivateKey {
    Rsa(Arc<RsaKeyPair>),
    P256(Arc<EcdsaKeyPair>),
    Ed25519(Arc<ed25519_dalek::SigningKey>),
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa(_) => "PrivateKey(RSA, redacted)",
            Self::P256(_) => "PrivateKey(P-256, redacted)",
            Self::Ed25519(_) => "PrivateKey(Ed25519, redacted)",
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

    /// Reads a PKCS#8 key; Ed25519 in version 1 only, as [`ed25519_pkcs8`] writes it.
    pub(crate) fn parse(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, SignerError> {
        match algorithm {
            Algorithm::RS256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(open)?;
                Ok(Self::Rsa(Arc::new(pair)))
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
                Ok(Self::P256(Arc::new(pair.map_err(open)?)))
            }
            Algorithm::EdDsa => {
                let seed = pkcs8.strip_prefix(&ED25519_PKCS8).and_then(|seed| seed.try_into().ok());
                let seed: Option<&[u8; 32]> = seed;
                let seed = seed.ok_or_else(|| open("not an Ed25519 key in PKCS#8 version 1"))?;
                Ok(Self::Ed25519(Arc::new(ed25519_dalek::SigningKey::from_bytes(seed))))
            }
        }
    }

    /// The public half.
    pub(crate) fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
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
            Self::Ed25519(key) => VerifyingKey::ed25519(key.verifying_key().as_bytes()),
        }
    }

    /// Whether a signature takes less than a millisecond. Longer RSA keys take several.
    pub(super) fn is_quick(&self) -> bool {
        match self {
            Self::Rsa(pair) => pair.public_modulus_len() <= QUICK_MODULUS_BYTES,
            Self::P256(_) | Self::Ed25519(_) => true,
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
            Self::Ed25519(key) => Ok(key.sign(message).to_vec()),
        }
    }
}

impl JwsSigner for PrivateKey {
    fn algorithm(&self) -> &dyn JwsAlgorithm {
        match self {
            Self::Rsa(_) => &RS256,
            Self::P256(_) => &ES256,
            Self::Ed25519(_) => &EdDSA,
        }
    }

    fn key_id(&self) -> Option<&str> {
        None
    }

    fn signature_len(&self) -> usize {
        match self {
            Self::Rsa(pair) => pair.public_modulus_len(),
            Self::P256(_) | Self::Ed25519(_) => 64,
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        self.sign_bytes(message).map_err(|error| JoseError::InvalidSignature(error.into()))
    }

    fn box_clone(&self) -> Box<dyn JwsSigner> {
        Box::new(self.clone())
    }
}

/// An Ed25519 key as PKCS#8 version 1, 48 bytes, which everyone reads; version 2 adds the public half,
/// and some readers refuse it.
pub(crate) fn ed25519_pkcs8(seed: &[u8; 32]) -> Zeroizing<Vec<u8>> {
    let mut pkcs8 = Zeroizing::new(Vec::with_capacity(ED25519_PKCS8.len() + seed.len()));
    pkcs8.extend_from_slice(&ED25519_PKCS8);
    pkcs8.extend_from_slice(seed);
    pkcs8
}

fn generate(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SignerError {
    SignerError::Generate(error.into())
}

fn open(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SignerError {
    SignerError::Open(error.into())
}
