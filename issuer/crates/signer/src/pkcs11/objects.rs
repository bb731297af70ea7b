//! Key pairs in a token: made, found and signed with.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::types::Ulong;
use moneyer_authority::signer::KeyKind;
use moneyer_identity::{Algorithm, VerifyingKey};

use super::error::Pkcs11Error;

/// `prime256v1` as DER of its object identifier, 1.2.840.10045.3.1.7.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The `CKA_ID` of a key until its thumbprint is known.
const NEW: &[u8] = b"moneyer-new";

/// A key's `CKA_ID`: the 32 bytes of its thumbprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ObjectId(Vec<u8>);

impl ObjectId {
    fn of(key: &VerifyingKey) -> Result<Self, Pkcs11Error> {
        let bytes = URL_SAFE_NO_PAD.decode(key.thumbprint().as_str());
        bytes.map(Self).map_err(|error| Pkcs11Error::Public(error.into()))
    }

    /// Reads hexadecimal digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes().chunks_exact(2);
        let whole = digits.remainder().is_empty() && !text.is_empty();
        let byte = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).ok()?;
            let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            u8::from_str_radix(text, 16).ok().filter(|_| plain)
        };
        digits.map(byte).collect::<Option<Vec<u8>>>().filter(|_| whole).map(Self)
    }

    /// As [`parse`](Self::parse) reads it.
    pub(super) fn to_text(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            write!(text, "{byte:02x}").ok();
            text
        })
    }
}

/// Makes a key pair that stays in the token.
pub(super) fn make(
    session: &Session,
    kind: KeyKind,
) -> Result<(VerifyingKey, ObjectId), Pkcs11Error> {
    let (mechanism, mut public) = match kind {
        KeyKind::Rsa2048 => (Mechanism::RsaPkcsKeyPairGen, rsa(2048)),
        KeyKind::Rsa3072 => (Mechanism::RsaPkcsKeyPairGen, rsa(3072)),
        KeyKind::Rsa4096 => (Mechanism::RsaPkcsKeyPairGen, rsa(4096)),
        KeyKind::P256 => (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(P256.to_vec())]),
    };
    public.extend([
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::Id(NEW.to_vec()),
    ]);
    let private = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        Attribute::Id(NEW.to_vec()),
    ];
    let (public, private) = session.generate_key_pair(&mechanism, &public, &private)?;
    let named = name(session, kind.algorithm(), public, private);
    if named.is_err() {
        for object in [public, private] {
            if let Err(error) = session.destroy_object(object) {
                let cause = error.to_string();
                tracing::warn!(error.cause = cause, "a key that was not taken up is still there");
            }
        }
    }
    named
}

fn rsa(bits: u64) -> Vec<Attribute> {
    vec![Attribute::ModulusBits(Ulong::from(bits)), Attribute::PublicExponent(vec![1, 0, 1])]
}

/// Calls a pair that was just made by its thumbprint, if it is kept as it has to be.
fn name(
    session: &Session,
    algorithm: Algorithm,
    public: ObjectHandle,
    private: ObjectHandle,
) -> Result<(VerifyingKey, ObjectId), Pkcs11Error> {
    let asked = [AttributeType::Sensitive, AttributeType::Extractable];
    let kept = session.get_attributes(private, &asked)?;
    if !kept.contains(&Attribute::Sensitive(true)) || !kept.contains(&Attribute::Extractable(false))
    {
        return Err(Pkcs11Error::Extractable);
    }
    let key = public_half(session, algorithm, public)?;
    let id = ObjectId::of(&key)?;
    for object in [public, private] {
        let label = format!("moneyer {}", key.thumbprint()).into_bytes();
        session
            .update_attributes(object, &[Attribute::Id(id.0.clone()), Attribute::Label(label)])?;
    }
    Ok((key, id))
}

/// The public half of a key pair.
fn public_half(
    session: &Session,
    algorithm: Algorithm,
    public: ObjectHandle,
) -> Result<VerifyingKey, Pkcs11Error> {
    let asked = match algorithm {
        Algorithm::RS256 => vec![AttributeType::Modulus, AttributeType::PublicExponent],
        Algorithm::ES256 | Algorithm::EdDsa => vec![AttributeType::EcPoint],
    };
    let said = session.get_attributes(public, &asked)?;
    let key = match said.as_slice() {
        [Attribute::Modulus(n), Attribute::PublicExponent(e)] => VerifyingKey::rsa(n, e),
        [Attribute::EcPoint(point)] => return point_key(point),
        _ => return Err(Pkcs11Error::Public("it lacks what a public key has".into())),
    };
    key.map_err(|error| Pkcs11Error::Public(error.into()))
}

/// A point: uncompressed, in an OCTET STRING as PKCS#11 says, or bare as some libraries give it.
fn point_key(point: &[u8]) -> Result<VerifyingKey, Pkcs11Error> {
    let bare = point.strip_prefix(&[0x04, 0x41]).filter(|bare| bare.len() == 65).unwrap_or(point);
    let key = match (bare.first(), bare.get(1..33), bare.get(33..65), bare.len()) {
        (Some(4), Some(x), Some(y), 65) => VerifyingKey::p256(x, y),
        _ => return Err(Pkcs11Error::Public("it is no uncompressed point of P-256".into())),
    };
    key.map_err(|error| Pkcs11Error::Public(error.into()))
}

/// The private half that goes by an id.
pub(super) fn find(session: &Session, id: &ObjectId) -> Result<ObjectHandle, Pkcs11Error> {
    let wanted = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id.0.clone())];
    let found = session.find_objects(&wanted)?;
    found.first().copied().ok_or_else(|| Pkcs11Error::NoKey(id.to_text()))
}

/// Signs, in the form tokens have.
pub(super) fn sign(
    session: &Session,
    key: ObjectHandle,
    algorithm: Algorithm,
    message: &[u8],
) -> Result<Vec<u8>, Pkcs11Error> {
    let signature = match algorithm {
        Algorithm::RS256 => session.sign(&Mechanism::Sha256RsaPkcs, key, message)?,
        Algorithm::ES256 => {
            session.sign(&Mechanism::Ecdsa, key, digest(&SHA256, message).as_ref())?
        }
        Algorithm::EdDsa => {
            return Err(Pkcs11Error::Public("EdDSA keys are not signed with here".into()));
        }
    };
    Ok(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_it_is_read() {
        let id = ObjectId(vec![0, 0x1f, 0xff]);
        assert_eq!(id.to_text(), "001fff");
        assert_eq!(ObjectId::parse("001fff"), Some(id));
        for bad in ["", "0", "0x", "+1", "001FFF", "zz", " 1", "0é0"] {
            assert_eq!(ObjectId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_point_is_read_with_and_without_its_wrapping() {
        use moneyer_testkit::FixtureKey;
        let key = FixtureKey::P256_A.verifying_key();
        let member =
            |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref().unwrap()).unwrap();
        let bare = [vec![4], member(&key.jwk().x), member(&key.jwk().y)].concat();
        let wrapped = [&[0x04, 0x41], &bare[..]].concat();
        for point in [&bare, &wrapped] {
            assert_eq!(point_key(point).unwrap().thumbprint(), key.thumbprint());
        }
        for bad in [&bare[1..], &bare[..64], &[][..]] {
            assert!(point_key(bad).is_err());
        }
    }
}
