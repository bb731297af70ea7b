//! Each limit of the verifier: accepted at it, refused one past it.

use std::time::Duration;

use super::forge::{
    AUDIENCE, EC, Members, NOW, RSA, VERIFIER, encode, expected, good_claims, quoted, verifier_of,
    verify,
};
use crate::clock::UnixTime;
use crate::key::{KeyId, VerifyingKey};
use crate::token::VerifyError::{self, Audience, Header, Text, Time, TooLong};
use crate::token::{Expectations, MAXIMUM_TOKEN_BYTES};

/// The RSA key under a `kid` of this length, and a token of this many bytes that it signed.
fn token_of_length(bytes: usize) -> (VerifyingKey, String) {
    for kid in ["k", "kk", "kkk", "kkkk"] {
        let mut jwk = RSA.verifying.jwk().clone();
        jwk.kid = KeyId::parse(kid);
        let key = VerifyingKey::from_jwk(&jwk).unwrap();
        let header = RSA.good_header().with("kid", quoted(kid)).text();
        let empty = RSA.token(&header, good_claims().with("filler", "\"\"").text()).len();
        let about = (bytes - empty) * 3 / 4;
        for filler in about - 3..=about + 3 {
            let claims = good_claims().with("filler", quoted(&"x".repeat(filler)));
            let token = RSA.token(&header, claims.text());
            if token.len() == bytes {
                return (key, token);
            }
        }
    }
    panic!("no token of {bytes} bytes");
}

#[test]
fn case_98_token_bytes() {
    for (bytes, why) in [
        (MAXIMUM_TOKEN_BYTES - 1, None),
        (MAXIMUM_TOKEN_BYTES, None),
        (MAXIMUM_TOKEN_BYTES + 1, Some(TooLong)),
    ] {
        let (key, token) = token_of_length(bytes);
        let verifier = verifier_of(vec![key]);
        assert_eq!(verifier.verify(&token, &expected(), UnixTime(NOW)).err(), why, "{bytes}");
    }
    // Decoding would call this malformed: the length is looked at first.
    let junk = "\u{0}".repeat(MAXIMUM_TOKEN_BYTES + 1);
    assert_eq!(verify(&junk).err(), Some(TooLong));
}

#[test]
fn key_id_bytes() {
    let named = |length: usize| {
        let mut jwk = EC.verifying.jwk().clone();
        jwk.kid = KeyId::parse(&"k".repeat(length));
        let header = EC.good_header().with("kid", quoted(&"k".repeat(length)));
        let verifier = verifier_of(vec![VerifyingKey::from_jwk(&jwk).unwrap()]);
        verifier.verify(&EC.headed(&header), &expected(), UnixTime(NOW)).err()
    };
    assert_eq!(named(1024), None);
    assert_eq!(named(1025), Some(Header));
}

fn outcome(claims: &Members) -> Option<VerifyError> {
    verify(&EC.claiming(claims)).err()
}

#[test]
fn subject_and_id_bytes() {
    for name in ["sub", "jti"] {
        let of = |length: usize| outcome(&good_claims().with(name, quoted(&"x".repeat(length))));
        assert_eq!((of(2048), of(2049)), (None, Some(Text)), "{name}");
    }
}

#[test]
fn audience_count_and_bytes() {
    let several = Expectations { several_audiences: true, ..expected() };
    let among = |others: &[String]| {
        let all: Vec<_> = others.iter().map(String::as_str).chain([AUDIENCE]).map(quoted).collect();
        let claims = good_claims().with("aud", format!("[{}]", all.join(",")));
        VERIFIER.verify(&EC.claiming(&claims), &several, UnixTime(NOW)).err()
    };
    let names = |count: usize| (0..count).map(|n| format!("a{n}")).collect::<Vec<_>>();
    assert_eq!((among(&names(31)), among(&names(32))), (None, Some(Audience)));
    let long = |length: usize| among(&["x".repeat(length)]);
    assert_eq!((long(2048), long(2049)), (None, Some(Audience)));
}

#[test]
fn latest_time() {
    let ending = |exp: i64| {
        let endless = Expectations { maximum_lifetime: Duration::MAX, ..expected() };
        let claims = good_claims().with("exp", exp.to_string());
        VERIFIER.verify(&EC.claiming(&claims), &endless, UnixTime(NOW)).err()
    };
    assert_eq!((ending((1 << 40) - 1), ending(1 << 40)), (None, Some(Time)));
}

#[test]
fn signature_bytes_do_not_matter_before_the_size() {
    let long = format!("{}.{}", EC.good_input(), encode(vec![0; MAXIMUM_TOKEN_BYTES]));
    assert_eq!(verify(&long).err(), Some(TooLong));
}
