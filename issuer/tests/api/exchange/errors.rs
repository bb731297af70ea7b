//! Error codes of the token endpoint, in both dialects.

use moneyer_daemon::unix_http::Answer;
use serde_json::{Value, json};

use super::{CLUSTER, GRANT, JWT, Scene};
use crate::world::{ask, field, json as read};

/// Status and code; everything else of the answer is as it has to be.
#[track_caller]
fn code(answer: &Answer) -> (u16, String) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(field(answer, "content-type"), "application/json", "{text}");
    assert_eq!(field(answer, "cache-control"), "no-store", "{text}");
    let body = read(answer);
    let mut members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["error", "error_description", "request_id"]);
    (answer.status.as_u16(), body["error"].as_str().unwrap().to_owned())
}

/// Proofs that prove nothing.
fn bad_proofs(scene: &Scene) -> Vec<(&'static str, String)> {
    let with = |claims: &Value| scene.account(claims);
    let header = with(&json!({})).split('.').next().unwrap().to_owned();
    let other = moneyer_testkit::ForeignIssuer::new("x.example", "k1");
    let plain = json!({ "alg": "ES256", "kid": "k1" }).to_string();
    let claims = json!({ "iss": CLUSTER, "sub": super::CLIENT, "aud": ["moneyer"], "exp": scene.now().0 + 600 });
    vec![
        ("garbage", "garbage".to_owned()),
        ("empty parts", format!("{header}..")),
        ("another issuer", with(&json!({ "iss": "https://evil.example" }))),
        ("another audience", with(&json!({ "aud": ["other"] }))),
        ("expired", with(&json!({ "exp": scene.now().0 }))),
        ("not yet", with(&json!({ "nbf": scene.now().0 + 60 }))),
        ("no service account", with(&json!({ "sub": "system:node:n1" }))),
        ("a name of a namespace", with(&json!({ "sub": "system:serviceaccount:ns1:*" }))),
        ("two namespaces", with(&json!({ "kubernetes.io": { "namespace": "ns2" } }))),
        ("another's key", other.signed(&plain, &claims.to_string())),
        ("an unsigned one", format!("{}.x", with(&json!({})).rsplit_once('.').unwrap().0)),
    ]
}

