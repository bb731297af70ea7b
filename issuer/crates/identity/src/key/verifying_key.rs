//! The public half of a signing key, parsed once and ready to verify.
//!
//! RSA from 2048 to 4096 bits with an odd exponent from 3 to 2^32 (larger ones only cost CPU), P-256,
//! and Ed25519 with the strict verification of RFC 8032 (no small-order keys, canonical S). RSA and
//! P-256 are verified by josekit, Ed25519 by ed25519-dalek's `verify_strict`.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jws::{ES256, JwsVerifier, RS256};
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::key::certificate::KeyCertificate;
use crate::key::jwk::Jwk;
use crate::key::key_id::KeyId;

/// Why a key is refused.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Key type, curve or algorithm is not one of ours, or they contradict each other.
    #[error("the key's type, curve, use or algorithm is not one that can be used")]
    Unsupported,
    /// A member is missing or is not base64url.
    #[error("a member of the key is missing or malformed")]
    Malformed,
    /// The modulus is not 2048 to 4096 bits, or the exponent is even, below 3 or too large.
    #[error("the RSA key is not 2048 to 4096 bits with a sound exponent")]
    Size,
    /// The crypto library refuses the key.
    #[error("the key is not a valid one")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Everything needed to check signatures of one key.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    key_id: KeyId,
    thumbprint: KeyId,
    jwk: Jwk,
    check: Check,
}

#[derive(Clone)]
enum Check {
    Josekit(Arc<dyn JwsVerifier>),
    Ed25519(Box<ed25519_dalek::VerifyingKey>),
}

impl VerifyingKey {
    /// An RSA key from its modulus and exponent, big-endian.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let (modulus, exponent) = sound_rsa(modulus, exponent)?;
        let (n, e) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
        let thumbprint = KeyId::of_canonical(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
        let jwk = Jwk { n: Some(n), e: Some(e), ..empty_jwk("RSA", Algorithm::RS256, &thumbprint) };
        let verifier = RS256.verifier_from_jwk(&josekit_jwk(&jwk)?).map_err(invalid)?;
        Ok(Self::new(Algorithm::RS256, thumbprint, jwk, Check::Josekit(Arc::new(verifier))))
    }

