//! RSA keys (RFC 8017, appendix A.1).
//!
//! The `rsa` crate checks that the primes make the modulus and that the exponents invert each other. The
//! key is then written anew and has to come out as it was: the file's own values for the Chinese
//! remainder theorem are checked that way, since a wrong one gives the key away with its first signature.

use moneyer_identity::{KeyError, VerifyingKey};
use rsa::pkcs1::{RsaPrivateKey as Pkcs1, RsaPublicKey as Pkcs1Public, UintRef};
use rsa::pkcs8::der::Decode as _;
use rsa::pkcs8::{EncodePrivateKey as _, PrivateKeyInfo};
use rsa::{BigUint, RsaPrivateKey};
use zeroize::Zeroizing;

use crate::import::error::ImportError;
use crate::import::key::{Claimed, Use};

/// The smallest exponent: smaller ones forgive no mistake in a padding, and FIPS 186-5 (appendix A.1.1)
/// forbids them.
const SMALLEST_EXPONENT: u64 = 65_537;

/// An `RSAPrivateKey`.
pub(super) fn private(der: &[u8], purpose: Use) -> Result<Claimed, ImportError> {
    let broken = |_der| ImportError::Damaged("its RSA structure is broken");
    let key = Pkcs1::from_der(der).map_err(broken)?;
    if key.other_prime_infos.is_some() {
        return Err(ImportError::MultiPrime);
    }
    let public = verifying_key(&key.modulus, &key.public_exponent)?;
    let bits = bits(&key.modulus);
    if purpose == Use::Sign && !matches!(bits, 2048 | 3072 | 4096) {
        return Err(ImportError::RsaSize { bits });
    }
    if key.prime1 == key.prime2 {
        return Err(ImportError::SamePrimes);
    }
    let pkcs8 = checked(&key).ok_or(ImportError::Mismatch)?;
    let same = PrivateKeyInfo::from_der(&pkcs8).is_ok_and(|anew| anew.private_key == der);
    if !same {
        return Err(ImportError::Mismatch);
    }
    Ok(Claimed { public, pkcs8 })
}

/// An `RSAPublicKey`.
pub(super) fn public(der: &[u8]) -> Result<VerifyingKey, ImportError> {
    let broken = |_der| ImportError::Damaged("its RSA structure is broken");
    let key = Pkcs1Public::from_der(der).map_err(broken)?;
    verifying_key(&key.modulus, &key.public_exponent)
}

fn verifying_key(
    modulus: &UintRef<'_>,
    exponent: &UintRef<'_>,
) -> Result<VerifyingKey, ImportError> {
    let bits = bits(modulus);
    if !(2048..=4096).contains(&bits) {
        return Err(ImportError::RsaSize { bits });
    }
    if modulus.as_bytes().last().is_none_or(|last| last % 2 == 0) {
        return Err(ImportError::EvenModulus);
    }
    let value = exponent.as_bytes();
    if value.len() > 4 || number(exponent) < BigUint::from(SMALLEST_EXPONENT) {
        return Err(ImportError::Exponent);
    }
    VerifyingKey::rsa(modulus.as_bytes(), value).map_err(|error| match error {
        KeyError::Size => ImportError::Exponent,
        error => ImportError::Key(error),
    })
}

/// The key as PKCS#8, if its parts belong together.
fn checked(key: &Pkcs1<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let primes = vec![number(&key.prime1), number(&key.prime2)];
    let (n, e) = (number(&key.modulus), number(&key.public_exponent));
    let key = RsaPrivateKey::from_components(n, e, number(&key.private_exponent), primes).ok()?;
    Some(key.to_pkcs8_der().ok()?.to_bytes())
}

fn number(value: &UintRef<'_>) -> BigUint {
    BigUint::from_bytes_be(value.as_bytes())
}

fn bits(value: &UintRef<'_>) -> usize {
    // Without leading zeros: DER allows none but the sign's, which is taken off.
    let bytes = value.as_bytes();
    bytes.first().map_or(0, |first| bytes.len() * 8 - first.leading_zeros() as usize)
}
