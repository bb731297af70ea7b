//! Cases 72 to 78: algorithms and signatures.

use aws_lc_rs::{digest, hmac, signature as aws};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::BigUint;
use rsa::pkcs8::DecodePublicKey as _;
use rsa::traits::PublicKeyParts as _;

use super::forge::{
    EC, ED, Key, OTHER_RSA, RSA, accepted, decode, der, encode, expected, fixture, good_claims,
    quoted, refused, rsa_pair, rsa_signature, rsa_verifying_key, verifier_of,
};
use crate::clock::UnixTime;
use crate::key::VerifyingKey;
use crate::token::VerifyError::{Algorithm, KeyAlgorithm, Malformed, Signature};

/// A good token of this key with another signature.
fn resigned(key: &Key, signature: impl AsRef<[u8]>) -> String {
    format!("{}.{}", key.good_input(), encode(signature))
}

#[test]
fn case_72_no_algorithm() {
    for name in ["none", "None", "nOnE", "NONE", "", "null"] {
        let header = RSA.good_header().with("alg", quoted(name));
        let token = RSA.headed(&header);
        refused(72, name, &token, Algorithm);
        let (input, _) = token.rsplit_once('.').unwrap();
        refused(72, "empty signature", &format!("{input}."), Malformed);
        refused(72, "no third part", input, Malformed);
    }
    for raw in ["null", "5", "[\"RS256\"]", "{\"a\":\"RS256\"}", "true", "\"RS256 \"", "\"rs256\""]
    {
        refused(72, raw, &RSA.headed(&RSA.good_header().with("alg", raw)), Algorithm);
    }
    refused(72, "alg missing", &RSA.headed(&RSA.good_header().without("alg")), Algorithm);
    for key in [&RSA, &EC, &ED] {
        refused(72, "empty signature", &format!("{}.", key.good_input()), Malformed);
    }
}

/// Signs with each secret as an HMAC key, once saying so and once saying the key's own algorithm.
fn symmetric(number: u32, key: &Key, secrets: &[(&str, Vec<u8>)]) {
    for (what, secret) in secrets {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let header = key.good_header().with("alg", "\"HS256\"");
        let input = format!("{}.{}", encode(header.text()), encode(good_claims().text()));
        let tag = hmac::sign(&secret, input.as_bytes());
        refused(number, what, &format!("{input}.{}", encode(tag)), Algorithm);
        let tag = hmac::sign(&secret, key.good_input().as_bytes());
        refused(number, what, &resigned(key, tag), Signature);
    }
}

#[test]
fn case_73_the_rsa_key_as_a_secret() {
    let pem = fixture!("rsa-2048-a.pub.pem");
    let key = rsa::RsaPublicKey::from_public_key_pem(pem).unwrap();
    let spki = der(pem);
    // BIT STRING header of 24 bytes, then the PKCS#1 form.
    let pkcs1 = spki[24..].to_vec();
    let jwk = serde_json::to_vec(RSA.verifying.jwk()).unwrap();
    let modulus = key.n().to_bytes_be();
    symmetric(
        73,
        &RSA,
        &[
            ("PEM", pem.into()),
            ("PEM without its last newline", pem.trim_end().into()),
            ("PEM after a blank", format!(" {pem}").into()),
            ("PEM with CRLF", pem.replace('\n', "\r\n").into()),
            ("DER", spki),
            ("PKCS#1", pkcs1),
            ("JWK", jwk),
            ("modulus", modulus.clone()),
            ("modulus as base64url", encode(modulus).into()),
            ("empty", Vec::new()),
        ],
    );
}

#[test]
fn case_74_the_ed25519_key_as_a_secret() {
    let pem = fixture!("ed25519-a.pub.pem");
    let spki = der(pem);
    let raw = spki[12..].to_vec();
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap().to_be_bytes();
    let name = b"ssh-ed25519";
    let wire = [&length(name), &name[..], &length(&raw), &raw].concat();
    let open_ssh = format!("ssh-ed25519 {}", STANDARD.encode(wire));
    symmetric(
        74,
        &ED,
        &[
            ("PEM", pem.into()),
            ("DER", spki),
            ("raw", raw.clone()),
            ("base64url", encode(raw).into()),
            ("OpenSSH", open_ssh.into()),
        ],
    );
}

#[test]
fn case_75_a_key_with_the_algorithm_of_another() {
    for named in [&RSA, &EC, &ED] {
        for signing in [&RSA, &EC, &ED] {
            let header = signing.good_header().with("kid", quoted(named.kid()));
            let token = signing.headed(&header);
            if named.kid() == signing.kid() {
                accepted(75, "its own kid", &token);
            } else {
                refused(75, "kid of another type", &token, KeyAlgorithm);
            }
        }
    }
    let header = RSA.good_header().with("kid", quoted(OTHER_RSA.kid()));
    refused(75, "kid of another RSA key", &RSA.headed(&header), Signature);
}