    /// A P-256 key from its coordinates, 32 bytes each, big-endian.
    pub fn p256(x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        if x.len() != 32 || y.len() != 32 {
            return Err(KeyError::Malformed);
        }
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let thumbprint =
            KeyId::of_canonical(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        let jwk = Jwk {
            crv: Some("P-256".to_owned()),
            x: Some(x),
            y: Some(y),
            ..empty_jwk("EC", Algorithm::ES256, &thumbprint)
        };
        let verifier = ES256.verifier_from_jwk(&josekit_jwk(&jwk)?).map_err(invalid)?;
        Ok(Self::new(Algorithm::ES256, thumbprint, jwk, Check::Josekit(Arc::new(verifier))))
    }

    /// An Ed25519 key from its 32 bytes.
    pub fn ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = <&[u8; 32]>::try_from(bytes).map_err(|_length| KeyError::Malformed)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .map_err(|error| KeyError::Invalid(Box::new(error)))?;
        if key.is_weak() {
            return Err(KeyError::Size);
        }
        let x = URL_SAFE_NO_PAD.encode(bytes);
        let thumbprint =
            KeyId::of_canonical(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        let jwk = Jwk {
            crv: Some("Ed25519".to_owned()),
            x: Some(x),
            ..empty_jwk("OKP", Algorithm::EdDsa, &thumbprint)
        };
        Ok(Self::new(Algorithm::EdDsa, thumbprint, jwk, Check::Ed25519(Box::new(key))))
    }

    /// A key from an entry of a key set. Keeps the entry's own `kid`, which foreign issuers choose
    /// freely; an entry that names an algorithm or use other than the key's own is refused.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let member = |text: &Option<String>| {
            let text = text.as_deref().ok_or(KeyError::Malformed)?;
            URL_SAFE_NO_PAD.decode(text).map_err(|_not_base64| KeyError::Malformed)
        };
        let mut key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", None) => Self::rsa(&member(&jwk.n)?, &member(&jwk.e)?)?,
            ("EC", Some("P-256")) => Self::p256(&member(&jwk.x)?, &member(&jwk.y)?)?,
            ("OKP", Some("Ed25519")) => Self::ed25519(&member(&jwk.x)?)?,
            _ => return Err(KeyError::Unsupported),
        };
        if jwk.alg.is_some_and(|algorithm| algorithm != key.algorithm) {
            return Err(KeyError::Unsupported);
        }
        if let Some(kid) = &jwk.kid {
            key = key.named(kid.clone());
        }
        Ok(key)
    }

    /// The same key under the `kid` that its issuer gave it.
    #[must_use]
    pub fn named(mut self, key_id: KeyId) -> Self {
        self.jwk.kid = Some(key_id.clone());
        self.key_id = key_id;
        self
    }

    /// The same key, published with a certificate over it.
    #[must_use]
    pub fn certified(mut self, certificate: KeyCertificate) -> Self {
        self.jwk.x5c = Some([certificate]);
        self
    }

    fn new(algorithm: Algorithm, thumbprint: KeyId, jwk: Jwk, check: Check) -> Self {
        Self { algorithm, key_id: thumbprint.clone(), thumbprint, jwk, check }
    }

    /// The only algorithm this key is used with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` it goes by.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// The RFC 7638 thumbprint, the same as [`Self::key_id`] for every key that was made here.
    #[must_use]
    pub fn thumbprint(&self) -> &KeyId {
        &self.thumbprint
    }

    /// The published form, `use` = `sig`.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// How long its signatures are in a token: as its modulus, or two numbers of 32 bytes.
    pub(crate) fn signature_bytes(&self) -> usize {
        match self.algorithm {
            // Base64 without padding: four characters for three bytes.
            Algorithm::RS256 => self.jwk.n.as_ref().map_or(0, |n| n.len() * 3 / 4),
            Algorithm::ES256 | Algorithm::EdDsa => 64,
        }
    }

    /// Whether the signature is this key's over these bytes. Private to the verifier: a `bool` must
    /// not travel.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.check {
            Check::Josekit(verifier) => verifier.verify(message, signature).is_ok(),
            Check::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {})", self.algorithm, self.key_id)
    }
}

/// Modulus and exponent without leading zeros, if a key of them may be used.
pub(crate) fn sound_rsa<'a>(
    modulus: &'a [u8],
    exponent: &'a [u8],
) -> Result<(&'a [u8], &'a [u8]), KeyError> {
    let (modulus, exponent) = (strip_zeros(modulus), strip_zeros(exponent));
    let bits =
        modulus.first().map_or(0, |first| modulus.len() * 8 - first.leading_zeros() as usize);
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    if !(2048..=4096).contains(&bits) || !odd(modulus) {
        return Err(KeyError::Size);
    }
    if exponent.len() > 4 || !odd(exponent) || exponent == [1] {
        return Err(KeyError::Size);
    }
    Ok((modulus, exponent))
}

fn strip_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

fn empty_jwk(kty: &str, algorithm: Algorithm, kid: &KeyId) -> Jwk {
    Jwk {
        kty: kty.to_owned(),
        key_use: Some("sig".to_owned()),
        alg: Some(algorithm),
        kid: Some(kid.clone()),
        n: None,
        e: None,
        crv: None,
        x: None,
        y: None,
        x5c: None,
    }
}

fn josekit_jwk(jwk: &Jwk) -> Result<josekit::jwk::Jwk, KeyError> {
    let value = serde_json::to_value(jwk).map_err(|error| KeyError::Invalid(Box::new(error)))?;
    let Value::Object(map) = value else { return Err(KeyError::Malformed) };
    let map: Map<String, Value> = map;
    josekit::jwk::Jwk::from_map(map).map_err(invalid)
}

