//! What is asked of the token service, what is kept, and what is recorded.

use std::time::Duration;

use futures_util::future::join_all;
use moneyer_daemon::unix_http::Method;
use moneyer_identity::{
    Audience, Clock as _, Expectations, IssuerUrl, KeySet, UnixTime, VerifiedToken, Verifier,
};
use serde_json::{Value, json};
use tonic::Code;

use super::scene::{Scene, USER_TOKEN};
use crate::member::COORDINATOR;
use crate::world::ISSUER;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn verified(scene: &Scene, token: &str) -> VerifiedToken {
    let keys: KeySet = scene.world.authority().keys().ring().key_set().clone();
    let verifier = Verifier::new(IssuerUrl::parse(ISSUER).unwrap(), keys);
    let audience = Audience::parse(&scene.service.url).unwrap();
    verifier.verify(token, &Expectations::exactly(audience), scene.world.clock.now()).unwrap()
}

#[tokio::test]
async fn the_coordinator_asks_as_itself_for_a_token_that_is_addressed_to_the_sandbox() {
    let scene = Scene::start().await;
    let answer = scene.ask(scene.usual().await).await.unwrap();
    assert_eq!(answer.access_token, "readdressed-1");
    assert!((265..=270).contains(&answer.expires_in_seconds), "{answer:?}");
    let form = scene.service.last_form();
    let assertion = verified(&scene, &form[2].1);
    assert_eq!(assertion.subject(), COORDINATOR);
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"),
        ("client_assertion", form[2].1.as_str()),
        ("subject_token", USER_TOKEN),
        ("subject_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
        ("audience", "spiffe://id.example.com/app/web/sandbox/web-1"),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let url = scene.service.url.clone();
    let recorded = scene.recorded(&["subject_token_exchanged", "token_minted"]).await;
    let [of_sandbox, own, exchanged] = recorded.as_slice() else { panic!("{recorded:?}") };
    assert_eq!((&of_sandbox["sandbox"], &own["sub"]), (&"web-1".into(), &COORDINATOR.into()));
    let expected = json!({
        "who": "runner:runner-1", "decision": "allowed", "event": "subject_token_exchanged",
        "sandbox": "web-1", "app": "web", "provider": "p", "credential": "token",
        "spiffe_id": "spiffe://id.example.com/app/web/sandbox/web-1", "token_endpoint": url,
    });
    let said = exchanged.as_object().unwrap().iter();
    let said = said.filter(|(name, _)| !["seq", "time", "prev"].contains(&name.as_str()));
    assert_eq!(
        said.map(|(name, value)| (name.clone(), value.clone())).collect::<Value>(),
        expected
    );
}

#[tokio::test]
async fn it_is_asked_once_for_each_sandbox_and_kept_until_something_that_it_depends_on_changes() {
    let scene = Scene::start().await;
    let request = scene.usual().await;
    let answers = join_all((0..50).map(|_| scene.ask(request.clone()))).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().access_token == "readdressed-1"));
    // With another assertion of the same sandbox it is the same token.
    assert_eq!(scene.ask(scene.usual().await).await.unwrap().access_token, "readdressed-1");
    let mut other = request.clone();
    (other.sandbox_id, other.jwt_svid) = ("web-2".to_owned(), scene.svid("web-2").await);
    assert_eq!(scene.ask(other).await.unwrap().access_token, "readdressed-2");
    let handed = json!({ "credentials": { "user": { "value": "another-of-the-user" } } });
    scene.manage(Method::PUT, "/providers/p/credentials", &handed).await;
    assert_eq!(scene.ask(request.clone()).await.unwrap().access_token, "readdressed-3");
    assert_eq!(scene.service.last_form()[3].1, "another-of-the-user");
    scene.put_profile("another.test", &scene.service.url).await;
    assert_eq!(scene.ask(request).await.unwrap().access_token, "readdressed-4");
    let recorded = scene.recorded(&["subject_token_exchanged"]).await;
    assert_eq!(recorded.len(), 54, "each is recorded, also what was kept");
}

