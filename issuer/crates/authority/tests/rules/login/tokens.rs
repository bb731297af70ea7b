//! The token of a log-in: what it says, and what it is good for at each moment.

use moneyer_authority::Authority;
use moneyer_authority::enrollment::{AuthenticateError, Places as _};
use moneyer_authority::login::{LocalToken, LoginError, LoginPlan};
use moneyer_authority::mint::{Ask, MintError};
use moneyer_authority::registry::{AppChange, EndingChange};
use moneyer_identity::spiffe::SpiffeIdEnding;
use moneyer_identity::{ErrorClass, IssuerUrl, Lifetime, VerifyError};
use serde_json::json;

use super::{LOGIN, Scene, allow, chartered, deny, log_in};
use crate::claims::verified;
use crate::world::{DAY, ISSUER, app, audience, operator, sandbox, workload};

const BUILDS: &str = "other.example/build/*";

impl Scene {
    /// A token that permits to write apps, by the policy `builds`.
    async fn token(&self) -> LocalToken {
        self.put(allow("builds", BUILDS, &["apps:write"])).await;
        self.log_in("/build/one").await.unwrap()
    }

    fn may(&self, token: &LocalToken, permission: &str) -> Result<String, AuthenticateError> {
        shown(&self.world.authority, token.minted.token.expose(), permission)
    }
}

/// Who shows a token, as the audit log names it.
fn shown(authority: &Authority, token: &str, asked: &str) -> Result<String, AuthenticateError> {
    let operator = authority.authenticate_token(token, asked.parse().unwrap());
    operator.map(|operator| operator.actor().to_string())
}

#[tokio::test]
async fn a_token_names_who_logged_in_by_which_policies_and_is_meant_for_the_issuer() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    let now = scene.world.now().0;
    let read = verified(&scene.world, &token.minted, ISSUER);
    let expected = json!({
        "iss": ISSUER, "aud": ISSUER,
        "sub": "org:acme:cluster:prod-1:workload:spiffe://other.example/build/one",
        "iat": now, "nbf": now - 30, "exp": now + 900, "jti": token.minted.token_id.as_str(),
        "organization_id": "acme", "cluster_id": "prod-1", "sandbox_id": "",
        "identity_type": "workload",
        "spiffe_id": "spiffe://other.example/build/one", "policies": ["builds"],
    });
    assert_eq!(json!(read.claims()), expected);
    let mut record = scene.world.audit.records().pop().unwrap();
    record.as_object_mut().unwrap().remove("seq");
    let expected = json!({
        "time": now, "who": "workload:spiffe://other.example/build/one", "decision": "allowed",
        "event": "token_minted", "policies": ["builds"], "sub": expected["sub"], "aud": ISSUER,
        "jti": token.minted.token_id.as_str(), "kid": token.minted.key_id.as_str(),
        "exp": now + 900,
    });
    assert_eq!(record, expected);
}

#[tokio::test]
async fn a_token_permits_what_its_policies_permit_at_that_moment() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    let who = "workload:spiffe://other.example/build/one";
    assert_eq!(scene.may(&token, "apps:write").unwrap(), who);
    for other in ["apps:read", "keys:write", "policies:write"] {
        let refused = scene.may(&token, other).unwrap_err();
        assert!(matches!(refused, AuthenticateError::NotPermitted(_)), "{other}: {refused}");
        assert_eq!(refused.class(), ErrorClass::Denied);
    }
    // More is permitted at once, and less.
    scene.put(allow("builds", BUILDS, &["apps:read"])).await;
    scene.may(&token, "apps:read").unwrap();
    scene.may(&token, "apps:write").unwrap_err();
    scene.remove("builds").await;
    scene.may(&token, "apps:read").unwrap_err();
    // A policy of the same name that is about somebody else lets nobody in.
    scene.put(allow("builds", "other.example/another", &["apps:read"])).await;
    scene.may(&token, "apps:read").unwrap_err();
}

