//! What may be asked for, and bodies that ask for something else.

use moneyer_daemon::unix_http::Method;
use serde_json::json;

use super::{LOGIN, PATH, refused, svid, svid_with, world, world_of};
use crate::world::{ask, json as read, problem};
use moneyer_testkit::ForeignIssuer;

#[tokio::test]
async fn a_lifetime_may_be_asked_for_within_the_range() {
    let (world, foreign) = world().await;
    world.let_in(&[]).await;
    let svid = svid(&foreign, "/ci/one");
    let asked = async |lifetime: serde_json::Value| {
        let body = json!({ "jwt_svid": svid, "lifetime": lifetime }).to_string();
        world.post_login(body.as_bytes()).await
    };
    for seconds in [60, 900] {
        assert_eq!(read(&asked(json!(seconds)).await)["expires_in"], seconds);
    }
    assert_eq!(read(&asked(json!(null)).await)["expires_in"], 900);
    for seconds in [0, 59, 901, 86_400, 4_294_967_295_u32] {
        let told = problem(&asked(json!(seconds)).await, 400);
        assert!(told.contains("60") && told.contains("900"), "{told}");
    }
    for none in [json!(-1), json!(1.5), json!("60"), json!(4_294_967_296_u64), json!([60])] {
        problem(&asked(none).await, 400);
    }
    // Whoever is not let in is not told what would be too long.
    let body = json!({ "jwt_svid": "x", "lifetime": 901 }).to_string();
    refused(&world.post_login(body.as_bytes()).await, "a lifetime");
}

