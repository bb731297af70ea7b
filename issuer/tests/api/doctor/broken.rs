//! Twelve hosts with one fault each: the fault is found, nothing else is, and what to do is said.

use std::time::Duration;

use moneyer::doctor::{Inside, InsideKey, Limits, OwnToken, Severity};
use moneyer_authority::keys::KeyState;
use moneyer_identity::{IssuerUrl, KeyId};
use moneyer_testkit::TestCa;
use serde_json::{Value, json};

use super::site::{Answered, ISSUER, KEY_SET, PATIENT, Site, discovery_of, ids, key};

/// The failures at this host are exactly these, and the advice on the first says this.
async fn fails(site: Site, inside: Option<&Inside>, expected: &[&str], advice: &str) {
    let found = site.examined(inside).await;
    assert_eq!(ids(&found, Severity::Failure), expected, "{found:#?}");
    let first = found.iter().find(|finding| finding.severity == Severity::Failure).unwrap();
    let told = first.advice.as_deref().unwrap();
    assert!(told.contains(advice), "{told}");
    assert!(first.why.as_deref().is_some_and(|why| !why.is_empty()));
}

fn keys(keys: &[Value]) -> Site {
    Site { key_set: Answered::json(&json!({ "keys": keys })), ..Site::default() }
}

fn key_with(member: &str, value: Option<Value>) -> Value {
    let mut key = key();
    let members = key.as_object_mut().unwrap();
    match value {
        Some(value) => drop(members.insert(member.to_owned(), value)),
        None => drop(members.remove(member)),
    }
    key
}

/// A coordinator that signs with this key.
fn signs_with(key_id: &str) -> Inside {
    let key_id = KeyId::parse(key_id).unwrap();
    Inside {
        issuer: IssuerUrl::parse(ISSUER).unwrap(),
        jwks_uri: format!("{ISSUER}{KEY_SET}"),
        publish_before_use: Duration::from_secs(24 * 3600),
        keys: vec![InsideKey { key_id, state: KeyState::Active, published: true }],
        subjects: Vec::new(),
        token: OwnToken::NoSandbox,
    }
}

