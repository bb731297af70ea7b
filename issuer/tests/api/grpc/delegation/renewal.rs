//! Users' tokens that are renewed by a refresh token, which the coordinator holds.

use std::time::Duration;

use futures_util::future::join_all;
use moneyer_daemon::unix_http::Method;
use serde_json::{Value, json};
use tonic::Code;

use super::scene::{Scene, USER_TOKEN};
use crate::member::COORDINATOR;

/// With a user's token that ends in 100 s.
async fn scene(client: Option<&str>) -> Scene {
    let scene = Scene::start().await;
    let end = scene.world.authority().now().0 + 100;
    let mut user = json!({ "value": USER_TOKEN, "expires_at": end, "refresh_token": "refresh-1" });
    if let Some(client) = client {
        user["client_id"] = client.into();
    }
    let handed = json!({ "credentials": { "user": user } });
    scene.manage(Method::PUT, "/providers/p/credentials", &handed).await;
    scene
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
}

async fn held(scene: &Scene) -> Value {
    let shown = scene.manage(Method::GET, "/providers/p", &Value::Null).await;
    shown["credentials"][0].clone()
}

#[tokio::test]
async fn a_token_that_ends_within_a_minute_is_renewed_once_and_the_new_one_is_exchanged() {
    let scene = scene(Some("cli")).await;
    assert_eq!(scene.ask(scene.usual().await).await.unwrap().access_token, "readdressed-1");
    // A fifth of its life is left.
    scene.world.clock.advance(Duration::from_secs(79));
    scene.ask(scene.usual().await).await.unwrap();
    assert_eq!(scene.service.asked(), 1, "not yet");
    scene.world.clock.advance(Duration::from_secs(2));
    let renewed =
        r#"{"access_token":"renewed-of-the-user","expires_in":600,"refresh_token":"refresh-2"}"#;
    scene.service.then(200, renewed);
    let request = scene.usual().await;
    let answers = join_all((0..20).map(|_| scene.ask(request.clone()))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().access_token == "readdressed-3"));
    assert_eq!(scene.service.asked(), 3, "one renewal and one exchange");
    assert_eq!(field(&scene.service.last_form(), "subject_token"), Some("renewed-of-the-user"));
    let held = held(&scene).await;
    let end = scene.world.authority().now().0 + 600;
    assert_eq!((&held["expires_at"], &held["renewed"]), (&end.into(), &true.into()));
    assert_eq!(held["for_endpoints"], json!([scene.service.url]), "as it was handed over");

    scene.world.clock.advance(Duration::from_secs(541));
    scene.service.then(200, r#"{"access_token":"renewed-again","expires_in":600}"#);
    scene.ask(scene.usual().await).await.unwrap();
    let asked = scene.service.form(3);
    assert_eq!(
        field(&asked, "refresh_token"),
        Some("refresh-2"),
        "the one that came with the last"
    );
    scene.world.clock.advance(Duration::from_secs(541));
    scene.service.then(400, r#"{"error":"invalid_grant"}"#);
    scene.ask(scene.usual().await).await.unwrap();
    let recorded = scene.recorded(&["subject_token_renewed"]).await;
    assert_eq!(recorded.len(), 2);
    assert_eq!(
        (&recorded[0]["provider"], &recorded[0]["credential"]),
        (&"p".into(), &"user".into())
    );
    assert!(!format!("{recorded:?}").contains("refresh-"));
}

#[tokio::test]
async fn a_public_client_is_named_and_otherwise_the_coordinator_shows_its_assertion() {
    for client in [Some("cli"), None] {
        let scene = scene(client).await;
        scene.world.clock.advance(Duration::from_secs(100));
        scene.service.then(400, r#"{"error":"invalid_grant"}"#);
        let refused = scene.ask(scene.usual().await).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition, "it has ended, and there is no other");
        assert!(refused.message().contains("invalid_grant"), "{refused:?}");
        let form = scene.service.last_form();
        assert_eq!(field(&form, "grant_type"), Some("refresh_token"));
        assert_eq!(field(&form, "refresh_token"), Some("refresh-1"));
        assert_eq!(field(&form, "client_id"), client);
        assert_eq!(field(&form, "client_assertion").is_some(), client.is_none());
        let minted = scene.recorded(&["token_minted"]).await;
        let own = minted.iter().filter(|record| record["sub"] == COORDINATOR).count();
        assert_eq!(own, usize::from(client.is_none()));
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_serves_until_its_end() {
    let scene = scene(Some("cli")).await;
    scene.world.clock.advance(Duration::from_secs(85));
    scene.service.then(503, "");
    let answer = scene.ask(scene.usual().await).await.unwrap();
    assert_eq!(answer.access_token, "readdressed-2");
    assert!(answer.expires_in_seconds <= 15, "{answer:?}");
    assert_eq!(field(&scene.service.last_form(), "subject_token"), Some(USER_TOKEN));
}

#[tokio::test]
async fn who_asks_without_proof_causes_no_renewal() {
    let scene = scene(Some("cli")).await;
    scene.world.clock.advance(Duration::from_secs(100));
    let mut request = scene.usual().await;
    request.jwt_svid = scene.svid("web-2").await;
    let refused = scene.ask(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(scene.service.asked(), 0);
}

#[tokio::test]
async fn a_token_that_lives_for_a_minute_is_not_renewed_by_each_request() {
    let scene = scene(Some("cli")).await;
    scene.world.clock.advance(Duration::from_secs(100));
    scene.service.then(200, r#"{"access_token":"short-of-the-user","expires_in":60}"#);
    scene.ask(scene.usual().await).await.unwrap();
    assert_eq!(scene.service.asked(), 2, "one renewal and one exchange");
    scene.world.clock.advance(Duration::from_secs(47));
    scene.ask(scene.usual().await).await.unwrap();
    let grants: Vec<_> = (0..scene.service.asked()).map(|at| scene.service.form(at)).collect();
    let renewals = grants.iter().filter(|form| field(form, "refresh_token").is_some()).count();
    assert_eq!(renewals, 1);
}

#[tokio::test]
async fn a_refresh_token_of_several_token_services_is_refused() {
    let scene = Scene::start().await;
    let grant = |endpoint: &str| {
        json!({
            "grant_type": "token_exchange", "token_endpoint": endpoint,
            "subject_token": { "source": "provider_credential", "credential": "user" },
        })
    };
    let document = json!({
        "id": "two",
        "credentials": [
            { "name": "user" },
            { "name": "a", "token_grant": grant("https://a.test/token") },
            { "name": "b", "auth_style": "header", "header_name": "x-b",
              "token_grant": grant("https://b.test/token") },
        ],
        "endpoints": [{ "host": "api.test", "port": 443, "protocol": "rest", "access": "full" }],
    });
    scene.manage(Method::PUT, "/profiles/two", &document).await;
    let mut user = json!({ "value": USER_TOKEN, "expires_at": 4_000_000_000_i64 });
    let body = |user: &Value| {
        json!({ "name": "two", "profile": "two", "credentials": { "user": user } }).to_string()
    };
    let mut refreshed = user.clone();
    refreshed["refresh_token"] = "r".into();
    let answer = scene.world.manage(Method::POST, "/providers", &body(&refreshed)).await;
    let told = crate::world::problem(&answer, 400);
    assert!(told.contains("several token endpoints"), "{told}");
    user["client_id"] = "cli".into();
    assert_eq!(scene.world.manage(Method::POST, "/providers", &body(&user)).await.status, 201);
}

#[tokio::test]
async fn a_refresh_token_without_an_end_is_refused_and_never_shown() {
    let scene = Scene::start().await;
    let user = json!({ "value": USER_TOKEN, "refresh_token": "canary-refresh" });
    let handed = json!({ "credentials": { "user": user } }).to_string();
    let answer = scene.world.manage(Method::PUT, "/providers/p/credentials", &handed).await;
    let told = crate::world::problem(&answer, 400);
    assert!(told.contains("its end has to be said too") && !told.contains("canary"), "{told}");
}
