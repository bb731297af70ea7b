//! `/api/v1/profiles` and `/api/v1/providers`.

use moneyer_daemon::unix_http::{Answer, Method};
use serde_json::{Value, json};

use crate::world::{World, ask, field, json, problem};

fn profile(host: &str) -> Value {
    json!({
        "id": "demo",
        "credentials": [
            { "name": "user", "required": true },
            { "name": "token", "token_grant": {
                "grant_type": "token_exchange",
                "token_endpoint": "https://idp.example/token",
                "subject_token": { "source": "provider_credential", "credential": "user" },
            } },
        ],
        "endpoints": [{ "host": host, "port": 443, "protocol": "rest", "access": "full" }],
        "binaries": ["/usr/bin/curl"],
    })
}

async fn manage(world: &World, method: Method, path: &str, body: &Value) -> Answer {
    world.manage(method, path, &body.to_string()).await
}

/// A change of one revision.
async fn change(world: &World, method: Method, (path, tag): (&str, &str), body: &Value) -> Answer {
    let path = format!("/api/v1{path}");
    let fields = [("content-type", "application/json"), ("if-match", tag)];
    let body = body.to_string();
    ask(&world.app.addresses().management, method, &path, &fields, body.as_bytes()).await
}

#[tokio::test]
async fn a_profile_is_put_shown_listed_and_removed() {
    let world = World::start().await;
    assert_eq!(json(&world.manage(Method::GET, "/profiles", "").await), json!([]));
    let put = manage(&world, Method::PUT, "/profiles/demo", &profile("api.example")).await;
    assert_eq!(put.status, 200);
    let first = field(&put, "etag").to_owned();
    let row = json!({
        "id": "demo", "display_name": "", "endpoints": ["api.example:443"],
        "credentials": [
            { "name": "user", "required": true, "subject_token": true },
            { "name": "token", "required": false, "grant_type": "token_exchange", "subject_token": false },
        ],
    });
    let view = json(&put);
    assert_eq!(view["document"], profile("api.example"));
    assert_eq!(view["warnings"][0]["field"], "binaries");
    assert_eq!(json(&world.manage(Method::GET, "/profiles", "").await), json!([row]));
    let shown = world.manage(Method::GET, "/profiles/demo", "").await;
    assert_eq!((field(&shown, "etag"), json(&shown)), (first.as_str(), view));

    let at = ("/profiles/demo", first.as_str());
    let changed = change(&world, Method::PUT, at, &profile("b.example")).await;
    assert_eq!(changed.status, 200);
    assert_ne!(field(&changed, "etag"), first);
    problem(&change(&world, Method::PUT, at, &profile("c.example")).await, 409);
    problem(&change(&world, Method::DELETE, at, &json!(null)).await, 409);
    problem(&manage(&world, Method::PUT, "/profiles/other", &profile("a.example")).await, 400);
    assert_eq!(world.manage(Method::DELETE, "/profiles/demo", "").await.status, 204);
    problem(&world.manage(Method::GET, "/profiles/demo", "").await, 404);
    problem(&world.manage(Method::DELETE, "/profiles/demo", "").await, 404);
}

#[tokio::test]
async fn all_that_is_wrong_with_a_profile_is_told_at_once() {
    let world = World::start().await;
    let mut document = profile("a..b");
    document["credentials"][1]["token_grant"]["token_endpoint"] = json!("http://idp.example/token");
    document["surprise"] = json!(1);
    let told = problem(&manage(&world, Method::PUT, "/profiles/demo", &document).await, 400);
    for field in ["surprise", "endpoints[0].host", "credentials[1].token_grant.token_endpoint"] {
        assert!(told.contains(field), "{field}: {told}");
    }
}

#[tokio::test]
async fn a_provider_is_made_attached_and_removed_and_never_shows_what_it_holds() {
    let world = World::start().await;
    world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    manage(&world, Method::PUT, "/profiles/demo", &profile("api.example")).await;
    let of_user = json!({ "user": { "value": "canary", "expires_at": 4_000_000_000_i64 } });
    let body = json!({ "name": "p", "profile": "demo", "credentials": of_user });
    let made = manage(&world, Method::POST, "/providers", &body).await;
    assert_eq!(made.status, 201);
    let tag = field(&made, "etag").to_owned();
    let now = world.authority().now().0;
    let held = json!({
        "name": "user", "expires_at": 4_000_000_000_i64, "renewed": false, "stored_at": now,
        "for_endpoints": ["https://idp.example/token"],
    });
    let view = |apps: Value, sandboxes: Value| {
        let (name, profile) = ("p", "demo");
        json!({ "name": name, "profile": profile, "credentials": [held], "apps": apps, "sandboxes": sandboxes })
    };
    assert_eq!(json(&made), view(json!([]), json!([])));
    problem(&manage(&world, Method::POST, "/providers", &body).await, 409);
    let without = json!({ "name": "q", "profile": "demo", "runtime_credentials": true });
    problem(&manage(&world, Method::POST, "/providers", &without).await, 400);
    let of_none = json!({ "name": "q", "profile": "none", "runtime_credentials": true });
    problem(&manage(&world, Method::POST, "/providers", &of_none).await, 404);

    let attach =
        async |place: &str| world.manage(Method::PUT, &format!("/providers/p{place}"), "").await;
    assert_eq!(json(&attach("/apps/web").await), view(json!(["web"]), json!([])));
    assert_eq!(json(&attach("/sandboxes/web-1").await), view(json!(["web"]), json!(["web-1"])));
    problem(&attach("/apps/none").await, 404);
    problem(&attach("/sandboxes/none").await, 404);
    let detach =
        async |place: &str| world.manage(Method::DELETE, &format!("/providers/p{place}"), "").await;
    assert_eq!(detach("/apps/web").await.status, 204);
    problem(&detach("/apps/web").await, 404);

    let other = json!({ "credentials": { "user": { "value": "another-canary" } } });
    let at = ("/providers/p/credentials", tag.as_str());
    problem(&change(&world, Method::PUT, at, &other).await, 409);
    let updated = manage(&world, Method::PUT, "/providers/p/credentials", &other).await;
    assert_eq!(json(&updated)["credentials"][0].get("expires_at"), None);
    let shown = world.manage(Method::GET, "/providers/p", "").await;
    assert_eq!(json(&shown), json(&updated));
    for answer in [&made, &updated, &shown, &world.manage(Method::GET, "/providers", "").await] {
        assert!(!String::from_utf8_lossy(&answer.body).contains("canary"));
    }
    problem(&world.manage(Method::DELETE, "/profiles/demo", "").await, 409);
    problem(&change(&world, Method::DELETE, ("/providers/p", &tag), &json!(null)).await, 409);
    assert_eq!(world.manage(Method::DELETE, "/providers/p", "").await.status, 204);
    problem(&world.manage(Method::GET, "/providers/p", "").await, 404);
}

#[tokio::test]
async fn a_stored_credential_lies_sealed() {
    let world = World::start().await;
    manage(&world, Method::PUT, "/profiles/demo", &profile("api.example")).await;
    let of_user = json!({ "user": { "value": "canary-canary-canary" } });
    let body = json!({ "name": "p", "profile": "demo", "credentials": of_user });
    assert_eq!(manage(&world, Method::POST, "/providers", &body).await.status, 201);
    let mut folders = vec![world.directory.path().to_owned()];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                let found = bytes.windows(6).any(|bytes| bytes == b"canary");
                assert!(!found, "{}", path.display());
                looked_at += bytes.len();
            }
        }
    }
    assert!(looked_at > 10_000, "the store was not found");
}
