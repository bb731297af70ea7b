//! `/api/v1/issuer` and `/api/v1/keys`, and what holds for every path.

use moneyer_daemon::unix_http::Method;
use serde_json::json;

use crate::world::{World, ask, field, json, problem};

#[tokio::test]
async fn the_issuer_is_told() {
    let world = World::start().await;
    let expected = json!({
        "issuer": "https://id.example.com",
        "since": world.authority().now().0,
        "jwks_uri": "https://id.example.com/.well-known/jwks.json",
        "trust_domain": "id.example.com",
        "organization_id": "acme",
        "publish_before_use_seconds": 24 * 3600,
        "previous": [],
    });
    assert_eq!(json(&world.manage(Method::GET, "/issuer", "").await), expected);
}

#[tokio::test]
async fn keys_are_listed_without_anything_private() {
    let world = World::start().await;
    let keys = json(&world.manage(Method::GET, "/keys", "").await);
    let now = world.authority().now().0;
    let key_id = keys[0]["key_id"].clone();
    let expected = json!([{
        "key_id": key_id, "state": "active", "algorithm": "ES256", "created_at": now,
        "published_at": now, "activated_at": now, "sign_until": now + 33 * 24 * 3600,
        "next": { "step": "prepare", "at": now + 29 * 24 * 3600, "waits_for": "schedule" },
    }]);
    assert_eq!(keys, expected);
    let published = json(&world.public(Method::GET, "/.well-known/jwks.json", &[]).await);
    assert_eq!(published["keys"][0]["kid"], key_id);
}

#[tokio::test]
async fn the_issuer_moves_and_both_are_served_by_host() {
    let world = World::start().await;
    let body = r#"{"issuer":"https://new.example.com/cluster"}"#;
    let moved = json(&world.manage(Method::POST, "/issuer/move", body).await);
    assert_eq!(moved["issuer"], "https://new.example.com/cluster");
    assert_eq!(moved["previous"][0]["issuer"], "https://id.example.com");
    assert_eq!(moved["trust_domain"], "id.example.com", "it stays");
    let discovery = async |host: &'static str, path: &str| {
        let path = format!("{path}/.well-known/openid-configuration");
        world.public_when(&path, &[("host", host)], 200).await
    };
    let new = json(&discovery("new.example.com", "/cluster").await);
    assert_eq!(new["issuer"], "https://new.example.com/cluster");
    assert_eq!(new["jwks_uri"], "https://new.example.com/cluster/.well-known/jwks.json");
    for host in ["id.example.com", "ID.EXAMPLE.com", "id.example.com:443"] {
        let previous = json(&discovery(host, "").await);
        assert_eq!(previous["issuer"], "https://id.example.com", "{host}");
        assert_eq!(previous["jwks_uri"], "https://id.example.com/.well-known/jwks.json");
    }
    for host in ["evil.example", "new.example.com", "id.example.com:8443", "id.example.com.evil"] {
        let fields = [("host", host)];
        let path = "/.well-known/openid-configuration";
        problem(&world.public(Method::GET, path, &fields).await, 404);
    }
    let again = world.manage(Method::POST, "/issuer/move", body).await;
    assert!(problem(&again, 409).contains("is the issuer already"));
    for wrong in [r#"{"issuer":"https://new.example.com/"}"#, r#"{"issuer":"http://a.example"}"#] {
        problem(&world.manage(Method::POST, "/issuer/move", wrong).await, 400);
    }
}

