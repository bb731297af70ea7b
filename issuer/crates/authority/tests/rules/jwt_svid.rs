//! JWT-SVIDs: the key, the header and the claims of any token of ours, and a SPIFFE ID as the subject.

use moneyer_authority::Charter;
use moneyer_authority::mint::{Ask, MintError};
use moneyer_authority::registry::{AppChange, EndingChange, RegistryError};
use moneyer_identity::spiffe::{SpiffeIdEnding, SpiffeIdTemplate, TrustDomain};
use moneyer_identity::{Lifetime, UnverifiedToken};
use serde_json::json;

use crate::claims::verified;
use crate::world::{World, app, audience, charter, operator, sandbox};

fn ask() -> Ask {
    Ask { audiences: vec![audience("https://rp.example.com")], ..Ask::default() }
}

async fn end_with(world: &World, ending: &str) {
    let spiffe_ending = EndingChange::Own(SpiffeIdEnding::parse(ending).unwrap());
    let change = AppChange { name: app("web"), audiences: vec![], accounts: None, spiffe_ending };
    world.authority.put_app(&operator(), change).await.unwrap();
}

#[tokio::test]
async fn j6_its_subject_is_the_sandboxs_spiffe_id_and_all_else_as_in_any_token() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let id = sandbox("web-1");
    let plain = world.authority.mint(&one, &id, ask()).await.unwrap();
    let (svid_id, svid) = world.authority.mint_jwt_svid(&one, &id, ask()).await.unwrap();
    assert_eq!(svid_id.as_str(), "spiffe://id.example.com/app/web/sandbox/web-1");
    let [plain, svid] =
        [&plain, &svid].map(|minted| verified(&world, minted, "https://rp.example.com"));
    assert_eq!(svid.claim("sub"), Some(&json!(svid_id.as_str())));
    let fixed = |token: &moneyer_identity::VerifiedToken| {
        let mut claims = token.claims().clone();
        claims.retain(|name, _| !["sub", "jti"].contains(&name.as_str()));
        claims
    };
    assert_eq!(fixed(&plain), fixed(&svid));
    let recorded = world.audit.records();
    assert_eq!(recorded.last().unwrap()["sub"], svid_id.as_str());
}

#[tokio::test]
async fn o6_the_caller_chooses_whether_a_subject_is_a_spiffe_id() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let id = sandbox("web-1");
    let plain = world.authority.mint(&one, &id, ask()).await.unwrap();
    let (_, svid) = world.authority.mint_jwt_svid(&one, &id, ask()).await.unwrap();
    assert_eq!(plain.key_id, svid.key_id, "one key signs both");
    let subject = |minted| verified(&world, minted, "https://rp.example.com").subject().to_owned();
    assert_eq!(subject(&plain), "org:acme:app:web:sandbox:web-1");
    assert_eq!(subject(&svid), "spiffe://id.example.com/app/web/sandbox/web-1");
}

#[tokio::test]
async fn j2_its_header_has_alg_kid_and_typ_and_nothing_else() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let (_, svid) = world.authority.mint_jwt_svid(&one, &sandbox("web-1"), ask()).await.unwrap();
    // The parser takes no other header.
    let token = UnverifiedToken::parse(svid.token.expose()).unwrap();
    assert_eq!(token.key_id(), &svid.key_id);
}

#[tokio::test]
async fn an_app_may_end_its_ids_as_it_likes_and_never_begin_them() {
    let template = SpiffeIdTemplate::parse("/prod/{app}/at/{sandbox}").unwrap();
    let world = World::chartered(Charter { spiffe_ids: template, ..charter() }).await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let minted_id = async || {
        let minted = world.authority.mint_jwt_svid(&one, &sandbox("web-1"), ask()).await;
        minted.unwrap().0.as_str().to_owned()
    };
    assert_eq!(minted_id().await, "spiffe://id.example.com/prod/web/at/web-1");
    end_with(&world, "").await;
    assert_eq!(minted_id().await, "spiffe://id.example.com/prod/web");
    // What says nothing of it leaves it as it was; what says the cluster's, takes it back.
    world.put_app("web").await;
    assert_eq!(minted_id().await, "spiffe://id.example.com/prod/web");
    let world = world.reopened_as(charter()).await;
    let found = world.registry().find_app(&app("web")).unwrap().0;
    assert_eq!(found.spiffe_ending, Some(SpiffeIdEnding::parse("").unwrap()), "it is kept");
}

#[tokio::test]
async fn o5_an_id_longer_than_oidc_takes_a_subject_is_refused_and_said() {
    let mut long = charter();
    long.parts.trust_domain = TrustDomain::parse(&"x".repeat(250)).unwrap();
    let world = World::chartered(long).await;
    let (one, _) = world.join("runner-1").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    let refused = world.authority.mint_jwt_svid(&one, &sandbox("web-1"), ask()).await.unwrap_err();
    assert!(matches!(refused, MintError::LongId(255)), "{refused:?}");
    assert!(refused.told().contains("255"));
    assert!(world.authority.mint(&one, &sandbox("web-1"), ask()).await.is_ok(), "others go on");
}

#[tokio::test]
async fn what_is_not_placed_here_and_what_is_not_at_all_are_one_refusal() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    let (two, _) = world.join("runner-2").await;
    world.put_app("web").await;
    world.place("web-1", "web", "runner-1").await;
    drop(one);
    for id in ["web-1", "web-2"] {
        let refused = world.authority.mint_jwt_svid(&two, &sandbox(id), ask()).await.unwrap_err();
        let unknown = matches!(refused, MintError::Registry(RegistryError::NoSuchSandbox));
        assert!(unknown, "{refused:?}");
    }
    let refused = world.audit.records().iter().filter(|it| it["event"] == "token_refused").count();
    assert!(refused > 0, "it is recorded");
}

#[tokio::test]
async fn policy_holds_for_them_as_for_any_token() {
    let world = World::new().await;
    let (one, _) = world.join("runner-1").await;
    world.put_app_limited("web", &["vault"]).await;
    world.place("web-1", "web", "runner-1").await;
    let refused = world.authority.mint_jwt_svid(&one, &sandbox("web-1"), ask()).await;
    assert!(matches!(refused, Err(MintError::AudienceDenied(_))), "{refused:?}");
    let long = Ask {
        audiences: vec![audience("vault")],
        lifetime: Some(Lifetime::from_seconds(90_000)),
        ..Ask::default()
    };
    let refused = world.authority.mint_jwt_svid(&one, &sandbox("web-1"), long).await;
    assert!(matches!(refused, Err(MintError::Lifetime(_))), "{refused:?}");
}