#[tokio::test]
async fn a_narrower_policy_takes_over_and_one_that_is_not_named_adds_nothing() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    scene.put(allow("beside", BUILDS, &["keys:write"])).await;
    scene.may(&token, "apps:write").unwrap();
    scene.may(&token, "keys:write").unwrap_err();
    let both = scene.log_in("/build/one").await.unwrap();
    scene.may(&both, "keys:write").unwrap();
    scene.put(allow("narrow", "other.example/build/one", &["apps:write"])).await;
    scene.may(&token, "apps:write").unwrap_err();
    scene.remove("narrow").await;
    scene.may(&token, "apps:write").unwrap();
    scene.put(deny("rogue", BUILDS)).await;
    for token in [&token, &both] {
        scene.may(token, "apps:write").unwrap_err();
    }
}

#[tokio::test]
async fn a_trust_domain_that_may_log_in_no_more_takes_its_tokens_along() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    let login = LoginPlan::new(Lifetime::from_seconds(900), Vec::new()).unwrap();
    let charter = moneyer_authority::Charter { login, ..chartered(&scene.foreign) };
    let reopened = scene.world.reopened_as(charter).await;
    let text = token.minted.token.expose();
    let refused = shown(&reopened, text, "apps:write").unwrap_err();
    assert!(matches!(refused, AuthenticateError::NotPermitted(_)), "{refused}");
    let same = scene.world.reopened_as(chartered(&scene.foreign)).await;
    shown(&same, text, "apps:write").unwrap();
}

#[tokio::test]
async fn a_token_ends_in_the_second_it_says() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    scene.world.clock.advance(std::time::Duration::from_secs(899));
    scene.may(&token, "apps:write").unwrap();
    scene.world.clock.advance(std::time::Duration::from_secs(1));
    let refused = scene.may(&token, "apps:write").unwrap_err();
    assert_eq!(refused, AuthenticateError::Token(VerifyError::Expired));
    assert_eq!(refused.class(), ErrorClass::Unauthenticated);
}

#[tokio::test]
async fn a_token_of_a_previous_issuer_is_good_until_it_ends() {
    let scene = Scene::new().await;
    let token = scene.token().await;
    let authority = &scene.world.authority;
    let moved = IssuerUrl::parse("https://two.example.com").unwrap();
    authority.move_issuer(&operator(), &moved).await.unwrap();
    scene.may(&token, "apps:write").unwrap();
    // The audience of either issuer's log-in is taken, and what is given names the present one.
    for audience in [LOGIN, "https://two.example.com/v1/login/spiffe"] {
        let of = ("/build/one", audience);
        let svid = scene.foreign.jwt_svid(of, scene.world.now(), (json!({}), json!({})));
        let token = log_in(authority, &svid, None).await.unwrap();
        scene.may(&token, "apps:write").unwrap();
    }
    scene.world.clock.advance(2 * DAY);
    authority.prune_issuers().await.unwrap();
    scene.may(&token, "apps:write").unwrap_err();
}

/// Tokens of the cluster that are none of a log-in, whatever they name.
#[tokio::test]
async fn no_other_token_of_the_cluster_is_one_of_a_log_in() {
    let scene = Scene::new().await;
    scene.put(allow("own", "id.example.com/**", &["*:write"])).await;
    let world = &scene.world;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let authority = &world.authority;
    // Whoever is no log-in cannot ask for its audience; the issuer of tomorrow anybody can name.
    let ask = |text: &str| Ask { audiences: vec![audience(text)], ..Ask::default() };
    let id = sandbox("web-1");
    for own in [
        authority.mint(&one, &id, ask(ISSUER)).await.map(drop),
        authority.mint_jwt_svid(&one, &id, ask(ISSUER)).await.map(drop),
        authority.mint_system(&one, &workload("telemetry"), ask(ISSUER)).await.map(drop),
    ] {
        assert!(matches!(own, Err(MintError::AudienceDenied(_))), "{own:?}");
    }
    let next = "https://two.example.com";
    let plain = authority.mint(&one, &id, ask(next)).await.unwrap();
    let (_, svid) = authority.mint_jwt_svid(&one, &id, ask(next)).await.unwrap();
    let system = authority.mint_system(&one, &workload("telemetry"), ask(next)).await.unwrap();
    authority.move_issuer(&operator(), &IssuerUrl::parse(next).unwrap()).await.unwrap();
    for minted in [&plain, &svid, &system] {
        let refused = shown(authority, minted.token.expose(), "apps:write").unwrap_err();
        assert_eq!(refused, AuthenticateError::NotALogin);
    }
    let other = authority.mint(&one, &id, ask("https://rp.example.com")).await.unwrap();
    let refused = shown(authority, other.token.expose(), "apps:write").unwrap_err();
    assert_eq!(refused, AuthenticateError::Token(VerifyError::Audience));
    for none in ["", "a.b.c", &scene.svid("/build/one")] {
        let refused = shown(authority, none, "apps:write").unwrap_err();
        assert!(matches!(refused, AuthenticateError::Token(_)), "{none}: {refused}");
    }
}