#[test]
fn case_76_other_algorithms_with_the_same_key() {
    let pair = rsa_pair(fixture!("rsa-2048-a.pem"));
    let others: [(&str, &'static dyn aws::RsaEncoding); 5] = [
        ("PS256", &aws::RSA_PSS_SHA256),
        ("PS384", &aws::RSA_PSS_SHA384),
        ("PS512", &aws::RSA_PSS_SHA512),
        ("RS384", &aws::RSA_PKCS1_SHA384),
        ("RS512", &aws::RSA_PKCS1_SHA512),
    ];
    for (name, padding) in others {
        let header = RSA.good_header().with("alg", quoted(name));
        let input = format!("{}.{}", encode(header.text()), encode(good_claims().text()));
        let signature = rsa_signature(&pair, padding, input.as_bytes());
        refused(76, name, &format!("{input}.{}", encode(signature)), Algorithm);
        let signature = rsa_signature(&pair, padding, RSA.good_input().as_bytes());
        refused(76, name, &resigned(&RSA, signature), Signature);
    }
    for name in ["RS1", "ES384", "ES512", "ES256K", "Ed25519", "EdDSA ", "HS384", "HS512", "dir"] {
        refused(76, name, &EC.headed(&EC.good_header().with("alg", quoted(name))), Algorithm);
    }
}

#[test]
fn case_76_ecdsa_signatures_of_odd_numbers() {
    // The order of P-256 (SEC 2, section 2.4.2).
    let order = STANDARD.decode("/////wAAAAD//////////7zm+q2nF56E87nKwvxjJVE=").unwrap();
    let good = EC.sign(EC.good_input().as_bytes());
    let (r, s) = good.split_at(32);
    let zero = [0; 32];
    let spki = openssl_signature_der(r, s);
    for (what, signature) in [
        ("zero, zero", [zero, zero].concat()),
        ("zero, s", [&zero, s].concat()),
        ("r, zero", [r, &zero].concat()),
        ("order, order", [&order[..], &order].concat()),
        ("order, s", [&order, s].concat()),
        ("r, order", [r, &order].concat()),
        ("s, r", [s, r].concat()),
        ("all ones", vec![0xff; 64]),
        ("one short", good[..63].to_vec()),
        ("one long", [&good[..], &[0]].concat()),
        ("a zero before each", [&[0], r, &[0], s].concat()),
        ("one byte", vec![0]),
        ("DER", spki),
    ] {
        refused(76, what, &resigned(&EC, signature), Signature);
    }
    accepted(76, "the signature itself", &resigned(&EC, good));
}

fn openssl_signature_der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let number = |bytes| openssl::bn::BigNum::from_slice(bytes).unwrap();
    let signature = openssl::ecdsa::EcdsaSig::from_private_components(number(r), number(s));
    signature.unwrap().to_der().unwrap()
}

/// The order of the base point of Ed25519 (RFC 8032 section 5.1), little-endian.
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn little_endian(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_le();
    bytes.resize(32, 0);
    bytes
}

#[test]
fn case_77_ed25519_signatures_that_a_lax_check_takes() {
    let order = BigUint::from_bytes_le(&ED25519_ORDER);
    let good = ED.sign(ED.good_input().as_bytes());
    let (r, s) = good.split_at(32);
    let s_and_order = little_endian(&(BigUint::from_bytes_le(s) + &order));
    for (what, signature) in [
        ("S + L", [r, &s_and_order].concat()),
        ("S = L", [r, &ED25519_ORDER].concat()),
        ("S = 0", [r, &[0; 32]].concat()),
        ("all zero", vec![0; 64]),
        ("all ones", vec![0xff; 64]),
        ("one short", good[..63].to_vec()),
        ("one long", [&good[..], &[0]].concat()),
        ("one byte", vec![0]),
    ] {
        refused(77, what, &resigned(&ED, signature), Signature);
    }
    accepted(77, "the signature itself", &resigned(&ED, &good));
}

/// With R the identity and S = k a, the holder of the key makes a signature that the equation of RFC
/// 8032 accepts and that strict verification must not.
#[test]
fn case_77_r_of_small_order() {
    use ed25519_dalek::Verifier as _;
    use ed25519_dalek::pkcs8::DecodePrivateKey as _;
    let key = ed25519_dalek::SigningKey::from_pkcs8_pem(fixture!("ed25519-a.pem")).unwrap();
    let mut scalar = digest::digest(&digest::SHA512, &key.to_bytes()).as_ref()[..32].to_vec();
    scalar[0] &= 0xf8;
    scalar[31] = (scalar[31] & 0x3f) | 0x40;
    let mut r = [0; 32];
    r[0] = 1;
    let input = ED.good_input();
    let hashed = [&r, key.verifying_key().as_bytes(), input.as_bytes()].concat();
    let k = digest::digest(&digest::SHA512, &hashed);
    let order = BigUint::from_bytes_le(&ED25519_ORDER);
    let k = BigUint::from_bytes_le(k.as_ref()) % &order;
    let s = little_endian(&(k * BigUint::from_bytes_le(&scalar) % &order));
    let signature = [&r[..], &s].concat();
    let lax = ed25519_dalek::Signature::from_slice(&signature).unwrap();
    key.verifying_key().verify(input.as_bytes(), &lax).unwrap();
    refused(77, "R of small order", &resigned(&ED, signature), Signature);
}

