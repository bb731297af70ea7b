//! `/api/v1/sandboxes`.

use moneyer_daemon::unix_http::Method;
use serde_json::json;

use crate::world::{World, field, json, problem};

const BODY: &str = r#"{"app":"web","runner":"runner-1","role":"reader"}"#;

async fn world() -> World {
    let world = World::start().await;
    world.join("runner-1").await;
    world.put_app("web").await;
    world
}

#[tokio::test]
async fn a_sandbox_is_put_shown_and_removed() {
    let world = world().await;
    let put = world.manage(Method::PUT, "/sandboxes/web-1", BODY).await;
    assert_eq!(put.status, 200);
    let expected = json!({
        "id": "web-1", "app": "web", "runner": "runner-1", "role": "reader",
        "placed_at": world.authority().now().0,
    });
    assert_eq!(json(&put), expected);
    assert_eq!(json(&world.manage(Method::GET, "/sandboxes/web-1", "").await), expected);
    assert_eq!(world.manage(Method::DELETE, "/sandboxes/web-1", "").await.status, 204);
    problem(&world.manage(Method::GET, "/sandboxes/web-1", "").await, 404);
    assert_eq!(world.manage(Method::DELETE, "/sandboxes/web-1", "").await.status, 204);
}

#[tokio::test]
async fn what_a_sandbox_needs_must_be_there() {
    let world = world().await;
    let put = async |body| world.manage(Method::PUT, "/sandboxes/web-1", body).await;
    let no_app = problem(&put(r#"{"app":"other","runner":"runner-1"}"#).await, 404);
    assert_eq!(no_app, "no such app: other; put it first");
    let no_runner = problem(&put(r#"{"app":"web","runner":"runner-9"}"#).await, 404);
    assert_eq!(no_runner, "no such runner: runner-9; invite it and let it join first");
    for body in [
        "",
        "{}",
        r#"{"app":"web"}"#,
        r#"{"app":"web","runner":"runner-1","placed_at":0}"#,
        r#"{"app":"web","runner":"runner-1","id":"web-2"}"#,
        r#"{"app":"web","runner":"run:ner"}"#,
        r#"{"app":"web","runner":"runner-1","role":""}"#,
    ] {
        problem(&put(body).await, 400);
    }
    problem(&world.manage(Method::PUT, "/sandboxes/a:b", BODY).await, 400);
    problem(&world.manage(Method::GET, "/sandboxes/web-1", "").await, 404);
}

#[tokio::test]
async fn sandboxes_are_listed_a_page_at_a_time() {
    let world = world().await;
    for n in 0..3 {
        world.manage(Method::PUT, &format!("/sandboxes/web-{n}"), BODY).await;
    }
    let list = async |query: &str| {
        let page = json(&world.manage(Method::GET, &format!("/sandboxes{query}"), "").await);
        let ids = page["sandboxes"].as_array().unwrap().iter();
        let ids: Vec<_> = ids.map(|sandbox| sandbox["id"].as_str().unwrap().to_owned()).collect();
        (ids.join(" "), page["next"].clone())
    };
    let all = "web-0 web-1 web-2".to_owned();
    assert_eq!(list("").await, (all.clone(), json!(null)));
    assert_eq!(list("?limit=2").await, ("web-0 web-1".to_owned(), json!("web-1")));
    assert_eq!(list("?limit=2&after=web-1").await, ("web-2".to_owned(), json!(null)));
    assert_eq!(list("?app=web&runner=runner-1").await, (all, json!(null)));
    assert_eq!(list("?app=none").await, (String::new(), json!(null)));
    assert_eq!(list("?runner=runner-9").await, (String::new(), json!(null)));
    for query in [
        "?limit=10001",
        "?limit=-1",
        "?limit=1000000000000000000000",
        "?limit=x",
        "?after=..%2F",
        "?app=a:b",
        "?page=2",
        "?limit=1&limit=2",
    ] {
        problem(&world.manage(Method::GET, &format!("/sandboxes{query}"), "").await, 400);
    }
}

#[tokio::test]
async fn an_operator_mints_for_any_sandbox() {
    let world = world().await;
    world.manage(Method::PUT, "/sandboxes/web-1", BODY).await;
    let mint = async |body| world.manage(Method::POST, "/sandboxes/web-1/token", body).await;
    let minted = mint(r#"{"audiences":["https://rp.example"],"lifetime_seconds":60}"#).await;
    assert_eq!(minted.status, 200);
    let minted = json(&minted);
    assert_eq!(minted["expires_in_seconds"], 60);
    assert_eq!(minted["expires_at"], world.authority().now().0 + 60);
    assert_eq!(minted["token"].as_str().unwrap().split('.').count(), 3);
    let unasked = json(&mint("{}").await);
    assert_eq!(unasked["expires_in_seconds"], 3600);
    assert_ne!(unasked["token_id"], minted["token_id"]);
    for body in [
        r#"{"audiences":["a","a"]}"#,
        r#"{"audiences":["moneyer","a"]}"#,
        r#"{"audiences":["1","2","3","4","5"]}"#,
        r#"{"lifetime_seconds":59}"#,
        r#"{"lifetime_seconds":-1}"#,
        r#"{"lifetime_seconds":1e3}"#,
        r#"{"sub":"org:acme:app:admin"}"#,
        r#"{"claims":{"iss":"x"}}"#,
    ] {
        problem(&mint(body).await, 400);
    }
    problem(&mint(r#"{"audiences":["https://id.example.com"]}"#).await, 403);
    problem(&world.manage(Method::POST, "/sandboxes/web-9/token", "{}").await, 404);
    let read = world.manage(Method::GET, "/sandboxes/web-1/token", "").await;
    problem(&read, 405);
    assert_eq!(field(&read, "allow"), "POST");
}
