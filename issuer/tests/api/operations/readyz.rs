//! `GET /readyz`. That it says so when the daemon goes down is tried beside its code: the listener
//! closes at that moment too.

use moneyer_daemon::unix_http::Method;
use serde_json::json;

use crate::world::{World, field, json};

#[tokio::test]
async fn each_dependency_is_named() {
    let world = World::start().await;
    let answer = world.operations(Method::GET, "/readyz").await;
    assert_eq!(answer.status, 200);
    assert_eq!(field(&answer, "cache-control"), "no-store");
    let named = [
        ("store", false),
        ("store_generation", true),
        ("audit", true),
        ("signing_key", true),
        ("clock", true),
    ];
    let checks = named.map(|(name, needed)| json!({ "name": name, "ok": true, "needed": needed }));
    assert_eq!(json(&answer), json!({ "ready": true, "state": "ready", "checks": checks }));
}
