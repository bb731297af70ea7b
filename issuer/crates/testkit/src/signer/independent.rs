//! A second opinion on a signature: RSA by the `rsa` crate, P-256 by aws-lc-rs, Ed25519 by OpenSSL.
//!
//! The verifier under test uses OpenSSL for the first two and ed25519-dalek for the third.

#![expect(clippy::expect_used, reason = "a check fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::{Algorithm, VerifyingKey};
use openssl::pkey::{Id, PKey};
use rsa::{BigUint, Pkcs1v15Sign, RsaPublicKey};

/// The `DigestInfo` before a SHA-256 digest (RFC 8017 section 9.2, note 1).
const SHA256_DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// Fails unless the compact token's signature is this key's.
pub(super) fn check_signature(key: &VerifyingKey, token: &str) {
    let (input, signature) = token.rsplit_once('.').expect("three parts");
    let signature = decode(signature);
    let member = |text: &Option<String>| decode(text.as_deref().expect("the member is there"));
    let jwk = key.jwk();
    match key.algorithm() {
        Algorithm::RS256 => {
            let (n, e) = (member(&jwk.n), member(&jwk.e));
            let (n, e) = (BigUint::from_bytes_be(&n), BigUint::from_bytes_be(&e));
            let public = RsaPublicKey::new(n, e).expect("an RSA key");
            let digest = openssl::sha::sha256(input.as_bytes());
            let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: Box::new(SHA256_DIGEST_INFO) };
            public.verify(scheme, &digest, &signature).expect("the rsa crate takes the signature");
        }
        Algorithm::ES256 => {
            let point = [vec![4], member(&jwk.x), member(&jwk.y)].concat();
            let scheme = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
            aws_lc_rs::signature::UnparsedPublicKey::new(scheme, point)
                .verify(input.as_bytes(), &signature)
                .expect("aws-lc-rs takes the signature");
        }
        Algorithm::EdDsa => {
            let public = PKey::public_key_from_raw_bytes(&member(&jwk.x), Id::ED25519);
            let public = public.expect("an Ed25519 key");
            let mut verifier = openssl::sign::Verifier::new_without_digest(&public).expect("ready");
            let good = verifier.verify_oneshot(&signature, input.as_bytes()).expect("checked");
            assert!(good, "OpenSSL takes the signature");
        }
    }
}

/// Strict base64url.
pub(super) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url without padding")
}