#[tokio::test]
async fn it_ends_with_the_users_token_or_the_sandboxs_assertion() {
    let scene = Scene::start().await;
    let now = scene.world.clock.now();
    let handed = |life: u64| {
        let expires_at: UnixTime = now.plus(Duration::from_secs(life));
        json!({ "credentials": { "user": { "value": USER_TOKEN, "expires_at": expires_at.0 } } })
    };
    scene.manage(Method::PUT, "/providers/p/credentials", &handed(100)).await;
    let answer = scene.ask(scene.usual().await).await.unwrap();
    assert!((65..=70).contains(&answer.expires_in_seconds), "{answer:?}");
    scene.manage(Method::PUT, "/providers/p/credentials", &handed(100_000)).await;
    scene.service.then(200, r#"{"access_token":"long","expires_in":100000}"#);
    let usual = scene.usual().await;
    let left = verified(&scene, &usual.jwt_svid).expires_at().since(now).as_secs();
    let answer = scene.ask(usual).await.unwrap();
    let expected = left.min(3600) - 30;
    let said = u64::from(answer.expires_in_seconds);
    assert!((expected - 5..=expected).contains(&said), "{expected} {answer:?}");
}

#[tokio::test]
async fn what_the_token_service_refuses_is_told_in_oauths_words_and_recorded() {
    let scene = Scene::start().await;
    // Some servers quote the token that they refuse.
    let description = format!("no \\u0007 '{USER_TOKEN}' here {}", "word ".repeat(100));
    let error = format!(r#"{{"error":"invalid_target","error_description":"{description}"}}"#);
    scene.service.then(400, &error);
    let refused = scene.ask(scene.usual().await).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let told = refused.message();
    assert!(told.contains("400 Bad Request: invalid_target (no   '\u{2026}' here word"), "{told}");
    assert!(told.len() < 400, "{told}");
    for (status, body, code) in [
        (503, "<html>canary-of-a-page</html>", Code::Unavailable),
        (200, r#"{"access_token":"no token68"}"#, Code::Internal),
        (200, "canary-of-a-page", Code::Internal),
        (302, "", Code::Unavailable),
    ] {
        // A failure stands for what it was asked with, and that alone.
        scene
            .put_profile(&format!("after-{}.test", scene.service.asked()), &scene.service.url)
            .await;
        scene.service.then(status, body);
        let refused = scene.ask(scene.usual().await).await.unwrap_err();
        assert_eq!(refused.code(), code, "{status} {body}");
        assert!(!refused.message().contains("canary"), "{refused:?}");
    }
    let recorded = scene.recorded(&["subject_token_refused", "subject_token_exchanged"]).await;
    assert_eq!(recorded.len(), 5);
    let reason = recorded[0]["reason"].as_str().unwrap();
    assert!(reason.contains("invalid_target"), "{reason}");
    assert!(!format!("{recorded:?}").contains("canary"), "{recorded:?}");
}

#[tokio::test]
async fn whoever_may_not_have_it_any_more_when_it_is_there_does_not_get_it() {
    for (method, path) in [
        (Method::DELETE, "/providers/p"),
        (Method::DELETE, "/providers/p/apps/web"),
        (Method::DELETE, "/sandboxes/web-1"),
    ] {
        let scene = Scene::start().await;
        let request = scene.usual().await;
        scene.service.turns.forget_permits(usize::MAX);
        let changing = async {
            while scene.service.asked() == 0 {
                tokio::task::yield_now().await;
            }
            scene.manage(method.clone(), path, &Value::Null).await;
            scene.service.turns.add_permits(1);
        };
        let (answer, ()) = tokio::join!(scene.ask(request), changing);
        let refused = answer.unwrap_err();
        let codes = [Code::PermissionDenied, Code::NotFound];
        assert!(codes.contains(&refused.code()), "{path}: {refused:?}");
    }
}

#[tokio::test]
async fn a_token_service_that_takes_longer_than_a_call_is_waited_for_all_the_same() {
    let scene = Scene::start().await;
    let request = scene.usual().await;
    scene.service.turns.forget_permits(usize::MAX);
    let late = scene.ask(request.clone()).await.unwrap_err();
    assert_eq!(late.code(), Code::Unavailable);
    assert!(late.message().contains("has not answered yet"), "{late:?}");
    scene.service.turns.add_permits(1);
    assert_eq!(scene.ask(request).await.unwrap().access_token, "readdressed-1");
    assert_eq!(scene.service.asked(), 1);
}