#[tokio::test]
async fn the_intact_host_passes() {
    let found = Site::default().examined(None).await;
    assert_eq!(ids(&found, Severity::Failure), [""; 0], "{found:#?}");
    // The authority is nobody's, which is said, with the thumbprint that AWS asks for.
    assert_eq!(ids(&found, Severity::Warning), ["tls-root"]);
    let root = found.iter().find(|finding| finding.id.as_str() == "tls-root").unwrap();
    let thumbprint = root.found.rsplit_once("thumbprint ").unwrap().1;
    assert!(thumbprint.len() == 40 && thumbprint.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(ids(&found, Severity::Skipped), [""; 0], "{found:#?}");
}

#[tokio::test]
async fn host_1_redirects() {
    let mut site = Site::default();
    site.discovery.status = 301;
    site.discovery = site.discovery.with("location", "https://www.example.com/");
    fails(site, None, &["redirect"], "Serve the document at this very address").await;
}

#[tokio::test]
async fn host_2_shows_the_error_page_of_a_bucket() {
    let mut site = Site::default();
    site.discovery = Answered {
        status: 403,
        body: b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>".to_vec(),
        ..site.discovery.with("content-type", "application/xml")
    };
    fails(site, None, &["status", "content-type"], "Make the path public").await;
}

#[tokio::test]
async fn host_3_sends_another_type() {
    let mut site = Site::default();
    site.key_set = site.key_set.with("content-type", "binary/octet-stream");
    fails(site, None, &["content-type"], "Content-Type: application/json").await;
}

#[tokio::test]
async fn host_4_is_too_slow() {
    let limits = Limits { too_slow: Duration::from_secs(2), ..PATIENT };
    let mut site = Site { limits, ..Site::default() };
    site.key_set.after = Duration::from_millis(2001);
    fails(site, None, &["time"], "from memory or a static host").await;
}

#[tokio::test]
async fn host_4_answers_never() {
    let limits = Limits { give_up: Duration::from_secs(2), ..PATIENT };
    let mut site = Site { limits, ..Site::default() };
    site.key_set.after = Duration::from_secs(3600);
    fails(site, None, &["reachable", "time"], "port 443").await;
}

#[tokio::test]
async fn host_5_is_asked_for_with_a_slash_at_its_end() {
    let site = Site { asked: format!("{ISSUER}/"), ..Site::default() };
    fails(site, None, &["trailing-slash", "issuer"], "without the slash").await;
}

#[tokio::test]
async fn host_6_has_a_port() {
    let issuer = "https://id.example.com:@PORT@";
    let discovery = Answered::json(&discovery_of(issuer));
    let site = Site { asked: issuer.to_owned(), discovery, ..Site::default() };
    fails(site, None, &["port"], "moneyer issuer move").await;
}

#[tokio::test]
async fn host_7_has_a_key_without_kid() {
    fails(keys(&[key_with("kid", None)]), None, &["key-id"], "with a `kid` of its own").await;
}

#[tokio::test]
async fn host_8_shows_a_copy_of_last_month() {
    let inside = signs_with("the-key-of-today");
    fails(Site::default(), Some(&inside), &["active-key"], "upload it again").await;
    let inside = signs_with(key()["kid"].as_str().unwrap());
    let found = Site::default().examined(Some(&inside)).await;
    assert_eq!(ids(&found, Severity::Failure), [""; 0], "{found:#?}");
}

#[tokio::test]
async fn host_9_has_a_key_too_many() {
    let number = |n: usize| key_with("kid", Some(json!(format!("key-{n}"))));
    let all: Vec<_> = (0..101).map(number).collect();
    fails(keys(&all), None, &["key-count"], "moneyer key prune").await;
    let found = keys(&all[..100]).examined(None).await;
    assert_eq!(ids(&found, Severity::Failure), [""; 0], "{found:#?}");
}

#[tokio::test]
async fn host_10_has_key_ops() {
    let site = keys(&[key_with("key_ops", Some(json!(["verify"])))]);
    fails(site, None, &["key-ops"], "Take `key_ops` out").await;
}

#[tokio::test]
async fn host_11_is_plain_http() {
    let issuer = "http://id.example.com";
    let discovery = Answered::json(&discovery_of(issuer));
    let site = Site { asked: issuer.to_owned(), discovery, ..Site::default() };
    fails(site, None, &["https"], "over https on port 443").await;
}

#[tokio::test]
async fn host_12_is_another_issuer() {
    let discovery = Answered::json(&discovery_of("https://id.other.example"));
    let site = Site { discovery, ..Site::default() };
    fails(site, None, &["issuer"], "Register exactly the issuer").await;
}

#[tokio::test]
async fn a_bad_certificate_hides_nothing_else() {
    let ca = TestCa::default();
    let roots = vec![ca.pem.clone().into_bytes()];
    let broken = || keys(&[key_with("key_ops", Some(json!(["verify"])))]);
    let ended = broken().examined_with(&ca, (2020, 2021), roots, None).await;
    let unknown = broken().examined_with(&ca, (2020, 2120), Vec::new(), None).await;
    for found in [ended, unknown] {
        assert_eq!(ids(&found, Severity::Failure), ["tls-chain", "key-ops"], "{found:#?}");
    }
}

#[tokio::test]
async fn everything_wrong_is_told_in_one_go() {
    let mut site = keys(&[key_with("use", Some(json!("enc"))), key_with("kid", None)]);
    site.asked = "https://ID.example.com/?a=b".to_owned();
    site.discovery =
        site.discovery.with("content-type", "text/html").with("cache-control", "no-store");
    site.key_set = site.key_set.with("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let found = site.examined(None).await;
    let failures =
        ["trailing-slash", "case", "query", "content-type", "issuer", "key-id", "key-use"];
    assert_eq!(ids(&found, Severity::Failure), failures, "{found:#?}");
    assert_eq!(ids(&found, Severity::Warning), ["tls-root", "cache"]);
}
