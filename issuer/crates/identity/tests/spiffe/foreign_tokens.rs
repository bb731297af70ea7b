//! Tokens of other issuers, wrong in exactly one way each.

use std::time::Duration;

use moneyer_identity::spiffe::{JwtSvidError, SvidAlgorithm};
use moneyer_identity::{
    ForeignKeys, ForeignTokenError, ForeignTokenRules, KeyId, VerifiedForeignToken, claimed_issuer,
};
use serde_json::{Value, json};

use super::forge::{NOW, fixture, jwt_entry, p256};
use super::forge_token::{encode, raw, sign};

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// A cluster as its API server signs: RS256, `alg` and `kid` and nothing else.
struct Cluster {
    key: openssl::pkey::PKey<openssl::pkey::Private>,
    keys: ForeignKeys,
}

impl Cluster {
    fn new() -> Self {
        let key = fixture("rsa-2048-a");
        let mut entry = jwt_entry(&key, "k1");
        entry["use"] = json!("sig");
        let keys = ForeignKeys::parse(json!({ "keys": [entry] }).to_string().as_bytes()).unwrap();
        Self { key, keys }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        raw(&self.key, "RS256", &header.to_string(), &claims.to_string())
    }

    fn verify(&self, text: &str) -> Result<VerifiedForeignToken, ForeignTokenError> {
        rules().verify(text, &self.keys, NOW)
    }
}

fn rules() -> ForeignTokenRules {
    ForeignTokenRules {
        issuer: ISSUER.to_owned(),
        audiences: vec!["moneyer".to_owned()],
        algorithms: vec![SvidAlgorithm::RS256],
        leeway: Duration::from_secs(5),
    }
}

fn header() -> Value {
    json!({ "alg": "RS256", "kid": "k1" })
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "system:serviceaccount:ns1:sa1", "aud": ["moneyer"],
        "exp": NOW.0 + 600, "iat": NOW.0, "nbf": NOW.0,
    })
}

fn with(mut value: Value, name: &str, set: Value) -> Value {
    value[name] = set;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().unwrap().remove(name);
    value
}

#[test]
fn a_service_account_token_as_an_api_server_writes_it() {
    let cluster = Cluster::new();
    let text = cluster.token(&header(), &claims());
    let verified = cluster.verify(&text).unwrap();
    assert_eq!(verified.subject(), "system:serviceaccount:ns1:sa1");
    assert_eq!((verified.issuer(), verified.expires_at().0), (ISSUER, NOW.0 + 600));
    assert_eq!(claimed_issuer(&text).unwrap(), ISSUER);
}

#[test]
fn headers_of_other_issuers_are_read_for_what_is_relied_on() {
    let cluster = Cluster::new();
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("jwt")),
        ("typ", json!("at+jwt")),
        ("x5t", json!("abc")),
        ("jku", json!("https://evil.example/jwks")),
    ] {
        let text = cluster.token(&with(header(), name, value.clone()), &claims());
        assert!(cluster.verify(&text).is_ok(), "{name}: {value}");
    }
    for (wrong, why) in [
        (with(header(), "crit", json!(["exp"])), ForeignTokenError::Header),
        (with(header(), "typ", json!("JOSE")), ForeignTokenError::Header),
        (with(header(), "typ", json!(7)), ForeignTokenError::Header),
        (without(header(), "kid"), ForeignTokenError::NoKeyId),
        (with(header(), "kid", json!(1)), ForeignTokenError::NoKeyId),
        (without(header(), "alg"), ForeignTokenError::Algorithm),
        (with(header(), "alg", json!("none")), ForeignTokenError::Algorithm),
        (with(header(), "alg", json!("HS256")), ForeignTokenError::Algorithm),
        (with(header(), "alg", json!("rs256")), ForeignTokenError::Algorithm),
        // One that the key could make, and that is not allowed here.
        (with(header(), "alg", json!("RS512")), ForeignTokenError::Algorithm),
    ] {
        let refused = cluster.verify(&cluster.token(&wrong, &claims())).unwrap_err();
        assert_eq!(refused, why, "{wrong}");
    }
    let key_id = KeyId::parse("k2").unwrap();
    let unknown = ForeignTokenError::UnknownKey { issuer: ISSUER.to_owned(), key_id };
    let text = cluster.token(&with(header(), "kid", json!("k2")), &claims());
    assert_eq!(cluster.verify(&text).unwrap_err(), unknown);
}