#[tokio::test]
async fn keys_are_commanded_and_a_trial_changes_nothing() {
    let world = World::start().await;
    let command = async |body: &str| world.manage(Method::POST, "/keys", body).await;
    let before = json(&world.manage(Method::GET, "/keys", "").await);
    let trial = json(&command(r#"{"command":"rotate","dry_run":true}"#).await);
    assert_eq!(trial["steps"], json!([{ "step": "request" }]));
    assert_eq!(json(&world.manage(Method::GET, "/keys", "").await), before);
    let nothing = command(r#"{"command":"activate"}"#).await;
    assert!(problem(&nothing, 409).contains("`moneyer key prepare` makes one"));
    assert_eq!(json(&command(r#"{"command":"prepare"}"#).await)["dry_run"], false);
    let keys = json(&world.manage(Method::GET, "/keys", "").await);
    assert_eq!((&keys[1]["state"], &keys[1]["activated_at"]), (&json!("prepared"), &json!(null)));
    let early = command(r#"{"command":"activate","dry_run":true}"#).await;
    problem(&early, 409);
    for wrong in [
        r#"{"command":"retire"}"#,
        r#"{"command":"rotate","key_id":"a"}"#,
        r#"{"command":"delete"}"#,
        r#"{"command":"prune","force":true}"#,
        "{}",
    ] {
        problem(&command(wrong).await, 400);
    }
    problem(&command(r#"{"command":"prune","key_id":"unknown"}"#).await, 404);
}

#[tokio::test]
async fn an_emergency_withdraws_the_key_from_the_served_set() {
    let world = World::start().await;
    let before = json(&world.manage(Method::GET, "/keys", "").await)[0]["key_id"].clone();
    let answer = world.manage(Method::POST, "/keys", r#"{"command":"emergency"}"#).await;
    assert_eq!(json(&answer)["steps"], json!([{ "step": "withdraw", "key_ids": [before] }]));
    let keys = json(&world.manage(Method::GET, "/keys", "").await);
    assert_eq!(keys[0]["state"], "active");
    assert_eq!((&keys[1]["key_id"], &keys[1]["state"]), (&before, &json!("withdrawn")));
    let expected = keys[0]["key_id"].as_str().unwrap().to_owned();
    world.until_served(&[&expected]).await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = World::start().await;
    for (path, allow) in [
        ("/issuer", "GET,HEAD"),
        ("/issuer/move", "POST"),
        ("/keys", "GET,HEAD,POST"),
        ("/keys/import", "POST"),
        ("/apps", "GET,HEAD"),
        ("/apps/web", "DELETE,GET,HEAD,PUT"),
        ("/sandboxes", "GET,HEAD"),
        ("/sandboxes/web-1", "DELETE,GET,HEAD,PUT"),
        ("/sandboxes/web-1/token", "POST"),
        ("/runners", "GET,HEAD,POST"),
        ("/runners/runner-1", "DELETE"),
        ("/controllers", "GET,HEAD,POST"),
        ("/controllers/scheduler", "DELETE"),
    ] {
        let answer = world.manage(Method::PATCH, path, "{}").await;
        problem(&answer, 405);
        let mut methods: Vec<_> = field(&answer, "allow").split(',').collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allow, "{path}");
    }
}

/// Threat C 70: a browser gets nothing that it could show to a page.
#[tokio::test]
async fn no_page_of_another_origin_is_invited() {
    let world = World::start().await;
    let address = &world.app.addresses().management;
    let preflight = [("origin", "https://evil.example"), ("access-control-request-method", "PUT")];
    let answer = ask(address, Method::OPTIONS, "/api/v1/apps/web", &preflight, &[]).await;
    problem(&answer, 405);
    let simple = [("origin", "https://evil.example"), ("content-type", "text/plain")];
    let answer = ask(address, Method::PUT, "/api/v1/apps/web", &simple, b"{}").await;
    problem(&answer, 400);
    for name in ["access-control-allow-origin", "access-control-allow-methods"] {
        assert_eq!(field(&answer, name), "");
    }
}

/// The listener's limit of 16 MiB, answered by the listener.
#[tokio::test]
async fn a_body_is_16_mib_at_most() {
    const LIMIT: usize = 16 * 1024 * 1024;
    let world = World::start().await;
    let body = |bytes: usize| format!("{}{{}}", " ".repeat(bytes - 2));
    assert_eq!(world.manage(Method::PUT, "/apps/web", &body(LIMIT)).await.status, 200);
    let answer = world.manage(Method::PUT, "/apps/web", &body(LIMIT + 1)).await;
    assert_eq!(answer.status, 413);
}
