//! Properties: no change of a good token is accepted, nothing makes the parser panic, and whatever
//! is accepted keeps the contract.

use proptest::prelude::*;

use super::forge::{
    AUDIENCE, EC, ED, ISSUER, Key, Members, NOW, RSA, encode, good_claims, quoted, verify,
};
use crate::token::UnverifiedToken;

/// The token with one bit turned, if that is still text; a token is text by its type.
fn turned(token: &str, bit: usize) -> Option<String> {
    let mut bytes = token.as_bytes().to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    String::from_utf8(bytes).ok()
}

#[test]
fn no_single_bit_may_change() {
    for key in [&RSA, &EC] {
        let token = key.good_token();
        for bit in 0..token.len() * 8 {
            if let Some(changed) = turned(&token, bit) {
                assert!(verify(&changed).is_err(), "bit {bit}: {changed}");
            }
        }
    }
}

#[test]
fn no_character_may_go_come_twice_or_trade_places() {
    let token = EC.good_token();
    for at in 0..token.len() {
        let (before, after) = token.split_at(at);
        let rest = &after[1..];
        assert!(verify(&format!("{before}{rest}")).is_err(), "without {at}");
        let twice = format!("{before}{}{after}", &after[..1]);
        assert!(verify(&twice).is_err(), "twice {at}");
        if let (Some(a), Some(b)) = (after.chars().next(), after.chars().nth(1))
            && a != b
        {
            assert!(verify(&format!("{before}{b}{a}{}", &after[2..])).is_err(), "traded {at}");
        }
    }
}

#[test]
fn parts_of_two_good_tokens_do_not_mix() {
    let second = good_claims().with("sub", "\"org:acme:app:other\"");
    for key in [&RSA, &EC, &ED] {
        let (a, b) = (key.good_token(), key.claiming(&second));
        let (a, b): (Vec<_>, Vec<_>) = (a.split('.').collect(), b.split('.').collect());
        assert!(verify(&a.join(".")).is_ok() && verify(&b.join(".")).is_ok());
        assert!(verify(&[a[0], b[1], a[2]].join(".")).is_err());
        assert!(verify(&[a[0], a[1], b[2]].join(".")).is_err());
    }
}

fn any_key() -> impl Strategy<Value = &'static Key> {
    prop_oneof![Just(&*RSA), Just(&*EC), Just(&*ED)]
}

/// Raw JSON as an attacker would choose it for any claim.
fn any_raw() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        (NOW - 100..NOW + 100).prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
    ];
    let text = prop_oneof![
        Just(quoted(ISSUER)),
        Just(quoted(AUDIENCE)),
        "[!-~]{0,8}".prop_map(|text| quoted(&text)),
        "\\PC{0,8}".prop_map(|text| quoted(&text)),
    ];
    let scalar = prop_oneof![number, text, Just("null".to_owned()), Just("true".to_owned())];
    scalar.prop_recursive(2, 8, 3, |inner| {
        proptest::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(",")))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_single_bit_of_an_ed25519_token_may_change(position in any::<prop::sample::Index>()) {
        let token = ED.good_token();
        if let Some(changed) = turned(&token, position.index(token.len() * 8)) {
            prop_assert!(verify(&changed).is_err());
        }
    }

    #[test]
    fn arbitrary_text_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let text = String::from_utf8_lossy(&bytes);
        prop_assert!(UnverifiedToken::parse(&text).is_err());
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn arbitrary_parts_are_refused(
        header in proptest::collection::vec(any::<u8>(), 0..64),
        payload in proptest::collection::vec(any::<u8>(), 0..64),
        signature in proptest::collection::vec(any::<u8>(), 0..300),
        key in any_key(),
    ) {
        let of = |header: &[u8]| {
            format!("{}.{}.{}", encode(header), encode(&payload), encode(&signature))
        };
        prop_assert!(verify(&of(&header)).is_err());
        prop_assert!(verify(&of(key.good_header().text().as_bytes())).is_err());
    }

    #[test]
    fn arbitrary_headers_with_a_true_signature_are_refused(text in "[{}\\[\\]\",:a-z0-9 ]{0,80}") {
        prop_assert!(verify(&EC.token(&text, good_claims().text())).is_err());
    }

    #[test]
    fn what_is_accepted_keeps_the_contract(
        changes in proptest::collection::vec(
            (prop::sample::select(vec!["iss", "sub", "aud", "iat", "nbf", "exp", "jti"]), any_raw()),
            0..3,
        ),
    ) {
        let claims: Members = changes
            .iter()
            .fold(good_claims(), |claims, (name, raw)| claims.with(name, raw.as_str()));
        if let Ok(token) = verify(&EC.claiming(&claims)) {
            let time = |name: &str| token.claim(name).unwrap().as_i64().unwrap();
            prop_assert_eq!(token.claim("iss").unwrap(), ISSUER);
            prop_assert_eq!(token.audiences(), [AUDIENCE]);
            prop_assert!(time("iat") <= NOW && time("nbf") <= NOW && NOW < time("exp"));
            prop_assert!(time("exp") - time("iat") <= 86_400);
            prop_assert!(!token.subject().is_empty());
            prop_assert!(token.subject().bytes().all(|b| b.is_ascii_graphic()));
        }
    }
}
