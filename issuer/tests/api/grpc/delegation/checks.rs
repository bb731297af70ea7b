//! What is asked before anything else, and in which order: none of it costs the token service a question.

use moneyer_daemon::unix_http::Method;
use moneyer_proto::v1::ExchangeSubjectTokenRequest;
use serde_json::json;
use tonic::Code;

use super::scene::{Scene, USER_TOKEN};

async fn refused(scene: &Scene, request: &ExchangeSubjectTokenRequest, code: Code, told: &str) {
    let refused = scene.ask(request.clone()).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (code, told), "{request:?}");
}

/// Each step mends one thing more, from the first check to the last.
#[tokio::test]
async fn the_checks_come_in_the_order_in_which_they_are_promised() {
    let scene = Scene::start().await;
    let mut request = ExchangeSubjectTokenRequest {
        sandbox_id: "far-1".to_owned(),
        provider: String::new(),
        credential: "none".to_owned(),
        jwt_svid: "garbage".to_owned(),
    };
    let blank = scene.ask(request.clone()).await.unwrap_err();
    assert_eq!(blank.code(), Code::InvalidArgument);
    "unattached".clone_into(&mut request.provider);
    let nobodys = "no such sandbox on this caller";
    refused(&scene, &request, Code::NotFound, nobodys).await;
    "unknown".clone_into(&mut request.sandbox_id);
    refused(&scene, &request, Code::NotFound, nobodys).await;
    "web-1".clone_into(&mut request.sandbox_id);
    let unattached = "the sandbox does not have this provider";
    for provider in ["unattached", "empty", "unknown"] {
        provider.clone_into(&mut request.provider);
        refused(&scene, &request, Code::PermissionDenied, unattached).await;
    }
    "p".clone_into(&mut request.provider);
    let none = "the provider exchanges no token by this credential";
    for credential in ["none", "user", "plain"] {
        credential.clone_into(&mut request.credential);
        refused(&scene, &request, Code::FailedPrecondition, none).await;
    }
    "token".clone_into(&mut request.credential);
    let assertion = "the assertion is refused";
    refused(&scene, &request, Code::PermissionDenied, assertion).await;
    request.jwt_svid = scene.svid("web-1").await;
    assert_eq!(scene.service.asked(), 0);
    scene.ask(request).await.unwrap();
    assert_eq!(scene.service.asked(), 1);
}

#[tokio::test]
async fn an_assertion_is_the_sandboxs_own_for_this_token_service_or_none() {
    let scene = Scene::start().await;
    let usual = scene.usual().await;
    let signed = usual.jwt_svid.rsplit_once('.').unwrap().0;
    let flipped = if usual.jwt_svid.ends_with('A') { "B" } else { "A" };
    let (_, signature) = usual.jwt_svid.rsplit_once('.').unwrap();
    let mut tampered = format!("{signed}.{signature}");
    tampered.pop();
    tampered.push_str(flipped);
    let oidc = scene.runner.mint("web-1", &[&scene.service.url]).await.unwrap().token;
    for (what, jwt_svid) in [
        ("another sandbox's", scene.svid("web-2").await),
        ("for another service", scene.svid_for("web-1", "https://other.test").await),
        ("no SVID, but a token of ours", oidc),
        ("without a signature", format!("{signed}.")),
        ("with a changed signature", tampered),
        ("too long", "x".repeat(100_000)),
    ] {
        let request = ExchangeSubjectTokenRequest { jwt_svid, ..usual.clone() };
        let refused = scene.ask(request).await.unwrap_err();
        let told = (refused.code(), refused.message());
        assert_eq!(told, (Code::PermissionDenied, "the assertion is refused"), "{what}");
    }
    // It has ended: also where a token is kept for that very sandbox.
    scene.ask(usual.clone()).await.unwrap();
    scene.world.clock.advance(std::time::Duration::from_secs(3601));
    let ended = scene.ask(usual).await.unwrap_err();
    assert_eq!(ended.code(), Code::PermissionDenied);
    assert_eq!(scene.service.asked(), 1);
}

#[tokio::test]
async fn a_sandbox_that_was_made_again_is_not_the_one_of_before() {
    let scene = Scene::start().await;
    let before = scene.usual().await;
    scene.ask(before.clone()).await.unwrap();
    scene.manage(Method::DELETE, "/sandboxes/web-1", &json!(null)).await;
    for id in ["web-2", "far-1"] {
        scene.manage(Method::DELETE, &format!("/sandboxes/{id}"), &json!(null)).await;
    }
    scene.manage(Method::DELETE, "/apps/web", &json!(null)).await;
    scene.world.place("web-1", "runner-1").await;
    let unattached = "the sandbox does not have this provider";
    refused(&scene, &before, Code::PermissionDenied, unattached).await;
    scene.manage(Method::PUT, "/providers/p/apps/web", &json!(null)).await;
    refused(&scene, &before, Code::PermissionDenied, "the assertion is refused").await;
    let answer = scene.ask(scene.usual().await).await.unwrap();
    assert_eq!(answer.access_token, "readdressed-2", "nothing is shared with the one of before");
}

#[tokio::test]
async fn a_users_token_goes_where_its_profile_sent_it_when_it_was_handed_over() {
    let scene = Scene::start().await;
    scene.put_profile("api.test", "https://thief.test/token").await;
    let elsewhere = "the user's token was handed over for another endpoint";
    let request = scene.usual().await;
    refused(&scene, &request, Code::FailedPrecondition, elsewhere).await;
    scene.put_profile("api.test", &scene.service.url).await;
    scene.ask(request).await.unwrap();
}

#[tokio::test]
async fn the_coordinator_asserts_itself_to_a_server_for_that_server_alone() {
    let scene = Scene::start().await;
    let victim = "https://idp.victim.test";
    scene.put_profile_for("api.test", &scene.service.url, victim).await;
    let mut request = scene.usual().await;
    request.jwt_svid = scene.svid_for("web-1", victim).await;
    let none = "the coordinator has no assertion for this audience";
    refused(&scene, &request, Code::FailedPrecondition, none).await;
    assert_eq!(scene.service.asked(), 0);
    // Where operators of the coordinator have named it, it is shown.
    let named = [("GRANTS__ASSERTION_AUDIENCES", r#"["https://idp.victim.test"]"#)];
    let scene = Scene::configured(&named).await;
    scene.put_profile_for("api.test", &scene.service.url, victim).await;
    let mut request = scene.usual().await;
    request.jwt_svid = scene.svid_for("web-1", victim).await;
    scene.ask(request).await.unwrap();
}

#[tokio::test]
async fn what_is_not_held_or_has_ended_is_not_exchanged() {
    let scene = Scene::start().await;
    scene.manage(Method::DELETE, "/providers/p", &json!(null)).await;
    scene.manage(Method::PUT, "/providers/empty/apps/web", &json!(null)).await;
    let mut request = scene.usual().await;
    "empty".clone_into(&mut request.provider);
    let not_held = "the provider does not hold the user's token";
    refused(&scene, &request, Code::FailedPrecondition, not_held).await;
    let end = scene.world.authority().now().0 + 100;
    let handed = json!({ "credentials": { "user": { "value": USER_TOKEN, "expires_at": end } } });
    scene.manage(Method::PUT, "/providers/empty/credentials", &handed).await;
    scene.ask(request.clone()).await.unwrap();
    scene.world.clock.advance(std::time::Duration::from_secs(100));
    refused(&scene, &request, Code::FailedPrecondition, "the user's token has ended").await;
    assert_eq!(scene.service.asked(), 1);
}
