//! Tokens made by hand, so that they can be wrong in exactly one way.
//!
//! The fixture keys sign with aws-lc-rs and ed25519-dalek, not with the library under test. Header
//! and claims are lists of names and raw JSON, which can repeat a name or hold what no serialiser
//! writes.

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature as aws;
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;

use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::issuer_url::IssuerUrl;
use crate::key::{KeySet, VerifyingKey};
use crate::token::{Expectations, VerifiedToken, Verifier, VerifyError};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../testkit/fixtures/", $name))
    };
}
pub(super) use fixture;

pub(super) const ISSUER: &str = "https://id.example.com";
pub(super) const AUDIENCE: &str = "https://rp.example.com";
pub(super) const SUBJECT: &str = "org:acme:app:web:sandbox:web-1";
pub(super) const NOW: i64 = 1_800_000_000;

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// A key that signs whatever it is handed.
pub(super) struct Key {
    pub(super) verifying: VerifyingKey,
    sign: Sign,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verifying.fmt(f)
    }
}

/// RS256, in the verifier's set.
pub(super) static RSA: LazyLock<Key> = LazyLock::new(|| rsa_key(fixture!("rsa-2048-a.pem")));
/// RS256, in the verifier's set too.
pub(super) static OTHER_RSA: LazyLock<Key> = LazyLock::new(|| rsa_key(fixture!("rsa-2048-b.pem")));
/// RS256, removed from the set.
pub(super) static REMOVED: LazyLock<Key> = LazyLock::new(|| rsa_key(fixture!("rsa-2048-c.pem")));
/// ES256, in the verifier's set.
pub(super) static EC: LazyLock<Key> = LazyLock::new(|| {
    let of = &aws::ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = aws::EcdsaKeyPair::from_pkcs8(of, &der(fixture!("ec-p256-a.pem"))).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let verifying = VerifyingKey::p256(x, y).unwrap();
    let sign =
        move |input: &[u8]| pair.sign(&SystemRandom::new(), input).unwrap().as_ref().to_vec();
    Key { verifying, sign: Box::new(sign) }
});
/// Ed25519, in the verifier's set.
pub(super) static ED: LazyLock<Key> = LazyLock::new(|| {
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(fixture!("ed25519-a.pem")).unwrap();
    let verifying = VerifyingKey::ed25519(key.verifying_key().as_bytes()).unwrap();
    Key { verifying, sign: Box::new(move |input| key.sign(input).to_vec()) }
});

/// The verifier of every case that does not need its own.
pub(super) static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let keys = [&RSA, &OTHER_RSA, &EC, &ED].map(|key| key.verifying.clone());
    verifier_of(keys.to_vec())
});

pub(super) fn verifier_of(keys: Vec<VerifyingKey>) -> Verifier {
    Verifier::new(IssuerUrl::parse(ISSUER).unwrap(), KeySet::new(keys).unwrap())
}

pub(super) fn rsa_pair(pem: &str) -> aws::RsaKeyPair {
    aws::RsaKeyPair::from_pkcs8(&der(pem)).unwrap()
}

pub(super) fn rsa_verifying_key(public_pem: &str) -> VerifyingKey {
    use rsa::pkcs8::DecodePublicKey as _;
    use rsa::traits::PublicKeyParts as _;
    let key = rsa::RsaPublicKey::from_public_key_pem(public_pem).unwrap();
    VerifyingKey::rsa(&key.n().to_bytes_be(), &key.e().to_bytes_be()).unwrap()
}

fn rsa_key(pem: &str) -> Key {
    let pair = rsa_pair(pem);
    let public = pair.public_key();
    let modulus = public.modulus().big_endian_without_leading_zero();
    let exponent = public.exponent().big_endian_without_leading_zero();
    let verifying = VerifyingKey::rsa(modulus, exponent).unwrap();
    let sign = move |input: &[u8]| rsa_signature(&pair, &aws::RSA_PKCS1_SHA256, input);
    Key { verifying, sign: Box::new(sign) }
}

pub(super) fn rsa_signature(
    pair: &aws::RsaKeyPair,
    padding: &'static dyn aws::RsaEncoding,
    input: &[u8],
) -> Vec<u8> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(padding, &SystemRandom::new(), input, &mut signature).unwrap();
    signature
}

