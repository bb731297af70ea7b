//! What is given in exchange, and for how long.

use moneyer_daemon::unix_http::Method;
use serde_json::json;

use super::{CLUSTER, JWT, Scene};
use crate::world::{field, json as read};

#[tokio::test]
async fn a_service_accounts_token_is_exchanged_for_one_of_its_context() {
    let scene = Scene::new().await;
    scene.map(&json!({})).await;
    let claims = json!({ "scope": "read", "claims": { "roles": ["reader"], "tier": 1 } });
    let put = scene.world.manage(Method::POST, "/scopes", &claims.to_string()).await;
    assert_eq!(put.status, 201);
    let answer = scene.exchange(&scene.account(&json!({})), &[("scope", "read")]).await;
    let token = scene.verified(&answer, "moneyer");
    assert_eq!(token.subject(), "pc1");
    for (name, value) in [
        ("participant_context", json!("pc1")),
        ("identity_type", json!("exchange")),
        ("act", json!({ "sub": super::CLIENT, "iss": CLUSTER, "k8s_uid": "sa-uid" })),
        (
            "kubernetes.io",
            json!({
                "namespace": "ns1",
                "serviceaccount": { "name": "sa1", "uid": "sa-uid" },
                "pod": { "name": "pod-1", "uid": "pod-uid" },
                "node": { "name": "node-1", "uid": "node-uid" },
            }),
        ),
        ("roles", json!(["reader"])),
        ("tier", json!(1)),
    ] {
        assert_eq!(token.claim(name), Some(&value), "{name}");
    }
    assert_eq!(field(&answer, "cache-control"), "no-store");
    assert_eq!(field(&answer, "pragma"), "no-cache");
    let mut body = read(&answer);
    body.as_object_mut().unwrap().remove("access_token");
    let expected = json!({
        "issued_token_type": JWT, "token_type": "Bearer", "expires_in": 600, "scope": "read",
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_token_never_outlives_its_proof_nor_what_its_mapping_allows() {
    let scene = Scene::new().await;
    scene.map(&json!({ "tokenLifetime": 300 })).await;
    let lifetime = async |seconds: i64| {
        let proof = scene.account(&json!({ "exp": scene.now().0 + seconds }));
        read(&scene.exchange(&proof, &[]).await)["expires_in"].as_i64().unwrap()
    };
    assert_eq!(lifetime(3600).await, 300);
    assert_eq!(lifetime(299).await, 299);
    assert_eq!(lifetime(1).await, 1);
}

#[tokio::test]
async fn audiences_and_further_resources_are_those_of_the_mapping() {
    let scene = Scene::new().await;
    scene.map(&json!({ "audiences": ["https://a.example", "b"] })).await;
    let proof = scene.account(&json!({}));
    let both = [("resource", "pc1"), ("resource", "https://a.example"), ("audience", "b")];
    let token = scene.verified(&scene.exchange(&proof, &both).await, "b");
    assert_eq!(token.audiences(), ["https://a.example", "b"]);
    let one = scene.exchange(&proof, &[("audience", "b")]).await;
    assert_eq!(scene.verified(&one, "b").audiences(), ["b"]);
}

#[tokio::test]
async fn the_cluster_itself_is_never_an_audience() {
    let scene = Scene::new().await;
    scene.map(&json!({ "audiences": [crate::world::ISSUER] })).await;
    let proof = scene.account(&json!({}));
    let answer = scene.exchange(&proof, &[("audience", crate::world::ISSUER)]).await;
    assert_eq!(answer.status, 400, "{}", String::from_utf8_lossy(&answer.body));
}

#[tokio::test]
async fn who_acts_stands_before_whom_it_acts_for() {
    let scene = Scene::new().await;
    scene.map(&json!({})).await;
    let before = json!({ "act": { "sub": "earlier", "iss": "https://x.example" } });
    let actor = scene.oidc("deployer", &json!({}));
    let acting = [("actor_token", actor.as_str()), ("actor_token_type", JWT)];
    let answer = scene.exchange(&scene.account(&before), &acting).await;
    let token = scene.verified(&answer, "moneyer");
    let expected = json!({
        "sub": "deployer", "iss": "https://ci.example", "act": {
            "sub": super::CLIENT, "iss": CLUSTER, "k8s_uid": "sa-uid",
            "act": { "sub": "earlier", "iss": "https://x.example" },
        },
    });
    assert_eq!(token.claim("act"), Some(&expected));
}

#[tokio::test]
async fn a_client_of_another_issuer_has_that_issuers_name_before_it() {
    let scene = Scene::new().await;
    scene.map(&json!({ "clientIdentifier": "ci/deployer" })).await;
    let answer = scene.exchange(&scene.oidc("deployer", &json!({})), &[]).await;
    assert_eq!(scene.verified(&answer, "moneyer").subject(), "pc1");
    // It chooses its subjects, and still is no service account of the cluster.
    scene.map(&json!({})).await;
    let forged = scene.exchange(&scene.oidc(super::CLIENT, &json!({})), &[]).await;
    assert_eq!(forged.status, 400);
    assert_eq!(read(&forged)["error"], "invalid_target");
}

#[tokio::test]
async fn every_service_account_of_a_namespace_without_a_mapping_of_its_own() {
    let scene = Scene::new().await;
    scene.map(&json!({ "clientIdentifier": "system:serviceaccount:ns1:*" })).await;
    let other = json!({ "sub": "system:serviceaccount:ns1:other", "kubernetes.io": null });
    for proof in [scene.account(&json!({})), scene.account(&other)] {
        assert_eq!(scene.exchange(&proof, &[]).await.status, 200);
    }
    let elsewhere = json!({ "sub": "system:serviceaccount:ns2:sa1", "kubernetes.io": null });
    assert_eq!(scene.exchange(&scene.account(&elsewhere), &[]).await.status, 400);
    scene.map(&json!({ "enabled": false })).await;
    assert_eq!(scene.exchange(&scene.account(&json!({})), &[]).await.status, 400);
}

#[tokio::test]
async fn a_proof_that_is_good_once_is_exchanged_once() {
    let scene = Scene::new().await;
    scene.map(&json!({ "spendOnce": true })).await;
    let proof = scene.account(&json!({}));
    assert_eq!(scene.exchange(&proof, &[]).await.status, 200);
    let again = scene.exchange(&proof, &[]).await;
    assert_eq!((again.status.as_u16(), &read(&again)["error"]), (400, &json!("invalid_request")));
    let another = scene.account(&json!({ "jti": "another" }));
    assert_eq!(scene.exchange(&another, &[]).await.status, 200);
    // Where the mapping does not ask for it, a proof is good until it ends.
    scene.map(&json!({})).await;
    assert_eq!(scene.exchange(&proof, &[]).await.status, 200);
}

#[tokio::test]
async fn a_new_key_of_the_cluster_is_found_by_one_fetch() {
    let scene = Scene::new().await;
    scene.map(&json!({})).await;
    let next = moneyer_testkit::ForeignIssuer::new("cluster.example", "k2");
    let issuers = [&scene.cluster, &next];
    scene.server.say_text(moneyer_testkit::ForeignIssuer::key_set(&issuers));
    let header = json!({ "alg": "ES256", "kid": "k2" }).to_string();
    let claims = json!({
        "iss": CLUSTER, "sub": super::CLIENT, "aud": ["moneyer"], "exp": scene.now().0 + 600,
    });
    let before = scene.server.asked.load(std::sync::atomic::Ordering::SeqCst);
    let answer = scene.exchange(&next.signed(&header, &claims.to_string()), &[]).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let unknown = json!({ "alg": "ES256", "kid": "k3" }).to_string();
    for _ in 0..5 {
        let refused = scene.exchange(&next.signed(&unknown, &claims.to_string()), &[]).await;
        assert_eq!(refused.status, 400);
    }
    let asked = scene.server.asked.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(asked, before + 1, "once in a while");
}

#[tokio::test]
async fn the_public_documents_are_at_the_same_address() {
    let scene = Scene::new().await;
    let address = scene.world.app.addresses().exchange.clone().unwrap();
    for path in ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"] {
        let there = crate::world::ask(&address, Method::GET, path, &[], &[]).await;
        let public = scene.world.public(Method::GET, path, &[]).await;
        assert_eq!((there.status.as_u16(), there.body), (200, public.body), "{path}");
    }
    let health = crate::world::ask(&address, Method::GET, "/health", &[], &[]).await;
    assert_eq!((health.status.as_u16(), health.body.as_slice()), (200, &b"OK"[..]));
    let nothing = crate::world::ask(&address, Method::GET, "/nothing", &[], &[]).await;
    assert_eq!(nothing.status, 404);
    let wrong = crate::world::ask(&address, Method::GET, "/token", &[], &[]).await;
    assert_eq!(wrong.status, 405);
}
