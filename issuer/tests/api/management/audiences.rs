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
        "algorithm": "ES256", "named_by": "operator",
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
async fn an_audience_is_signed_by_the_second_line_where_its_party_takes_no_other() {
    let world = World::with(&[("KEYS__SECOND_ALGORITHM", "RS256")]).await;
    world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let put = async |path: &str, body: &str| world.manage(Method::PUT, path, body).await;
    let azure = json(&put("/audiences/azure", r#"{"preset":"azure"}"#).await);
    assert_eq!(azure["algorithm"], "RS256");
    let gcp = json!({ "preset": "gcp", "value": POOL }).to_string();
    assert_eq!(json(&put("/audiences/gcp", &gcp).await)["algorithm"], "ES256");
    let unfit = put("/audiences/other", r#"{"preset":"azure","algorithm":"ES256"}"#).await;
    assert!(problem(&unfit, 400).contains("takes no ES256 signatures"));
    let unknown = put("/audiences/other", r#"{"value":"x","algorithm":"EdDSA"}"#).await;
    assert!(problem(&unknown, 400).contains("the cluster has no keys that sign EdDSA"));

    let keys = json(&world.manage(Method::GET, "/keys", "").await);
    let kid_of = |of: &str| {
        let keys = keys.as_array().unwrap();
        keys.iter().find(|key| key["algorithm"] == of).unwrap()["key_id"].clone()
    };
    assert_eq!(keys[0]["key_id"], kid_of("ES256"), "the primary line is first");
    let mint = async |audience: &str| {
        let body = json!({ "audiences": [audience] }).to_string();
        json(&world.manage(Method::POST, "/sandboxes/web-1/token", &body).await)["key_id"].clone()
    };
    assert_eq!(mint("api://AzureADTokenExchange").await, kid_of("RS256"));
    assert_eq!(mint(POOL).await, kid_of("ES256"));
    let command = async |body: &str| world.manage(Method::POST, "/keys", body).await;
    let prepared = json(&command(r#"{"command":"prepare","algorithm":"RS256"}"#).await);
    assert_eq!(prepared["steps"], json!([{ "step": "prepare" }]));
    let keys = json(&world.manage(Method::GET, "/keys", "").await);
    let is_new = |key: &&Value| key["state"] == "prepared";
    assert_eq!(keys.as_array().unwrap().iter().find(is_new).unwrap()["algorithm"], "RS256");
    problem(&command(r#"{"command":"rotate","algorithm":"RS256"}"#).await, 400);
    problem(&command(r#"{"command":"prepare","algorithm":"EdDSA"}"#).await, 409);
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
