//! JWT-SVIDs as subject tokens: a SPIFFE ID is the name of a client.

use moneyer_daemon::unix_http::Method;
use moneyer_testkit::ForeignIssuer;
use serde_json::{Value, json};

use super::Scene;
use crate::exchange::CLUSTER;
use crate::world::json as read;

const ID: &str = "spiffe://other.example/ci/build";

/// A coordinator at which workloads of `other.example` are clients, by the keys they may log in with.
async fn scene(foreign: &ForeignIssuer) -> Scene {
    let keys = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(keys.path(), ForeignIssuer::key_set(&[foreign])).unwrap();
    let more = format!(
        "[[exchange.trust_domain]]\nname = 'other.example'\naudiences = ['moneyer']\n\
         [[login.trust_domain]]\nname = 'other.example'\njwks_file = '{}'",
        keys.path().display()
    );
    let scene = Scene::with("both", "", &more).await;
    let body = json!([{ "clientIdentifier": ID, "participantContext": "pc1", "scopes": [] }]);
    let put = scene.world.manage(Method::PUT, "/mappings", &body.to_string()).await;
    assert_eq!(put.status, 204, "{}", String::from_utf8_lossy(&put.body));
    scene
}

fn svid(foreign: &ForeignIssuer, scene: &Scene, audience: &str, claims: Value) -> String {
    let now = scene.world.authority().now();
    foreign.jwt_svid(("/ci/build", audience), now, (json!({}), claims))
}

#[tokio::test]
async fn a_jwt_svid_is_exchanged_for_what_the_mapping_of_its_id_says() {
    let foreign = ForeignIssuer::new("other.example", "one");
    let scene = scene(&foreign).await;
    for claims in [json!({}), json!({ "iss": "https://spire.other.example" })] {
        let answer = scene.exchange(&svid(&foreign, &scene, "moneyer", claims)).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(read(&answer)["expires_in"], 300);
        let token = read(&answer)["access_token"].as_str().unwrap().to_owned();
        let payload = super::payload(&token);
        assert_eq!(payload["act"], json!({ "sub": ID, "iss": "spiffe://other.example" }));
        assert_eq!(payload["sub"], "pc1");
        assert!(payload.get("kubernetes.io").is_none());
    }
    assert_eq!(scene.server.came(), 0, "an API server knows nothing of it");
}

#[tokio::test]
async fn a_jwt_svid_that_is_not_for_an_exchange_or_not_of_its_domain_is_refused() {
    let foreign = ForeignIssuer::new("other.example", "one");
    let scene = scene(&foreign).await;
    let login = "https://id.example.com/v1/login/spiffe";
    let (stranger, other) =
        (ForeignIssuer::new("other.example", "one"), ForeignIssuer::new("third.example", "one"));
    for (what, token) in [
        ("for a log-in", svid(&foreign, &scene, login, json!({}))),
        ("over", svid(&foreign, &scene, "moneyer", json!({ "exp": 1 }))),
        ("another key", svid(&stranger, &scene, "moneyer", json!({}))),
        ("another trust domain", svid(&other, &scene, "moneyer", json!({}))),
        ("no id", svid(&foreign, &scene, "moneyer", json!({ "sub": "build" }))),
        // The cluster does not say who is a workload, nor the trust domain who is a service account.
        ("of the cluster", svid(&foreign, &scene, "moneyer", json!({ "iss": CLUSTER }))),
        ("by the cluster", scene.forged(&json!({ "sub": ID, "iss": "https://x.example" }))),
    ] {
        let answer = scene.exchange(&token).await;
        assert_eq!(answer.status, 400, "{what}");
        assert_eq!(read(&answer)["error"], "invalid_request", "{what}");
    }
}