#[tokio::test]
async fn a_sandbox_logs_in_with_its_own_svid_for_that_audience_and_no_other() {
    let scene = Scene::new().await;
    scene.put(allow("own", "id.example.com/app/web/sandbox/*", &["apps:read"])).await;
    let world = &scene.world;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let svid = async |audience_text: &str| {
        let ask = Ask { audiences: vec![audience(audience_text)], ..Ask::default() };
        let (_, minted) =
            world.authority.mint_jwt_svid(&one, &sandbox("web-1"), ask).await.unwrap();
        minted.token.expose().to_owned()
    };
    let token = log_in(&world.authority, &svid(LOGIN).await, None).await.unwrap();
    assert_eq!(token.id.as_str(), "spiffe://id.example.com/app/web/sandbox/web-1");
    scene.may(&token, "apps:read").unwrap();
    let other = log_in(&world.authority, &svid("https://rp.example.com").await, None).await;
    assert!(matches!(other, Err(LoginError::Jwt(_))), "{other:?}");
    // What a log-in gave is no SVID.
    let again = log_in(&world.authority, token.minted.token.expose(), None).await;
    assert!(matches!(again, Err(LoginError::Jwt(_))), "{again:?}");
}

#[tokio::test]
async fn an_id_that_makes_too_long_a_subject_is_let_in_nowhere() {
    let scene = Scene::new().await;
    scene.put(allow("everyone", "other.example/**", &[])).await;
    let prefix = "org:acme:cluster:prod-1:workload:spiffe://other.example/".len();
    let path = |bytes: usize| format!("/{}", "x".repeat(bytes - prefix));
    scene.log_in(&path(255)).await.unwrap();
    let refused = scene.log_in(&path(256)).await.unwrap_err();
    assert!(matches!(refused, LoginError::Mint(MintError::LongId(255))), "{refused}");
    assert_eq!(refused.class(), ErrorClass::Invalid);
    let record = scene.world.audit.records().pop().unwrap();
    assert_eq!((&record["event"], &record["class"]), (&json!("token_refused"), &json!("invalid")));
}

#[tokio::test]
async fn a_token_with_more_policies_than_a_token_holds_is_refused() {
    let scene = Scene::new().await;
    for at in 0..300 {
        let name = format!("{}-{at:03}", "p".repeat(59));
        scene.put(allow(&name, BUILDS, &[])).await;
    }
    let refused = scene.log_in("/build/one").await.unwrap_err();
    assert!(matches!(refused, LoginError::Mint(MintError::TooLong)), "{refused}");
}

#[tokio::test]
async fn a_sandbox_may_be_called_what_a_log_in_is_called_and_is_none() {
    let scene = Scene::new().await;
    let world = &scene.world;
    let (one, _) = world.join("runner-1").await;
    let spiffe_ending = EndingChange::Own(SpiffeIdEnding::parse("/workload/spiffe").unwrap());
    let change =
        AppChange { name: app("workload"), audiences: vec![], accounts: None, spiffe_ending };
    world.authority.put_app(&operator(), change).await.unwrap();
    world.place("workload", "workload", "runner-1").await;
    let next = IssuerUrl::parse("https://two.example.com").unwrap();
    let ask = Ask { audiences: vec![audience(next.as_str())], ..Ask::default() };
    let minted = world.authority.mint(&one, &sandbox("workload"), ask).await.unwrap();
    world.authority.move_issuer(&operator(), &next).await.unwrap();
    let refused = shown(&world.authority, minted.token.expose(), "apps:read").unwrap_err();
    assert_eq!(refused, AuthenticateError::NotALogin);
}
