//! `/api/v1/mappings` and `/api/v1/scopes`: Jwtlet's paths, JSON and status codes, and what is new beside them.

use moneyer_daemon::unix_http::{Answer, Method};
use serde_json::{Value, json};

use crate::world::{World, ask, field, json as read, problem};

const ONE: &str = "/mappings/system%3Aserviceaccount%3Ans%3Aone/pc1";

fn mapping(client: &str, context: &str) -> Value {
    json!({
        "clientIdentifier": client, "participantContext": context, "scopes": ["read"],
        "audiences": [],
    })
}

fn one() -> Value {
    mapping("system:serviceaccount:ns:one", "pc1")
}

async fn status(world: &World, method: Method, path: &str, body: &Value) -> u16 {
    world.manage(method, path, &body.to_string()).await.status.as_u16()
}

#[tokio::test]
async fn a_mapping_goes_through_its_life_by_the_codes_of_jwtlet() {
    let world = World::start().await;
    assert_eq!(status(&world, Method::PUT, ONE, &one()).await, 404);
    assert_eq!(status(&world, Method::POST, "/mappings", &one()).await, 201);
    assert_eq!(status(&world, Method::POST, "/mappings", &one()).await, 409);
    let other = mapping("system:serviceaccount:ns:two", "pc1");
    assert_eq!(status(&world, Method::PUT, ONE, &other).await, 400);
    let mut changed = one();
    changed["scopes"] = json!(["read", "write"]);
    assert_eq!(status(&world, Method::PUT, ONE, &changed).await, 204);
    let listed = read(&world.manage(Method::GET, "/mappings", "").await);
    assert_eq!(listed[0]["scopes"], json!(["read", "write"]));
    assert_eq!(status(&world, Method::DELETE, ONE, &json!({})).await, 204);
    assert_eq!(status(&world, Method::DELETE, ONE, &json!({})).await, 204);
    assert_eq!(read(&world.manage(Method::GET, "/mappings", "").await), json!([]));
}

#[tokio::test]
async fn every_mapping_of_a_client_is_removed_at_once() {
    let world = World::start().await;
    let all = json!([one(), mapping("system:serviceaccount:ns:one", "pc2"), mapping("x", "pc1")]);
    assert_eq!(status(&world, Method::POST, "/mappings", &all).await, 201);
    let path = "/mappings/system%3Aserviceaccount%3Ans%3Aone";
    assert_eq!(status(&world, Method::DELETE, path, &json!({})).await, 204);
    let listed = read(&world.manage(Method::GET, "/mappings", "").await);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(listed[0]["clientIdentifier"], "x");
}

#[tokio::test]
async fn a_scope_goes_through_its_life_by_the_codes_of_jwtlet() {
    let world = World::start().await;
    let scope = json!({ "scope": "read", "claims": { "roles": ["reader"] } });
    assert_eq!(status(&world, Method::PUT, "/scopes/read", &scope).await, 404);
    assert_eq!(status(&world, Method::POST, "/scopes", &scope).await, 201);
    assert_eq!(status(&world, Method::POST, "/scopes", &scope).await, 409);
    assert_eq!(status(&world, Method::PUT, "/scopes/other", &scope).await, 400);
    assert_eq!(status(&world, Method::PUT, "/scopes/read", &scope).await, 204);
    assert_eq!(read(&world.manage(Method::GET, "/scopes", "").await), json!([scope]));
    assert_eq!(status(&world, Method::DELETE, "/scopes/read", &json!({})).await, 204);
    assert_eq!(status(&world, Method::DELETE, "/scopes/read", &json!({})).await, 204);
}

#[tokio::test]
async fn what_the_coordinator_says_is_no_claim_of_a_scope() {
    let world = World::start().await;
    for name in moneyer_authority::exchange::RESERVED_CLAIMS {
        let scope = json!({ "scope": "read", "claims": { name: "forged" } });
        let answer = world.manage(Method::POST, "/scopes", &scope.to_string()).await;
        assert!(problem(&answer, 400).contains(name), "{name}");
    }
}

#[tokio::test]
async fn one_that_is_read_has_a_revision_and_a_change_may_name_it() {
    let world = World::start().await;
    assert_eq!(status(&world, Method::POST, "/mappings", &one()).await, 201);
    let tag = |answer: &Answer| field(answer, "etag").to_owned();
    let first = tag(&world.manage(Method::GET, ONE, "").await);
    let change = async |tag: &str, scopes: Value| {
        let mut changed = one();
        changed["scopes"] = scopes;
        let fields = [("content-type", "application/json"), ("if-match", tag)];
        let address = world.app.addresses().management.clone();
        let path = format!("/api/v1{ONE}");
        let body = changed.to_string();
        ask(&address, Method::PUT, &path, &fields, body.as_bytes()).await.status.as_u16()
    };
    assert_eq!(change(&first, json!(["a"])).await, 204);
    assert_eq!(change(&first, json!(["b"])).await, 409);
    assert_eq!(change("*", json!(["c"])).await, 204);
    assert_eq!(change("\"x\"", json!(["d"])).await, 400);
    let second = world.manage(Method::GET, ONE, "").await;
    assert_ne!(tag(&second), first);
    assert_eq!(read(&second)["scopes"], json!(["c"]));
}

