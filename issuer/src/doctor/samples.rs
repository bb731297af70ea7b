//! What the tests of the rules begin from: an issuer with nothing wrong, before a fault is put in.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use moneyer_authority::keys::KeyState;
use moneyer_daemon::outbound::Answer;
use moneyer_identity::{IssuerUrl, KeyId, UnixTime};
use serde_json::{Map, Value, json};

use super::address::IssuerAddress;
use super::finding::{Finding, Severity};
use super::inside::{Inside, InsideKey, OwnToken};
use super::observation::{Document, Limits, Observation};

pub(super) const ISSUER: &str = "https://id.example.com";
pub(super) const KID: &str = "key-1";

/// The ids of the findings that are this bad.
pub(super) fn severities(findings: &[Finding], severity: Severity) -> Vec<&'static str> {
    let so_bad = findings.iter().filter(|finding| finding.severity == severity);
    so_bad.map(|finding| finding.id.as_str()).collect()
}

pub(super) fn discovery_object() -> Map<String, Value> {
    let value = json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}/.well-known/jwks.json"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["iss", "sub", "aud", "iat", "exp"],
    });
    value.as_object().unwrap().clone()
}

pub(super) fn key() -> Value {
    let modulus = URL_SAFE_NO_PAD.encode([0xff; 256]);
    json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID, "n": modulus, "e": "AQAB" })
}

pub(super) fn discovery() -> Document {
    document("/.well-known/openid-configuration", &json!(discovery_object()))
}

pub(super) fn key_set() -> Document {
    document("/.well-known/jwks.json", &json!({ "keys": [key()] }))
}

fn document(path: &str, body: &Value) -> Document {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("cache-control", HeaderValue::from_static("public, max-age=3600"));
    let body = serde_json::to_vec(body).unwrap();
    Document {
        url: format!("{ISSUER}{path}"),
        at: UnixTime(1_795_000_000),
        took: Duration::from_millis(20),
        chain: None,
        answer: Ok(Answer { status: StatusCode::OK, headers, body, cut_off: false }),
    }
}

pub(super) fn observation() -> Observation {
    Observation {
        issuer: IssuerAddress::parse(ISSUER).unwrap(),
        limits: Limits::default(),
        addresses: Ok(vec!["93.184.216.34".parse().unwrap()]),
        discovery: discovery(),
        key_set: key_set(),
    }
}

pub(super) fn with_field(mut document: Document, name: &'static str, value: &str) -> Document {
    let value = HeaderValue::from_str(value).unwrap();
    document.answer.as_mut().unwrap().headers.insert(HeaderName::from_static(name), value);
    document
}

pub(super) fn with_body(mut document: Document, body: &[u8]) -> Document {
    document.answer.as_mut().unwrap().body = body.to_vec();
    document
}

pub(super) fn inside() -> Inside {
    let key_id = KeyId::parse(KID).unwrap();
    Inside {
        issuer: IssuerUrl::parse(ISSUER).unwrap(),
        jwks_uri: format!("{ISSUER}/.well-known/jwks.json"),
        publish_before_use: Duration::from_secs(24 * 3600),
        keys: vec![InsideKey { key_id, state: KeyState::Active, published: true }],
        subjects: Vec::new(),
        token: OwnToken::NoSandbox,
    }
}
