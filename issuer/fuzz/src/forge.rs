//! Signatures by the key of the fuzzed trust domain, over whatever the fuzzer made up.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use moneyer_identity::{KeyId, VerifyingKey};

/// The key that the fixtures of the tests have too; it signs nothing anywhere else.
const KEY: &str = include_str!("../../crates/testkit/fixtures/ec-p256-a.pem");

/// The authority of that key, as DER: `spiffe://fuzz.example`, from 2020 to 2048.
pub const AUTHORITY: &[u8] = include_bytes!("../authority.der");

/// The `kid` of the key.
pub const KID: &str = "k";

/// `ecdsa-with-SHA256` (RFC 5758 section 3.2).
const ALGORITHM: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

static OF_TOKENS: LazyLock<EcdsaKeyPair> = LazyLock::new(|| key(&ECDSA_P256_SHA256_FIXED_SIGNING));
static OF_CERTIFICATES: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| key(&ECDSA_P256_SHA256_ASN1_SIGNING));

fn key(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    let body: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(body).expect("the fixture is PEM");
    EcdsaKeyPair::from_pkcs8(algorithm, &der).expect("the fixture is a key")
}

fn signature(key: &EcdsaKeyPair, over: &[u8]) -> Vec<u8> {
    key.sign(&SystemRandom::new(), over).expect("a key of the process signs").as_ref().to_vec()
}

/// The public half.
pub fn verifying_key() -> VerifyingKey {
    let point = OF_TOKENS.public_key().as_ref();
    let (x, y) = point[1..].split_at(32);
    VerifyingKey::p256(x, y).expect("a point").named(KeyId::parse(KID).expect("a kid"))
}

/// A token of this header and payload.
pub fn token(header: &[u8], payload: &[u8]) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = signature(&OF_TOKENS, input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A certificate over this `TBSCertificate`.
pub fn certificate(signed: &[u8]) -> Vec<u8> {
    let mut bits = vec![0];
    bits.extend(signature(&OF_CERTIFICATES, signed));
    element(0x30, &[signed, ALGORITHM, &element(0x03, &[&bits])])
}

/// An element of DER.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut made = vec![tag];
    if content.len() < 0x80 {
        made.push(content.len() as u8);
    } else {
        made.push(0x80 | length.len() as u8);
        made.extend(length);
    }
    made.extend(content);
    made
}
