//! `/api/v1/apps`.

use moneyer_daemon::unix_http::Method;
use serde_json::json;

use crate::world::{World, json, problem};

#[tokio::test]
async fn an_app_is_put_shown_listed_and_removed() {
    let world = World::start().await;
    assert_eq!(json(&world.manage(Method::GET, "/apps", "").await), json!([]));
    let put = world.manage(Method::PUT, "/apps/web", r#"{"audiences":["a","b"]}"#).await;
    assert_eq!(put.status, 200);
    let app = json(&put);
    assert_eq!(app["uid"].as_str().unwrap().len(), 32);
    let now = world.authority().now().0;
    let expected = json!({
        "name": "web", "uid": app["uid"], "audiences": ["a", "b"],
        "created_at": now, "sandboxes": 0,
    });
    assert_eq!(app, expected);
    assert_eq!(json(&world.manage(Method::GET, "/apps/web", "").await), expected);
    assert_eq!(json(&world.manage(Method::GET, "/apps", "").await), json!([expected]));

    let changed = json(&world.manage(Method::PUT, "/apps/web", "{}").await);
    assert_eq!((&changed["uid"], &changed["audiences"]), (&app["uid"], &json!([])));
    let removed = world.manage(Method::DELETE, "/apps/web", "").await;
    assert_eq!((removed.status.as_u16(), removed.body.as_slice()), (204, b"".as_slice()));
    problem(&world.manage(Method::GET, "/apps/web", "").await, 404);
    assert_eq!(world.manage(Method::DELETE, "/apps/web", "").await.status, 204);
    let anew = json(&world.manage(Method::PUT, "/apps/web", "{}").await);
    assert_ne!(anew["uid"], app["uid"], "another app under the same name");
}

#[tokio::test]
async fn who_its_sandboxes_are_at_the_clouds_is_said_with_it_and_taken_back() {
    let world = World::start().await;
    let accounts = json!({
        "aws_role": "arn:aws:iam::123456789012:role/deploy",
        "azure_client_id": "0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d",
        "azure_tenant_id": "0b1f2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5e",
        "google_service_account": "deploy@my-project.iam.gserviceaccount.com",
    });
    let body = json!({ "accounts": accounts }).to_string();
    let put = json(&world.manage(Method::PUT, "/apps/web", &body).await);
    assert_eq!(put["accounts"], accounts);
    let without = json(&world.manage(Method::PUT, "/apps/web", "{}").await);
    assert_eq!((without.get("accounts"), &without["uid"]), (None, &put["uid"]));
    for refused in [
        json!({ "aws_role": "deploy" }),
        json!({ "azure_client_id": "x" }),
        json!({ "google_service_account": "deploy@example.com" }),
        json!({ "gcp": "x" }),
    ] {
        let body = json!({ "accounts": refused }).to_string();
        problem(&world.manage(Method::PUT, "/apps/web", &body).await, 400);
    }
}

#[tokio::test]
async fn an_app_in_use_is_not_removed() {
    let world = World::start().await;
    world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let refused = world.manage(Method::DELETE, "/apps/web", "").await;
    let told = problem(&refused, 409);
    assert_eq!(told, "the app web is still in use by its sandboxes (1); remove them first");
    assert_eq!(json(&world.manage(Method::GET, "/apps/web", "").await)["sandboxes"], 1);
}

#[tokio::test]
async fn what_is_not_an_apps_body_is_refused() {
    let world = World::start().await;
    for body in [
        "",
        "null",
        "{",
        r#"{"audience":["a"]}"#,
        r#"{"audiences":["a"],"uid":"x"}"#,
        r#"{"audiences":"a"}"#,
        r#"{"audiences":["two words"]}"#,
        r#"{"audiences":[""]}"#,
        r#"{"audiences":["a"],"audiences":["b"]}"#,
        r#"{"audiences":[]} trailing"#,
    ] {
        problem(&world.manage(Method::PUT, "/apps/web", body).await, 400);
    }
    assert_eq!(json(&world.manage(Method::GET, "/apps", "").await), json!([]));
}

/// Threat C 61: an id in a path is that id or nothing.
#[tokio::test]
async fn a_path_names_one_app_or_none() {
    let world = World::start().await;
    world.put_app("web").await;
    for (path, status) in [
        ("/apps/we%2Fb", 400),
        ("/apps/%2e%2e", 400),
        ("/apps/web%00", 400),
        ("/apps/web%20", 400),
        ("/apps/a:b", 400),
        ("/apps/%ff", 400),
        ("/apps/web/", 404),
        ("/apps//web", 404),
        ("/apps/../keys", 404),
        ("/apps/web/uid", 404),
        ("/apps/WEB", 404),
        ("/nothing", 404),
    ] {
        problem(&world.manage(Method::GET, path, "").await, status);
    }
    // An escaped letter is the letter it stands for.
    assert_eq!(world.manage(Method::GET, "/apps/w%65b", "").await.status, 200);
}
