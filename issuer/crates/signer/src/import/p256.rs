//! P-256 keys (RFC 5915, RFC 5480).
//!
//! The public half is computed from the private one and compared with what the file says, if it says
//! anything. The curve is named by its OID: explicit parameters, which could be another curve's, are
//! refused.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use moneyer_identity::VerifyingKey;
use rsa::pkcs8::der::asn1::{AnyRef, BitStringRef, ContextSpecific, OctetStringRef};
use rsa::pkcs8::der::{Decode as _, Reader, SliceReader, TagNumber};
use rsa::pkcs8::spki::AlgorithmIdentifierRef;
use rsa::pkcs8::{ObjectIdentifier, der};
use zeroize::Zeroizing;

use crate::import::error::ImportError;
use crate::import::key::Claimed;

/// `secp256r1`, RFC 5480.
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// What stands before the 32 bytes of a private key without its public half in PKCS#8.
const PKCS8: [u8; 35] = [
    0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01,
    0x01, 0x04, 0x20,
];

/// An `ECPrivateKey`.
struct PrivateKey<'a> {
    scalar: &'a [u8],
    curve: Option<AnyRef<'a>>,
    public: Option<BitStringRef<'a>>,
}

/// An `ECPrivateKey` whose curve is named inside, outside or both.
pub(super) fn private(
    der: &[u8],
    outside: Option<ObjectIdentifier>,
) -> Result<Claimed, ImportError> {
    let broken = ImportError::Damaged("its EC structure is broken");
    let Ok(key) = structure(der) else { return Err(broken) };
    let inside = key.curve.map(AnyRef::decode_as::<ObjectIdentifier>).transpose();
    let inside = inside.map_err(|_explicit| ImportError::Curve)?;
    let mut named = inside.iter().chain(&outside).peekable();
    if named.peek().is_none() || named.any(|curve| *curve != P256) {
        return Err(ImportError::Curve);
    }
    if key.scalar.len() != 32 {
        return Err(broken);
    }
    let bare = Zeroizing::new([&PKCS8[..], key.scalar].concat());
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &bare);
    let pair = pair.map_err(|_rejected| ImportError::Mismatch)?;
    let point = pair.public_key().as_ref();
    if let Some(claimed) = key.public {
        let claimed = claimed.as_bytes().unwrap_or_default();
        if claimed != point && claimed != compressed(point) {
            return Err(ImportError::Mismatch);
        }
    }
    let pkcs8 = pair.to_pkcs8v1().map_err(|_unspecified| ImportError::Mismatch)?;
    Ok(Claimed { public: public(point)?, pkcs8: Zeroizing::new(pkcs8.as_ref().to_vec()) })
}

/// An uncompressed point: 4, x, y.
pub(super) fn public(point: &[u8]) -> Result<VerifyingKey, ImportError> {
    match (point.first(), point.get(1..33), point.get(33..)) {
        (Some(4), Some(x), Some(y)) => VerifyingKey::p256(x, y).map_err(ImportError::Key),
        _ => Err(ImportError::Damaged("its point is not written uncompressed")),
    }
}

/// The curve that an algorithm names.
pub(super) fn curve(
    algorithm: &AlgorithmIdentifierRef<'_>,
) -> Result<ObjectIdentifier, ImportError> {
    match algorithm.parameters_oid() {
        Ok(P256) => Ok(P256),
        _ => Err(ImportError::Curve),
    }
}

fn structure(bytes: &[u8]) -> der::Result<PrivateKey<'_>> {
    let mut reader = SliceReader::new(bytes)?;
    let key = reader.sequence(|fields| {
        if u8::decode(fields)? != 1 {
            return Err(der::Tag::Integer.value_error());
        }
        let scalar = OctetStringRef::decode(fields)?.as_bytes();
        let (curve, public) = (field(fields, TagNumber::N0)?, field(fields, TagNumber::N1)?);
        Ok(PrivateKey { scalar, curve, public })
    })?;
    reader.finish(key)
}

/// An optional field, if it is the next one. `ContextSpecific::decode_explicit` passes over fields of smaller numbers, and
/// a public half that is passed over is one that is not compared.
fn field<'a, T: der::Decode<'a>>(
    fields: &mut impl Reader<'a>,
    number: TagNumber,
) -> der::Result<Option<T>> {
    let tag = der::Tag::ContextSpecific { constructed: true, number };
    if fields.is_finished() || fields.peek_tag()? != tag {
        return Ok(None);
    }
    Ok(Some(ContextSpecific::decode(fields)?.value))
}

/// The short form of an uncompressed point (SEC 1, section 2.3.3).
fn compressed(point: &[u8]) -> Vec<u8> {
    let parity = point.last().map_or(0, |last| last & 1);
    let x = point.get(1..33).unwrap_or_default();
    [&[2 | parity], x].concat()
}
