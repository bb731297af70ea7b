//! `/api/v1/issuer` and `/api/v1/keys`, and what holds for every path.

use moneyer_daemon::unix_http::Method;
use serde_json::json;

use crate::world::{World, ask, field, json, problem};

#[tokio::test]
async fn the_issuer_is_told() {
    let world = World::start().await;
    let expected = json!({
        "issuer": "https://id.example.com",
        "jwks_uri": "https://id.example.com/.well-known/jwks.json",
        "trust_domain": "id.example.com",
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
        "published_at": now, "activated_at": now, "sign_until": null,
    }]);
    assert_eq!(keys, expected);
    let published = json(&world.public(Method::GET, "/.well-known/jwks.json", &[]).await);
    assert_eq!(published["keys"][0]["kid"], key_id);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let world = World::start().await;
    for (path, allow) in [
        ("/issuer", "GET,HEAD"),
        ("/keys", "GET,HEAD"),
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

/// The listener's limit of 64 KiB, answered by the listener.
#[tokio::test]
async fn a_body_is_64_kib_at_most() {
    let world = World::start().await;
    let body = |bytes: usize| format!("{}{{}}", " ".repeat(bytes - 2));
    assert_eq!(world.manage(Method::PUT, "/apps/web", &body(64 * 1024)).await.status, 200);
    let answer = world.manage(Method::PUT, "/apps/web", &body(64 * 1024 + 1)).await;
    assert_eq!(answer.status, 413);
}