#[tokio::test]
async fn several_are_written_together_or_not_at_all_and_the_wrong_one_is_named() {
    let world = World::start().await;
    for (wrong, named) in [
        (json!({ "clientIdentifier": "a b", "participantContext": "x", "scopes": [] }), "entry 1"),
        (json!({ "clientIdentifier": "a", "participantContext": "x", "scope": [] }), "entry 1"),
        (one(), "stands twice"),
        (
            json!({ "clientIdentifier": "a", "participantContext": "pc9", "scopes": [], "tokenLifetime": 1 }),
            "pc9",
        ),
    ] {
        let body = json!([one(), wrong]).to_string();
        let answer = world.manage(Method::PUT, "/mappings", &body).await;
        assert!(problem(&answer, 400).contains(named), "{named}");
    }
    assert_eq!(read(&world.manage(Method::GET, "/mappings", "").await), json!([]));
}

#[tokio::test]
async fn ten_thousand_are_imported_at_once_and_come_in_pages() {
    let world = World::start().await;
    let client = |at: usize| format!("system:serviceaccount:ns:sa-{at:05}");
    let all: Vec<_> = (0..10_000).map(|at| mapping(&client(at), "pc1")).collect();
    let answer = world.manage(Method::PUT, "/mappings", &json!(all).to_string()).await;
    assert_eq!(answer.status, 204, "{}", String::from_utf8_lossy(&answer.body));
    let (mut path, mut seen) = ("/mappings?limit=3000".to_owned(), Vec::new());
    loop {
        let page = world.manage(Method::GET, &path, "").await;
        let mappings = read(&page);
        let names = mappings.as_array().unwrap().iter();
        seen.extend(names.map(|one| one["clientIdentifier"].as_str().unwrap().to_owned()));
        let link = field(&page, "link");
        let Some(next) = link.strip_prefix("</api/v1").and_then(|link| link.split_once('>')) else {
            break;
        };
        next.0.clone_into(&mut path);
    }
    assert_eq!(seen, (0..10_000).map(client).collect::<Vec<_>>());
    let filtered = format!("/mappings?clientIdentifier={}", client(7).replace(':', "%3A"));
    assert_eq!(read(&world.manage(Method::GET, &filtered, "").await).as_array().unwrap().len(), 1);
    // A single wrong one refuses all of them.
    let mut wrong: Vec<_> = (0..10_000).map(|at| mapping(&client(at), "pc2")).collect();
    wrong[7777]["participantContext"] = json!("spiffe://a/b");
    let answer = world.manage(Method::PUT, "/mappings", &json!(wrong).to_string()).await;
    assert!(problem(&answer, 400).contains("entry 7777"));
}

#[tokio::test]
async fn a_page_has_a_length() {
    let world = World::start().await;
    for (limit, expected) in [(0, 400), (1, 200), (10_000, 200), (10_001, 400)] {
        let answer = world.manage(Method::GET, &format!("/mappings?limit={limit}"), "").await;
        assert_eq!(answer.status, expected, "{limit}");
    }
}

#[tokio::test]
async fn a_decision_says_which_mapping_decided_and_why() {
    let world = World::start().await;
    let every = mapping("system:serviceaccount:ns:*", "pc1");
    assert_eq!(status(&world, Method::POST, "/mappings", &every).await, 201);
    let ask = async |scope: &str, context: &str| {
        let question = json!({
            "clientIdentifier": "system:serviceaccount:ns:one", "participantContext": context,
            "scopes": [scope],
        });
        read(&world.manage(Method::POST, "/mapping-decision", &question.to_string()).await)
    };
    let granted = ask("read", "pc1").await;
    assert_eq!(granted["granted"], true);
    assert_eq!(granted["mapping"]["clientIdentifier"], "system:serviceaccount:ns:*");
    assert_eq!(granted["audiences"], json!(["moneyer"]));
    let refused = ask("write", "pc1").await;
    assert_eq!(refused["granted"], false);
    assert_eq!(refused["reason"], "the scope write is not one of the mapping's");
    let nobody = ask("read", "pc2").await;
    assert_eq!(nobody["mapping"], Value::Null);
}

#[tokio::test]
async fn mappings_and_scopes_are_there_after_a_start() {
    let world = World::start().await;
    assert_eq!(status(&world, Method::POST, "/mappings", &one()).await, 201);
    let scope = json!({ "scope": "read", "claims": {}, "participantContext": "pc1" });
    assert_eq!(status(&world, Method::POST, "/scopes", &scope).await, 201);
    let World { app, clock, directory } = world;
    app.stop().await;
    let world = World::start_in(directory, clock, &[]).await;
    let listed = read(&world.manage(Method::GET, "/mappings", "").await);
    assert_eq!(listed[0]["participantContext"], "pc1");
    assert_eq!(read(&world.manage(Method::GET, "/scopes", "").await), json!([scope]));
}