#[test]
fn case_77_keys_of_small_order() {
    // The eight points of small order, and those of them that have a second encoding.
    for key in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ] {
        let number = BigUint::parse_bytes(key.as_bytes(), 16).unwrap();
        let mut bytes = number.to_bytes_be();
        bytes.splice(0..0, vec![0; 32 - bytes.len()]);
        assert!(VerifyingKey::ed25519(&bytes).is_err(), "case 77: {key}");
    }
}

#[test]
fn case_78_rsa_signatures_of_odd_numbers() {
    let key = rsa::RsaPublicKey::from_public_key_pem(fixture!("rsa-2048-a.pub.pem")).unwrap();
    let n = key.n();
    let good = RSA.sign(RSA.good_input().as_bytes());
    let number = BigUint::from_bytes_be(&good);
    let padded = |number: &BigUint| {
        let bytes = number.to_bytes_be();
        [vec![0; 256 - bytes.len()], bytes].concat()
    };
    let one = BigUint::from(1_u8);
    for (what, signature) in [
        ("0", vec![0; 256]),
        ("0 in one byte", vec![0]),
        ("1", padded(&one)),
        ("1 in one byte", vec![1]),
        ("n - 1", padded(&(n - &one))),
        ("n", padded(n)),
        ("n + 1", padded(&(n + &one))),
        ("all ones", vec![0xff; 256]),
        ("n - s", padded(&(n - &number))),
        ("s + n", (&number + n).to_bytes_be()),
        ("s + n, long", [vec![0], (&number + n).to_bytes_be()].concat()),
        ("s + 256 n", (&number + n * BigUint::from(256_u32)).to_bytes_be()),
        ("a leading zero", [&[0], &good[..]].concat()),
        ("a trailing zero", [&good[..], &[0]].concat()),
        ("one short", good[1..].to_vec()),
        ("twice", [&good[..], &good].concat()),
        ("reversed", good.iter().rev().copied().collect()),
    ] {
        refused(78, what, &resigned(&RSA, signature), Signature);
    }
    accepted(78, "the signature itself", &resigned(&RSA, good));
}

/// Bleichenbacher 2006: with e = 3 and a verifier that ignores what follows the digest, a cube root
/// over the integers is a signature.
#[test]
fn case_78_padding_forged_for_exponent_3() {
    let key = rsa_verifying_key(fixture!("rsa-2048-e3.pub.pem"));
    let header = RSA.good_header().with("kid", quoted(key.key_id().as_str()));
    let input = format!("{}.{}", encode(header.text()), encode(good_claims().text()));
    let digest_info =
        [&decode("MDEwDQYJYIZIAWUDBAIBBQAEIA")[..], &openssl::sha::sha256(input.as_bytes())]
            .concat();
    let verifier = verifier_of(vec![key]);
    let verify = |signature: &[u8]| {
        let token = format!("{input}.{}", encode(signature));
        verifier.verify(&token, &expected(), UnixTime(super::forge::NOW)).err()
    };
    for padding in [0, 1, 8, 20] {
        let start = [&[0, 1][..], &vec![0xff; padding], &[0], &digest_info].concat();
        let mut block = start.clone();
        block.resize(256, 0xff);
        let root = cube_root(&BigUint::from_bytes_be(&block));
        let cube = cube(&root).to_bytes_be();
        let root = root.to_bytes_be();
        assert_eq!(cube[..start.len() - 1], start[1..], "the forgery has the right start");
        let signature = [vec![0; 256 - root.len()], root].concat();
        assert_eq!(verify(&signature), Some(Signature), "case 78: {padding} bytes of padding");
    }
    let pair = rsa_pair_of_exponent_3();
    let good = openssl_rsa_signature(&pair, input.as_bytes());
    assert_eq!(verify(&good), None, "a true signature with e = 3");
}

fn rsa_pair_of_exponent_3() -> openssl::pkey::PKey<openssl::pkey::Private> {
    openssl::pkey::PKey::private_key_from_pem(fixture!("rsa-2048-e3.pem").as_bytes()).unwrap()
}

fn openssl_rsa_signature(
    key: &openssl::pkey::PKeyRef<openssl::pkey::Private>,
    input: &[u8],
) -> Vec<u8> {
    let sha_256 = openssl::hash::MessageDigest::sha256();
    openssl::sign::Signer::new(sha_256, key).unwrap().sign_oneshot_to_vec(input).unwrap()
}

fn cube(number: &BigUint) -> BigUint {
    number * number * number
}

/// The largest number whose cube is at most `number`, by bisection.
fn cube_root(number: &BigUint) -> BigUint {
    let (mut low, mut high) = (BigUint::from(0_u8), BigUint::from(1_u8) << 700);
    let one = BigUint::from(1_u8);
    while &low + &one < high {
        let middle = (&low + &high) >> 1;
        if cube(&middle) <= *number { low = middle } else { high = middle }
    }
    low
}
