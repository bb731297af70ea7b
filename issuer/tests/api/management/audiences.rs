//! `/api/v1/audiences`.

use moneyer_daemon::unix_http::Method;
use serde_json::{Value, json};

use crate::world::{World, json, problem};

const POOL: &str =
    "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/m";

fn names(listed: &Value) -> Vec<&str> {
    let listed = listed.as_array().unwrap().iter();
    listed.map(|audience| audience["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_profile_is_put_shown_listed_checked_and_removed() {
    let world = World::start().await;
    world.put_app("web").await;
    assert_eq!(names(&json(&world.manage(Method::GET, "/audiences", "").await)), ["aws", "vault"]);
    let body = json!({ "preset": "gcp", "value": POOL, "default_lifetime_seconds": 900 });
    let put = world.manage(Method::PUT, "/audiences/gcp", &body.to_string()).await;
    assert_eq!(put.status, 200);
    let expected = json!({
        "name": "gcp", "preset": "gcp", "value": POOL, "subject": "app",
        "default_lifetime_seconds": 900, "maximum_lifetime_seconds": 86_400,
        "named_by": "operator",
    });
    assert_eq!(json(&put), expected);
    assert_eq!(json(&world.manage(Method::GET, "/audiences/gcp", "").await), expected);
    let listed = json(&world.manage(Method::GET, "/audiences", "").await);
    assert_eq!(names(&listed), ["aws", "vault", "gcp"]);
    let checked = json(&world.manage(Method::GET, "/audiences/gcp/check", "").await);
    let apps = json!([{ "app": "web", "subject": "org:acme:app:web" }]);
    assert_eq!(checked, json!({ "audience": expected, "apps": apps }));

    let removed = world.manage(Method::DELETE, "/audiences/gcp", "").await;
    assert_eq!((removed.status.as_u16(), removed.body.as_slice()), (204, b"".as_slice()));
    for (method, path) in [
        (Method::GET, "/audiences/gcp"),
        (Method::GET, "/audiences/gcp/check"),
        (Method::DELETE, "/audiences/gcp"),
    ] {
        problem(&world.manage(method, path, "").await, 404);
    }
}

#[tokio::test]
async fn claims_for_aws_are_said_and_shown() {
    let world = World::start().await;
    world.manage(Method::PUT, "/audiences/other", r#"{"value":"x"}"#).await;
    let role = "arn:aws-cn:iam::123456789012:role/deploy";
    let extras = json!({ "roles": [role], "tags": ["app"], "source_identity": "app" });
    let body = json!({ "preset": "aws", "value": "sts.amazonaws.com.cn", "aws": extras });
    let put = json(&world.manage(Method::PUT, "/audiences/other", &body.to_string()).await);
    assert_eq!((&put["aws"], &put["value"]), (&extras, &json!("sts.amazonaws.com.cn")));
    for refused in [
        json!({ "value": "x", "aws": extras }),
        json!({ "preset": "aws", "aws": { "roles": ["arn:aws:iam::123456789012:role/*"] } }),
        json!({ "preset": "aws", "aws": { "tags": ["sub"] } }),
        json!({ "preset": "aws", "aws": { "role": [] } }),
    ] {
        problem(&world.manage(Method::PUT, "/audiences/other", &refused.to_string()).await, 400);
    }
}

#[tokio::test]
async fn what_is_no_profile_is_refused_and_why_is_told() {
    let world = World::start().await;
    for (path, body, status, told) in [
        ("gcp", json!({ "preset": "gcp" }), 400, "value is needed"),
        ("bare", json!({}), 400, "value is needed"),
        ("azure", json!({ "preset": "azure", "default_lifetime_seconds": 900 }), 400, "azure"),
        ("aws", json!({ "preset": "aws" }), 409, "the configuration of the coordinator names aws"),
        (
            "twin",
            json!({ "preset": "aws" }),
            409,
            "two audience profiles are for sts.amazonaws.com",
        ),
        ("own", json!({ "value": "https://id.example.com" }), 409, "issuer's own URL"),
        ("it", json!({ "preset": "AWS" }), 400, ""),
        ("it", json!({ "value": "two words" }), 400, ""),
        ("it", json!({ "value": "x", "name": "it" }), 400, ""),
    ] {
        let put = world.manage(Method::PUT, &format!("/audiences/{path}"), &body.to_string()).await;
        let detail = problem(&put, status);
        assert!(detail.contains(told), "{detail}");
    }
    problem(&world.manage(Method::DELETE, "/audiences/aws", "").await, 409);
    assert_eq!(names(&json(&world.manage(Method::GET, "/audiences", "").await)), ["aws", "vault"]);
}