#[test]
fn claims_are_there_and_are_what_they_have_to_be() {
    let cluster = Cluster::new();
    let time = |error| ForeignTokenError::Claims(error);
    for (wrong, why) in [
        (without(claims(), "iss"), ForeignTokenError::Issuer),
        (with(claims(), "iss", json!(format!("{ISSUER}/"))), ForeignTokenError::Issuer),
        (with(claims(), "iss", json!([ISSUER])), ForeignTokenError::Issuer),
        (without(claims(), "exp"), time(JwtSvidError::Time)),
        (with(claims(), "exp", json!("soon")), time(JwtSvidError::Time)),
        (with(claims(), "exp", json!(NOW.0 - 5)), time(JwtSvidError::Expired)),
        (with(claims(), "nbf", json!(NOW.0 + 6)), time(JwtSvidError::NotYetValid)),
        (without(claims(), "aud"), time(JwtSvidError::NoAudience)),
        (with(claims(), "aud", json!([7])), time(JwtSvidError::Audiences)),
        (with(claims(), "aud", json!("other")), ForeignTokenError::Audience),
        (without(claims(), "sub"), ForeignTokenError::Subject),
        (with(claims(), "sub", json!("")), ForeignTokenError::Subject),
        (with(claims(), "sub", json!("a b")), ForeignTokenError::Subject),
        (with(claims(), "sub", json!("x".repeat(256))), ForeignTokenError::Subject),
    ] {
        let refused = cluster.verify(&cluster.token(&header(), &wrong)).unwrap_err();
        assert_eq!(refused, why, "{wrong}");
    }
    for good in [
        with(claims(), "aud", json!("moneyer")),
        with(claims(), "sub", json!("x".repeat(255))),
        with(claims(), "exp", json!(NOW.0 - 4)),
        with(claims(), "nbf", json!(NOW.0 + 5)),
        without(without(claims(), "nbf"), "iat"),
    ] {
        assert!(cluster.verify(&cluster.token(&header(), &good)).is_ok(), "{good}");
    }
}

#[test]
fn a_signature_is_the_named_keys_over_exactly_this() {
    let cluster = Cluster::new();
    let good = cluster.token(&header(), &claims());
    let (input, _) = good.rsplit_once('.').unwrap();
    let other = sign(&fixture("rsa-2048-b"), "RS256", input.as_bytes());
    let forged = format!("{input}.{}", encode(other));
    assert_eq!(cluster.verify(&forged).unwrap_err(), ForeignTokenError::Signature);
    let changed = cluster.token(&header(), &with(claims(), "sub", json!("system:admin")));
    let (changed, _) = changed.rsplit_once('.').unwrap();
    let (_, signature) = good.rsplit_once('.').unwrap();
    let moved = format!("{changed}.{signature}");
    assert_eq!(cluster.verify(&moved).unwrap_err(), ForeignTokenError::Signature);
    // A key of another kind under an algorithm that is not its own.
    let entry = jwt_entry(&p256(), "k1");
    let keys = ForeignKeys::parse(json!({ "keys": [entry] }).to_string().as_bytes()).unwrap();
    let refused = rules().verify(&good, &keys, NOW).unwrap_err();
    assert_eq!(refused, ForeignTokenError::KeyAlgorithm);
}

#[test]
fn what_is_no_token_is_told_before_anything_else() {
    let cluster = Cluster::new();
    let good = cluster.token(&header(), &claims());
    for bad in ["", "a", "a.b", "a.b.c.d", &format!("{good}="), &format!(" {good}")] {
        assert_eq!(cluster.verify(bad).unwrap_err(), ForeignTokenError::Malformed, "{bad}");
        assert!(claimed_issuer(bad).is_err());
    }
    let twice = r#"{"iss":"a","iss":"b"}"#;
    let text = raw(&cluster.key, "RS256", &header().to_string(), twice);
    assert_eq!(cluster.verify(&text).unwrap_err(), ForeignTokenError::Malformed);
    let long = "x".repeat(8 * 1024 + 1);
    assert_eq!(cluster.verify(&long).unwrap_err(), ForeignTokenError::TooLong);
}

#[test]
fn without_a_key_everything_but_the_signature_is_looked_at() {
    let cluster = Cluster::new();
    let good = cluster.token(&header(), &claims());
    let (input, _) = good.rsplit_once('.').unwrap();
    let unsigned = format!("{input}.{}", encode([0]));
    for text in [&good, &unsigned] {
        let examined = rules().examine(text, NOW).unwrap();
        assert_eq!(examined.subject(), "system:serviceaccount:ns1:sa1");
        assert_eq!((examined.issuer(), examined.expires_at().0), (ISSUER, NOW.0 + 600));
    }
    let examine = |header: &Value, claims: &Value| {
        rules().examine(&cluster.token(header, claims), NOW).unwrap_err()
    };
    for (wrong, why) in [
        (with(claims(), "iss", json!("https://other.example")), ForeignTokenError::Issuer),
        (with(claims(), "aud", json!("other")), ForeignTokenError::Audience),
        (with(claims(), "exp", json!(1)), ForeignTokenError::Claims(JwtSvidError::Expired)),
        (without(claims(), "sub"), ForeignTokenError::Subject),
    ] {
        assert_eq!(examine(&header(), &wrong), why, "{wrong}");
    }
    let crit = with(header(), "crit", json!(["exp"]));
    assert_eq!(examine(&crit, &claims()), ForeignTokenError::Header);
    let none = with(header(), "alg", json!("none"));
    assert_eq!(examine(&none, &claims()), ForeignTokenError::Algorithm);
    assert_eq!(rules().examine(input, NOW).unwrap_err(), ForeignTokenError::Malformed);
}