fn invalid(error: josekit::JoseError) -> KeyError {
    KeyError::Invalid(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];

    /// An odd modulus of this many bits. No one knows its factors, and none are needed to load it.
    fn modulus(bits: usize) -> Vec<u8> {
        let mut bytes = vec![0xa5; bits.div_ceil(8)];
        bytes[0] = match bits % 8 {
            0 => 0x80,
            spare => 1 << (spare - 1),
        };
        bytes
    }

    #[test]
    fn rsa_sizes() {
        for (bits, good) in [(2047, false), (2048, true), (3072, true), (4096, true), (4097, false)]
        {
            let key = VerifyingKey::rsa(&modulus(bits), &PUBLIC_EXPONENT);
            assert_eq!(key.is_ok(), good, "{bits} bits");
        }
        for bits in [8, 512, 1024, 16_384] {
            let key = VerifyingKey::rsa(&modulus(bits), &PUBLIC_EXPONENT);
            assert!(matches!(key, Err(KeyError::Size)), "{bits} bits");
        }
        for bad in [vec![], vec![0; 256], vec![0xa4; 256]] {
            assert!(matches!(VerifyingKey::rsa(&bad, &PUBLIC_EXPONENT), Err(KeyError::Size)));
        }
    }

    #[test]
    fn rsa_exponents() {
        let of = |exponent: &[u8]| VerifyingKey::rsa(&modulus(2048), exponent);
        for good in [&[3][..], &[17], &[1, 0, 1], &[0, 1, 0, 1], &[0xff; 4]] {
            assert!(of(good).is_ok(), "{good:?}");
        }
        for bad in [&[][..], &[0], &[1], &[2], &[0, 1], &[1, 0, 0], &[1, 0, 0, 0, 1], &[0xff; 256]]
        {
            assert!(matches!(of(bad), Err(KeyError::Size)), "{bad:?}");
        }
    }

    #[test]
    fn leading_zeros_do_not_make_another_key() {
        let padded = [&[0, 0], &modulus(2048)[..]].concat();
        let key = VerifyingKey::rsa(&padded, &[0, 1, 0, 1]).unwrap();
        let plain = VerifyingKey::rsa(&modulus(2048), &PUBLIC_EXPONENT).unwrap();
        assert_eq!((key.thumbprint(), key.jwk()), (plain.thumbprint(), plain.jwk()));
    }

    #[test]
    fn a_point_has_to_be_on_the_curve() {
        // The base point of P-256 (SEC 2, section 2.4.2).
        let member = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let x = member("axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY");
        let y = member("T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU");
        assert!(VerifyingKey::p256(&x, &y).is_ok());
        assert!(matches!(VerifyingKey::p256(&y, &x), Err(KeyError::Invalid(_))));
        assert!(matches!(VerifyingKey::p256(&[0; 32], &[0; 32]), Err(KeyError::Invalid(_))));
        assert!(matches!(VerifyingKey::p256(&[0xff; 32], &y), Err(KeyError::Invalid(_))));
        assert!(matches!(VerifyingKey::p256(&x[1..], &y), Err(KeyError::Malformed)));
        let longer = [&[0], &x[..]].concat();
        assert!(matches!(VerifyingKey::p256(&longer, &y), Err(KeyError::Malformed)));
    }

    #[test]
    fn ed25519_takes_32_bytes() {
        for length in [0, 31, 33, 64] {
            let key = VerifyingKey::ed25519(&vec![1; length]);
            assert!(matches!(key, Err(KeyError::Malformed)), "{length}");
        }
    }

    #[test]
    fn an_entry_says_what_its_key_is() {
        let good = VerifyingKey::rsa(&modulus(2048), &PUBLIC_EXPONENT).unwrap().jwk().clone();
        assert!(VerifyingKey::from_jwk(&good).is_ok());
        assert!(VerifyingKey::from_jwk(&Jwk { alg: None, ..good.clone() }).is_ok());
        let text = |text: &str| Some(text.to_owned());
        for bad in [
            Jwk { kty: "EC".to_owned(), ..good.clone() },
            Jwk { kty: "rsa".to_owned(), ..good.clone() },
            Jwk { crv: text("P-256"), ..good.clone() },
            Jwk { alg: Some(Algorithm::EdDsa), ..good.clone() },
            Jwk { n: None, ..good.clone() },
            Jwk { e: text("AQAB="), ..good.clone() },
            Jwk { e: text(" AQAB"), ..good },
        ] {
            assert!(VerifyingKey::from_jwk(&bad).is_err(), "{bad:?}");
        }
    }
}
