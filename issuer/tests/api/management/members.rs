//! `/api/v1/runners` and `/api/v1/controllers`.

use moneyer_daemon::unix_http::Method;
use moneyer_proto::v1;
use serde_json::json;
use tonic::Code;

use crate::member::Key;
use crate::world::{World, json, problem};

#[tokio::test]
async fn a_runner_is_invited_joins_is_listed_and_removed() {
    let world = World::start().await;
    let invited = world.manage(Method::POST, "/runners", r#"{"name":"runner-1"}"#).await;
    assert_eq!(invited.status, 201);
    let invitation = json(&invited);
    assert_eq!(invitation["name"], "runner-1");
    assert_eq!(invitation["expires_at"], world.authority().now().0 + 3600);
    let list = async || json(&world.manage(Method::GET, "/runners", "").await);
    assert_eq!(list().await, json!([]), "nobody has joined");

    let token = invitation["join_token"].as_str().unwrap().to_owned();
    let request = v1::JoinRequest { token, csr: Key::generate().request };
    world.joining().await.join(request).await.unwrap();
    world.place("web-1", "runner-1").await;
    let now = world.authority().now().0;
    let listed = json!([{
        "name": "runner-1", "joined_at": now, "certificate_ends_at": now + 24 * 3600, "sandboxes": 1,
    }]);
    assert_eq!(list().await, listed);
    assert_eq!(json(&world.manage(Method::GET, "/controllers", "").await), json!([]));
    assert_eq!(world.manage(Method::DELETE, "/runners/runner-1", "").await.status, 204);
    assert_eq!(list().await, json!([]));
    assert_eq!(world.manage(Method::DELETE, "/runners/runner-1", "").await.status, 204);
}

#[tokio::test]
async fn a_controller_is_invited_joins_and_is_removed() {
    let world = World::start().await;
    let body = r#"{"name":"scheduler","lifetime_seconds":60}"#;
    let invitation = json(&world.manage(Method::POST, "/controllers", body).await);
    assert_eq!(invitation["expires_at"], world.authority().now().0 + 60);
    let member = world.join_controller("scheduler").await;
    let listed = json(&world.manage(Method::GET, "/controllers", "").await);
    assert_eq!(listed[0]["name"], "scheduler");
    let list = v1::ListSandboxesRequest::default();
    member.placement().list_sandboxes(list.clone()).await.unwrap();
    assert_eq!(world.manage(Method::DELETE, "/controllers/scheduler", "").await.status, 204);
    let refused = member.placement().list_sandboxes(list).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn an_invitation_must_be_sound() {
    let world = World::start().await;
    for kind in ["/runners", "/controllers"] {
        for body in [
            "",
            "{}",
            r#"{"name":""}"#,
            r#"{"name":"a/b"}"#,
            r#"{"name":"a:b"}"#,
            r#"{"name":"a","lifetime_seconds":0}"#,
            r#"{"name":"a","lifetime_seconds":604801}"#,
            r#"{"name":"a","lifetime":"1h"}"#,
        ] {
            problem(&world.manage(Method::POST, kind, body).await, 400);
        }
        for path in ["a%2Fb", "a:b", "%2e%2e", "a%00"] {
            problem(&world.manage(Method::DELETE, &format!("{kind}/{path}"), "").await, 400);
        }
        let longest = r#"{"name":"a","lifetime_seconds":604800}"#;
        assert_eq!(world.manage(Method::POST, kind, longest).await.status, 201);
    }
}
