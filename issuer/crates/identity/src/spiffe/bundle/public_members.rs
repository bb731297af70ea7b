//! The members of a JSON Web Key that are the key itself (RFC 7518 section 6, RFC 8037 section 2).
//!
//! Base64url without padding, an RSA number without leading zeros, a coordinate as long as its curve asks:
//! one key has one form, so two are the same exactly if their members are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::key::sound_rsa;
use crate::key::{KeyError, VerifyingKey};
use crate::spiffe::algorithm::SvidAlgorithm;

/// A curve that ES256, ES384 or ES512 stands for (RFC 7518 section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    pub(super) fn algorithm(self) -> SvidAlgorithm {
        match self {
            Self::P256 => SvidAlgorithm::ES256,
            Self::P384 => SvidAlgorithm::ES384,
            Self::P521 => SvidAlgorithm::ES512,
        }
    }

    /// Bytes of one coordinate.
    fn width(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Its object identifier (RFC 5480 section 2.1.1.1).
    fn oid(self) -> &'static str {
        match self {
            Self::P256 => "1.2.840.10045.3.1.7",
            Self::P384 => "1.3.132.0.34",
            Self::P521 => "1.3.132.0.35",
        }
    }
}

/// `id-Ed25519` (RFC 8410 section 3).
const ED25519: &str = "1.3.101.112";

/// A public key as a JSON Web Key says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublicMembers {
    Rsa {
        n: String,
        e: String,
    },
    Ec {
        curve: Curve,
        x: String,
        y: String,
    },
    /// Only ever under a certificate: no JWT-SVID is signed with it.
    Ed25519 {
        x: String,
    },
}

/// What the members of an entry amount to.
pub(super) enum MembersOf {
    Key(PublicMembers),
    /// Well-formed, of a kind or size that is not used.
    Unused,
}

impl PublicMembers {
    /// The key of an entry. Only keys that could sign a JWT-SVID are made out of their members.
    pub(super) fn of_entry(entry: &Map<String, Value>) -> Result<MembersOf, KeyError> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).ok_or(KeyError::Malformed);
        let bytes = |name: &str| {
            URL_SAFE_NO_PAD.decode(text(name)?).map_err(|_not_base64| KeyError::Malformed)
        };
        match text("kty")? {
            "RSA" => match Self::rsa(&bytes("n")?, &bytes("e")?) {
                Err(KeyError::Size) => Ok(MembersOf::Unused),
                members => members.map(MembersOf::Key),
            },
            "EC" => {
                let name = text("crv")?;
                let Some(curve) = Curve::ALL.into_iter().find(|curve| curve.as_str() == name)
                else {
                    return Ok(MembersOf::Unused);
                };
                Self::ec(curve, &bytes("x")?, &bytes("y")?).map(MembersOf::Key)
            }
            _ => Ok(MembersOf::Unused),
        }
    }

    /// The key of a certificate; `None` if it is of a kind that is not used.
    pub(super) fn of_certificate(info: &SubjectPublicKeyInfo<'_>) -> Option<Self> {
        if info.algorithm.algorithm.to_id_string() == ED25519 {
            return Some(Self::Ed25519 {
                x: URL_SAFE_NO_PAD.encode(&info.subject_public_key.data),
            });
        }
        match info.parsed().ok()? {
            PublicKey::RSA(key) => Self::rsa(key.modulus, key.exponent).ok(),
            PublicKey::EC(point) => {
                let oid = info.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
                let curve = Curve::ALL.into_iter().find(|curve| curve.oid() == oid)?;
                // 4: both coordinates follow (SEC 1, section 2.3.3).
                let (x, y) = point.data().strip_prefix(&[4])?.split_at_checked(curve.width())?;
                Self::ec(curve, x, y).ok()
            }
            _ => None,
        }
    }

    /// One of our own keys; `None` for an `EdDSA` key.
    pub(super) fn of_key(key: &VerifyingKey) -> Option<(SvidAlgorithm, Self)> {
        let algorithm = SvidAlgorithm::of(key.algorithm())?;
        let jwk = key.jwk().clone();
        let members = if algorithm == SvidAlgorithm::ES256 {
            Self::Ec { curve: Curve::P256, x: jwk.x?, y: jwk.y? }
        } else {
            Self::Rsa { n: jwk.n?, e: jwk.e? }
        };
        Some((algorithm, members))
    }

    fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let (modulus, exponent) = sound_rsa(modulus, exponent)?;
        Ok(Self::Rsa { n: URL_SAFE_NO_PAD.encode(modulus), e: URL_SAFE_NO_PAD.encode(exponent) })
    }

    fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        if x.len() != curve.width() || y.len() != curve.width() {
            return Err(KeyError::Malformed);
        }
        Ok(Self::Ec { curve, x: URL_SAFE_NO_PAD.encode(x), y: URL_SAFE_NO_PAD.encode(y) })
    }

    /// The algorithms that the key can verify.
    pub(super) fn algorithms(&self) -> &'static [SvidAlgorithm] {
        use SvidAlgorithm::{ES256, ES384, ES512, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Rsa { .. } => &[RS256, RS384, RS512, PS256, PS384, PS512],
            Self::Ec { curve, .. } => match curve.algorithm() {
                ES256 => &[ES256],
                ES384 => &[ES384],
                _ => &[ES512],
            },
            Self::Ed25519 { .. } => &[],
        }
    }

    /// Bytes of a signature, where it is as long as the modulus (RFC 8017 sections 8.1.2 and 8.2.2).
    pub(super) fn modulus_bytes(&self) -> Option<usize> {
        match self {
            Self::Rsa { n, .. } => Some(n.len() * 3 / 4),
            Self::Ec { .. } | Self::Ed25519 { .. } => None,
        }
    }

    /// Names and texts, in the order of the alphabet.
    pub(super) fn members(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Rsa { n, e } => vec![("e", e), ("kty", "RSA"), ("n", n)],
            Self::Ec { curve, x, y } => {
                vec![("crv", curve.as_str()), ("kty", "EC"), ("x", x), ("y", y)]
            }
            Self::Ed25519 { x } => vec![("crv", "Ed25519"), ("kty", "OKP"), ("x", x)],
        }
    }
}
