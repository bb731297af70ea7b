//! Cases 79 to 87: the header.

use super::forge::{
    EC, Key, Members, REMOVED, RSA, accepted, encode, good_claims, quoted, refused,
};
use crate::key::{KeySet, KeySetError};
use crate::token::VerifyError::{Algorithm, Header, Malformed, TooLong, UnknownKey};

fn header() -> Members {
    RSA.good_header()
}

/// Signed by the right key, so that only the header can be at fault.
fn headed(members: &Members) -> String {
    RSA.headed(members)
}

#[test]
fn case_79_key_ids() {
    refused(79, "missing", &headed(&header().without("kid")), Header);
    let right = RSA.kid();
    for raw in ["null", "7", "true", "[]", "{}", &format!("[{}]", quoted(right))] {
        refused(79, raw, &headed(&header().with("kid", raw)), Header);
    }
    let (longest, longer) = ("k".repeat(1024), "k".repeat(1025));
    for (kid, why) in [
        ("", Header),
        ("' OR 1=1 --", Header),
        ("a\0b", Header),
        (&format!("{right}\0"), Header),
        (&format!("{right} "), Header),
        (&format!("\n{right}"), Header),
        ("\u{43a}id", Header),
        (&longer, Header),
        ("../../dev/null", UnknownKey),
        ("'OR'1'='1", UnknownKey),
        ("$(id)", UnknownKey),
        ("https://evil.example/jwks", UnknownKey),
        (&longest, UnknownKey),
        (&format!("{right}="), UnknownKey),
        (&right.to_lowercase(), UnknownKey),
        (&right[1..], UnknownKey),
        (REMOVED.kid(), UnknownKey),
    ] {
        refused(79, kid, &headed(&header().with("kid", quoted(kid))), why);
    }
    let removed: &Key = &REMOVED;
    refused(79, "signed by a removed key", &removed.good_token(), UnknownKey);
    let huge = "k".repeat(2 << 20);
    refused(79, "2 MB", &headed(&header().with("kid", quoted(&huge))), TooLong);
}

#[test]
fn case_80_one_kid_for_two_keys() {
    let mut jwk = EC.verifying.jwk().clone();
    jwk.kid = RSA.verifying.jwk().kid.clone();
    let renamed = crate::key::VerifyingKey::from_jwk(&jwk).unwrap();
    let set = KeySet::new(vec![RSA.verifying.clone(), renamed]);
    assert!(matches!(set, Err(KeySetError::DuplicateKeyId)));
    let text = serde_json::json!({ "keys": [RSA.verifying.jwk(), jwk] }).to_string();
    assert!(matches!(KeySet::parse(text.as_bytes()), Err(KeySetError::DuplicateKeyId)));
}

#[test]
fn case_81_keys_and_addresses_in_the_header() {
    let jwk = serde_json::to_string(REMOVED.verifying.jwk()).unwrap();
    for (name, raw) in [
        ("jku", "\"https://evil.example/jwks\""),
        ("x5u", "\"https://evil.example/chain\""),
        ("jwk", jwk.as_str()),
        ("x5c", "[\"MIIB\"]"),
        ("x5t", "\"AAAA\""),
        ("x5t#S256", "\"AAAA\""),
        ("iss", "\"https://id.example.com\""),
        ("unknown", "1"),
        ("", "1"),
    ] {
        refused(81, name, &headed(&header().and(name, raw)), Header);
        let instead = header().without("kid").and(name, raw);
        refused(81, name, &headed(&instead), Header);
    }
    let own = REMOVED.good_header().with("kid", quoted(RSA.kid())).and("jwk", &jwk);
    refused(81, "signed by the key it brings", &REMOVED.headed(&own), Header);
}

#[test]
fn case_82_critical_members() {
    for raw in ["[\"unknown\"]", "[]", "[\"b64\"]", "[\"exp\"]", "\"b64\"", "null", "{}", "5"] {
        refused(82, raw, &headed(&header().and("crit", raw)), Header);
    }
    let unencoded = header().and("b64", "false").and("crit", "[\"b64\"]");
    refused(82, "b64=false", &headed(&unencoded), Header);
    refused(82, "b64=false, not critical", &headed(&header().and("b64", "false")), Header);
    refused(82, "b64=true", &headed(&header().and("b64", "true")), Header);
    let input = format!("{}.{}", encode(unencoded.text()), good_claims().text());
    let signature = encode(RSA.sign(input.as_bytes()));
    refused(82, "a payload as it is", &format!("{input}.{signature}"), Malformed);
}

#[test]
fn case_83_compression_nesting_and_encryption() {
    refused(83, "zip", &headed(&header().and("zip", "\"DEF\"")), Header);
    for raw in ["\"JWT\"", "\"json\"", "\"application/jwt\"", "null"] {
        refused(83, raw, &headed(&header().and("cty", raw)), Header);
    }
    let nested = RSA.token(&header().text(), RSA.good_token());
    refused(83, "a token as payload", &nested, Malformed);
    for encrypted in [
        r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#,
        r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#,
        r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2s":"AAAA","p2c":1000000000}"#,
    ] {
        let parts = format!("{}.{}.AAAA.AAAA.AAAA", encode(encrypted), encode("key"));
        refused(83, encrypted, &parts, Malformed);
        refused(83, encrypted, &RSA.token(encrypted, good_claims().text()), Algorithm);
    }
    refused(83, "enc beside alg", &headed(&header().and("enc", "\"A256GCM\"")), Header);
}

#[test]
fn case_85_types() {
    refused(85, "missing", &headed(&header().without("typ")), Header);
    for raw in [
        "\"at+jwt\"",
        "\"jwt\"",
        "\"Jwt\"",
        "\"application/jwt\"",
        "\"JOSE\"",
        "\"JWT \"",
        "\"JWT\\u0000\"",
        "\"dpop+jwt\"",
        "\"logout+jwt\"",
        "\"\"",
        "7",
        "null",
        "[\"JWT\"]",
    ] {
        refused(85, raw, &headed(&header().with("typ", raw)), Header);
    }
    accepted(85, "JWT", &headed(&header().with("typ", "\"JWT\"")));
}

#[test]
fn case_86_a_name_twice() {
    let kid = quoted(RSA.kid());
    for (name, raw) in [
        ("alg", "\"RS256\""),
        ("alg", "\"none\""),
        ("\\u0061lg", "\"RS256\""),
        ("kid", &kid),
        ("k\\u0069d", "\"another\""),
        ("typ", "\"JWT\""),
        ("ty\\u0070", "\"JWT\""),
    ] {
        refused(86, name, &headed(&header().and(name, raw)), Malformed);
    }
}

#[test]
fn case_87_an_escaped_name_is_the_name() {
    let kid = quoted(RSA.kid());
    let escaped =
        Members::of(&[("\\u0061lg", "\"RS256\""), ("kid", &kid), ("typ", "\"J\\u0057T\"")]);
    accepted(87, "escaped alg", &headed(&escaped));
    let other = Members::of(&[("\\u0041lg", "\"RS256\""), ("kid", &kid), ("typ", "\"JWT\"")]);
    refused(87, "escaped Alg", &headed(&other), Algorithm);
    let upper = Members::of(&[("ALG", "\"RS256\""), ("kid", &kid), ("typ", "\"JWT\"")]);
    refused(87, "ALG", &headed(&upper), Algorithm);
}