#[tokio::test]
async fn an_empty_body_and_one_that_asks_for_nothing_show_nothing() {
    let (world, _) = world().await;
    world.let_in(&[]).await;
    for body in ["", "{}", " { } ", r#"{"jwt_svid":null}"#, r#"{"lifetime":60}"#] {
        refused(&world.post_login(body.as_bytes()).await, body);
    }
    refused(&world.post_login(br#"{"jwt_svid":""}"#).await, "an empty text");
}

#[tokio::test]
async fn a_body_of_another_form_is_refused_without_repeating_it() {
    let (world, foreign) = world().await;
    world.let_in(&[]).await;
    let good = svid(&foreign, "/ci/one");
    let quoted = json!(good).to_string();
    let once = format!(r#""jwt_svid":{quoted}"#);
    for body in [
        "null".to_owned(),
        "[]".to_owned(),
        format!("[{quoted}]"),
        quoted.clone(),
        good.clone(),
        format!("{{{once}"),
        format!("{{{once}}} x"),
        format!("{{{once},{once}}}"),
        format!(r#"{{{once},"audience":"x"}}"#),
        format!(r#"{{"jwt_svid":[{quoted}]}}"#),
        format!("jwt_svid={good}"),
    ] {
        let answer = world.post_login(body.as_bytes()).await;
        let told = problem(&answer, 400);
        assert!(told.starts_with("the body is a JSON object with jwt_svid"), "{told}");
        let header = good.split('.').next().unwrap();
        assert!(!String::from_utf8_lossy(&answer.body).contains(header), "{body}");
    }
    problem(&world.post_login(b"\xff\xfe{}").await, 400);
}

#[tokio::test]
async fn a_body_has_a_longest_length_and_only_post_logs_in() {
    let (world, _) = world().await;
    let long = format!(r#"{{"jwt_svid":"{}"}}"#, "x".repeat(2 * 1024 * 1024));
    let answer = world.post_login(long.as_bytes()).await;
    assert!([400, 413].contains(&answer.status.as_u16()), "{}", answer.status);
    // As long as a body may be, and longer than any token.
    let long = format!(r#"{{"jwt_svid":"{}"}}"#, "x".repeat(60 * 1024));
    refused(&world.post_login(long.as_bytes()).await, "a long token");
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = ask(&world.exchange(), method, PATH, &[], b"").await;
        assert_eq!(answer.status, 405);
    }
    for path in ["/", "/api/v1/apps", "/v1/login", "/v1/login/spiffe/"] {
        let answer = ask(&world.exchange(), Method::POST, path, &[], b"").await;
        assert_eq!(answer.status, 404, "{path}");
    }
    // The listener's limit of 64 KiB, answered by the listener.
    let body = |bytes: usize| format!("{}{{}}", " ".repeat(bytes - 2)).into_bytes();
    refused(&world.post_login(&body(64 * 1024)).await, "as long as a body may be");
    assert_eq!(world.post_login(&body(64 * 1024 + 1)).await.status, 413);
}

#[tokio::test]
async fn audiences_algorithms_skew_and_issuer_are_as_configured() {
    let (ec, rsa) =
        (ForeignIssuer::new("other.example", "ec"), ForeignIssuer::rsa("other.example", "rsa"));
    let settings = "audiences = ['moneyer-login', 'spare']\nalgorithms = ['ES256']\nleeway = '30s'\n\
                    issuer = 'https://other.example'";
    let world = world_of(&[&ec, &rsa], settings).await;
    world.let_in(&[]).await;
    let now = world.authority().now();
    let iss = json!({ "iss": "https://other.example" });
    let of = |issuer: &ForeignIssuer, audience: &str, claims| {
        issuer.jwt_svid(("/x", audience), now, (json!({}), claims))
    };
    let with = |claims: serde_json::Value| {
        let mut both = iss.clone();
        both.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        of(&ec, "spare", both)
    };
    for good in [
        of(&ec, "moneyer-login", iss.clone()),
        of(&ec, "spare", iss.clone()),
        with(json!({ "aud": ["another", "spare"] })),
        with(json!({ "aud": "spare" })),
        // Within the skew.
        with(json!({ "exp": now.0 - 29 })),
        with(json!({ "nbf": now.0 + 29 })),
    ] {
        world.token(&good).await;
    }
    for (what, bad) in [
        ("the usual audience", of(&ec, LOGIN, iss.clone())),
        ("an algorithm that is not allowed", of(&rsa, "spare", iss.clone())),
        ("no issuer", of(&ec, "spare", json!({}))),
        ("another issuer", with(json!({ "iss": "https://other.example/" }))),
        ("an issuer that is a list", with(json!({ "iss": ["https://other.example"] }))),
        ("expired for longer than the skew", with(json!({ "exp": now.0 - 31 }))),
        ("valid later than the skew", with(json!({ "nbf": now.0 + 31 }))),
    ] {
        refused(&world.log_in(&bad).await, what);
    }
    // Without settings every algorithm of JWT-SVIDs is taken, and no skew.
    let world = world_of(&[&ec, &rsa], "").await;
    world.let_in(&[]).await;
    world.token(&svid(&rsa, "/x")).await;
    let late = svid_with(&ec, "/x", json!({}), json!({ "exp": world.authority().now().0 }));
    refused(&world.log_in(&late).await, "expired this second");
}

#[tokio::test]
async fn j11_a_jwt_svid_is_a_bearer_token_in_authorization() {
    let (world, foreign) = world().await;
    world.let_in(&[]).await;
    let bearer = format!("Bearer {}", svid(&foreign, "/x"));
    let ask_with = async |fields: &[(&'static str, &str)], body: &str| {
        ask(&world.exchange(), Method::POST, PATH, fields, body.as_bytes()).await
    };
    let carried = [("authorization", bearer.as_str())];
    assert_eq!(ask_with(&carried, "").await.status, 200);
    let shorter = ask_with(&carried, r#"{"lifetime": 60}"#).await;
    assert_eq!(crate::world::json(&shorter)["expires_in"], 60);
    refused(&ask_with(&[("authorization", "Bearer x")], "").await, "no token");
    refused(&ask_with(&[("authorization", "Basic x")], "").await, "another scheme");
    let twice = json!({ "jwt_svid": svid(&foreign, "/x") }).to_string();
    assert_eq!(ask_with(&carried, &twice).await.status, 400);
}