/// The bytes between the lines of a PEM file.
pub(super) fn der(pem: &str) -> Vec<u8> {
    let lines: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    STANDARD.decode(lines).unwrap()
}

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// A JSON object, or what is meant to look like one: names and raw values.
#[derive(Clone)]
pub(super) struct Members(Vec<(String, String)>);

impl Members {
    pub(super) fn of(members: &[(&str, &str)]) -> Self {
        Self(members.iter().map(|(name, raw)| ((*name).to_owned(), (*raw).to_owned())).collect())
    }

    /// With one member's value changed, or the member appended.
    pub(super) fn with(mut self, name: &str, raw: impl Into<String>) -> Self {
        match self.0.iter_mut().find(|(there, _)| there == name) {
            Some((_, value)) => *value = raw.into(),
            None => self.0.push((name.to_owned(), raw.into())),
        }
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(there, _)| there != name);
        self
    }

    /// Appended even if the name is there. The name is raw: it may hold escapes.
    pub(super) fn and(mut self, name: &str, raw: &str) -> Self {
        self.0.push((name.to_owned(), raw.to_owned()));
        self
    }

    pub(super) fn text(&self) -> String {
        let members: Vec<_> =
            self.0.iter().map(|(name, raw)| format!("\"{name}\":{raw}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Claims that are accepted at [`NOW`].
pub(super) fn good_claims() -> Members {
    Members::of(&[
        ("iss", &quoted(ISSUER)),
        ("sub", &quoted(SUBJECT)),
        ("aud", &quoted(AUDIENCE)),
        ("iat", "1800000000"),
        ("nbf", "1799999970"),
        ("exp", "1800003600"),
        ("jti", "\"0123456789abcdef0123456789abcdef\""),
    ])
}

impl Key {
    pub(super) fn kid(&self) -> &str {
        self.verifying.key_id().as_str()
    }

    pub(super) fn good_header(&self) -> Members {
        let algorithm = quoted(self.verifying.algorithm().as_str());
        Members::of(&[("alg", &algorithm), ("kid", &quoted(self.kid())), ("typ", "\"JWT\"")])
    }

    pub(super) fn sign(&self, input: &[u8]) -> Vec<u8> {
        (self.sign)(input)
    }

    /// A token of any two texts with this key's true signature over them.
    pub(super) fn token(&self, header: &str, claims: impl AsRef<[u8]>) -> String {
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = encode(self.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    /// A token with this header and good claims.
    pub(super) fn headed(&self, header: &Members) -> String {
        self.token(&header.text(), good_claims().text())
    }

    /// A token with a good header and these claims.
    pub(super) fn claiming(&self, claims: &Members) -> String {
        self.token(&self.good_header().text(), claims.text())
    }

    pub(super) fn good_token(&self) -> String {
        self.claiming(&good_claims())
    }

    /// The signing input of a good token.
    pub(super) fn good_input(&self) -> String {
        format!("{}.{}", encode(self.good_header().text()), encode(good_claims().text()))
    }
}

pub(super) fn expected() -> Expectations {
    Expectations::exactly(Audience::parse(AUDIENCE).unwrap())
}

pub(super) fn with_leeway(seconds: u64) -> Expectations {
    Expectations { leeway: Duration::from_secs(seconds), ..expected() }
}

pub(super) fn verify(token: &str) -> Result<VerifiedToken, VerifyError> {
    verify_by(&expected(), token)
}

pub(super) fn verify_by(
    expectations: &Expectations,
    token: &str,
) -> Result<VerifiedToken, VerifyError> {
    VERIFIER.verify(token, expectations, UnixTime(NOW))
}

/// Asserts that case `number` is refused for `why` and no other reason.
pub(super) fn refused(number: u32, what: &str, token: &str, why: VerifyError) {
    assert_eq!(verify(token).err(), Some(why), "case {number}: {what}");
}

/// Asserts that case `number` is accepted.
pub(super) fn accepted(number: u32, what: &str, token: &str) {
    assert_eq!(verify(token).err(), None, "case {number}: {what}");
}