#[tokio::test]
async fn what_proves_nothing_is_told_by_one_text() {
    let scene = Scene::new().await;
    scene.map(&json!({})).await;
    let mut texts = std::collections::BTreeSet::new();
    for (what, proof) in bad_proofs(&scene) {
        let answer = scene.exchange(&proof, &[]).await;
        assert_eq!(code(&answer), (400, "invalid_request".to_owned()), "{what}");
        texts.insert(read(&answer)["error_description"].as_str().unwrap().to_owned());
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    let acting = [("actor_token", "garbage"), ("actor_token_type", JWT)];
    let answer = scene.exchange(&scene.account(&json!({})), &acting).await;
    assert_eq!(code(&answer), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn what_is_no_request_is_told_by_its_parameter() {
    let scene = Scene::new().await;
    scene.map(&json!({})).await;
    let proof = scene.account(&json!({}));
    for (more, error, text) in [
        (&[("grant_type", "client_credentials")][..], "unsupported_grant_type", "grant_type"),
        (&[("subject_token", "")], "invalid_request", "subject_token is missing"),
        (&[("subject_token_type", "")], "invalid_request", "subject_token_type is missing"),
        (&[("requested_token_type", "urn:x")], "invalid_request", "requested_token_type"),
        (&[("actor_token", "a")], "invalid_request", "go together"),
        (&[("resource", "")], "invalid_request", "resource is missing"),
        (&[("resource", "spiffe://a/b")], "invalid_target", "resource: "),
        (&[("audience", "a b")], "invalid_target", "audience: "),
        (&[("scope", "a\"")], "invalid_scope", "scope: "),
    ] {
        let answer = scene.exchange(&proof, more).await;
        assert_eq!(code(&answer), (400, error.to_owned()), "{more:?}");
        let told = read(&answer)["error_description"].as_str().unwrap().to_owned();
        assert!(told.contains(text), "{told}");
    }
    let address = scene.world.app.addresses().exchange.clone().unwrap();
    let json = [("content-type", "application/json")];
    let post = moneyer_daemon::unix_http::Method::POST;
    let answer = ask(&address, post, "/token", &json, b"{}").await;
    assert_eq!(code(&answer), (400, "invalid_request".to_owned()));
    let twice = format!("grant_type={GRANT}&grant_type={GRANT}");
    assert_eq!(code(&scene.post(&twice).await), (400, "invalid_request".to_owned()));
}

/// What no mapping grants: the parameters, and the code in either dialect.
const NOT_GRANTED: [(&str, &str, &str, &str); 4] = [
    ("resource", "pc2", "invalid_target", "unauthorized_client"),
    ("audience", "other", "invalid_target", "unauthorized_client"),
    ("scope", "admin", "invalid_scope", "unauthorized_client"),
    ("scope", "read write", "invalid_scope", "invalid_scope"),
];

async fn not_granted(jwtlet: bool) {
    let scene = Scene::with(&format!("jwtlet_compatible_errors = {jwtlet}")).await;
    scene.map(&json!({})).await;
    let scopes = json!([
        { "scope": "read", "claims": { "x": 1 } }, { "scope": "write", "claims": { "x": 2 } },
    ]);
    let method = moneyer_daemon::unix_http::Method::PUT;
    assert_eq!(scene.world.manage(method, "/scopes", &scopes.to_string()).await.status, 204);
    let proof = scene.account(&json!({}));
    for (name, value, standard, theirs) in NOT_GRANTED {
        let answer = scene.exchange(&proof, &[(name, value)]).await;
        let status = if jwtlet && theirs == "unauthorized_client" { 403 } else { 400 };
        let expected = (status, (if jwtlet { theirs } else { standard }).to_owned());
        assert_eq!(code(&answer), expected, "{name}={value}");
    }
    let bad = code(&scene.exchange("garbage", &[]).await);
    let expected = if jwtlet { "invalid_grant" } else { "invalid_request" };
    assert_eq!(bad, (400, expected.to_owned()));
}

#[tokio::test]
async fn what_is_not_granted_has_a_code_of_rfc_8693() {
    not_granted(false).await;
}

#[tokio::test]
async fn clients_of_jwtlet_find_its_codes() {
    not_granted(true).await;
}

#[tokio::test]
async fn keys_that_are_away_are_no_fault_of_the_client() {
    let scene = Scene::new().await;
    scene.map(&json!({})).await;
    // The last good key set is trusted for a day.
    scene.server.say_text("<html>".to_owned());
    assert_eq!(scene.exchange(&scene.account(&json!({})), &[]).await.status, 200);
    scene.world.clock.advance(std::time::Duration::from_secs(25 * 3600));
    let answer = scene.exchange(&scene.account(&json!({})), &[]).await;
    assert_eq!(code(&answer), (503, "temporarily_unavailable".to_owned()));
}

#[tokio::test]
async fn refusals_are_recorded_by_the_name_that_was_proved() {
    let scene = Scene::new().await;
    scene.exchange("garbage", &[]).await;
    scene.exchange(&scene.account(&json!({})), &[]).await;
    scene.world.authority().settle_refusals(true);
    let path = scene.world.directory.path().join("audit");
    let log = std::fs::read_dir(path)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default());
    let lines: Vec<Value> = log
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| serde_json::from_str(&line).ok())
        .filter(|line: &Value| line["event"] == "exchange_refused")
        .collect();
    let who: Vec<_> = lines.iter().map(|line| line["who"].as_str().unwrap()).collect();
    assert_eq!(who, ["nobody", "client:system:serviceaccount:ns1:sa1"]);
    assert!(lines[1]["reason"].as_str().unwrap().contains("has no mapping for pc1"), "{lines:?}");
}

#[tokio::test]
async fn a_client_and_its_issuer_have_a_share_each() {
    let limits = [
        ("LIMITS__CLIENT_EXCHANGES_PER_SECOND", "1"),
        ("LIMITS__ISSUER_EXCHANGES_PER_SECOND", "2"),
    ];
    let scene = Scene::limited("", &limits).await;
    scene.map(&json!({ "clientIdentifier": "system:serviceaccount:ns1:*" })).await;
    // Twice a second's worth may come at once; signatures take time, in which a share grows again.
    let proof = scene.account(&json!({}));
    let mut refused = 0;
    for _ in 0..20 {
        let answer = scene.exchange(&proof, &[]).await;
        if answer.status != 200 {
            assert_eq!(code(&answer), (429, "temporarily_unavailable".to_owned()));
            refused += 1;
        }
    }
    assert!(refused >= 10, "{refused}");
    let mut given = 0;
    for at in 0..40 {
        let subject = format!("system:serviceaccount:ns1:other-{at}");
        let other = scene.account(&json!({ "sub": subject, "kubernetes.io": null }));
        given += usize::from(scene.exchange(&other, &[]).await.status == 200);
    }
    assert!((1..30).contains(&given), "{given}");
}
