//! Where the keys of a trust domain come from, and how new ones are found.

use std::sync::atomic::Ordering;
use std::time::Duration;

use moneyer_authority::enrollment::{Caller, PeerLeaf};
use moneyer_authority::mint::Ask;
use moneyer_daemon::unix_http::Answer;
use moneyer_identity::{Audience, Clock as _, SandboxId};
use moneyer_testkit::{ForeignIssuer, TestCa};
use serde_json::json;

use super::{FOREIGN, LOGIN, refused, svid, svid_with, world_in};
use crate::federation::foreign::{Foreign, Says, web_body};
use crate::world::{World, json as read, operator, problem};

const BY_BUNDLE: &str = "[[login.trust_domain]]\nname = 'other.example'\n";

/// A coordinator at which `other.example` may log in by the keys at this server, whose certificate is of `ca`.
async fn by_url(server: &Foreign, ca: &TestCa) -> World {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("ca.pem"), &ca.pem).unwrap();
    let text = format!("{BY_BUNDLE}jwks_url = '{}'\njwks_ca_file = '@DIR@/ca.pem'\n", server.url);
    let world = world_in(directory, &text, &[]).await;
    world.let_in(&[]).await;
    world
}

/// There is nothing to verify with, which is no fault of who shows it.
#[track_caller]
fn unavailable(answer: &Answer) {
    assert_eq!(problem(answer, 503), "nobody can log in at this time");
}

/// Waits until a key set was fetched.
async fn fetched(world: &World) {
    for _ in 0..5000 {
        if world.authority().login_keys().find(FOREIGN, world.authority().now()).is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("no key set was fetched");
}

#[tokio::test]
async fn a_key_set_at_a_url_is_fetched_from_a_server_under_its_own_roots() {
    let (ca, foreign) = (TestCa::default(), ForeignIssuer::new(FOREIGN, "one"));
    let server = Foreign::web(&ca, Says::Document(ForeignIssuer::key_set(&[&foreign])));
    let world = by_url(&server, &ca).await;
    world.token(&svid(&foreign, "/x")).await;
    // The same server under another authority is nobody.
    let stranger = by_url(&server, &TestCa::default()).await;
    unavailable(&stranger.log_in(&svid(&foreign, "/x")).await);
}

#[tokio::test]
async fn a_new_key_at_the_url_is_found_by_one_fetch() {
    let ca = TestCa::default();
    let [one, two] = ["one", "two"].map(|kid| ForeignIssuer::new(FOREIGN, kid));
    let server = Foreign::web(&ca, Says::Document(ForeignIssuer::key_set(&[&one])));
    let world = by_url(&server, &ca).await;
    fetched(&world).await;
    let before = server.asked.load(Ordering::SeqCst);
    world.token(&svid(&one, "/x")).await;
    assert_eq!(server.asked.load(Ordering::SeqCst), before, "a known key is not asked for");
    server.say_text(ForeignIssuer::key_set(&[&one, &two]));
    world.token(&svid(&two, "/x")).await;
    assert_eq!(server.asked.load(Ordering::SeqCst), before + 1);
    world.token(&svid(&one, "/x")).await;
}

#[tokio::test]
async fn a_flood_of_unknown_keys_causes_one_fetch() {
    let (ca, foreign) = (TestCa::default(), ForeignIssuer::new(FOREIGN, "one"));
    let server = Foreign::web(&ca, Says::Document(ForeignIssuer::key_set(&[&foreign])));
    let world = by_url(&server, &ca).await;
    fetched(&world).await;
    let before = server.asked.load(Ordering::SeqCst);
    let start = tokio::time::Instant::now();
    let mut flood = tokio::task::JoinSet::new();
    let address = world.exchange();
    for at in 0..40 {
        let token = svid_with(&foreign, "/x", json!({ "kid": format!("k{at}") }), json!({}));
        let address = address.clone();
        flood.spawn(async move {
            let body = json!({ "jwt_svid": token }).to_string();
            let method = moneyer_daemon::unix_http::Method::POST;
            crate::world::ask(&address, method, super::PATH, &[], body.as_bytes()).await
        });
    }
    while let Some(answer) = flood.join_next().await {
        refused(&answer.unwrap(), "an unknown key");
    }
    let fetches = server.asked.load(Ordering::SeqCst) - before;
    let most = 1 + usize::try_from(start.elapsed().as_secs() / 10).unwrap();
    assert!((1..=most).contains(&fetches), "{fetches} fetches");
    // Meanwhile known keys are good.
    world.token(&svid(&foreign, "/x")).await;
}

#[tokio::test]
async fn the_last_good_key_set_stays_until_it_is_too_old() {
    let (ca, foreign) = (TestCa::default(), ForeignIssuer::new(FOREIGN, "one"));
    let server = Foreign::web(&ca, Says::Document(ForeignIssuer::key_set(&[&foreign])));
    let world = by_url(&server, &ca).await;
    fetched(&world).await;
    for nothing in
        ["<html>", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\",\"kid\":\"one\"}]}"]
    {
        server.say_text(nothing.to_owned());
        world.token(&svid(&foreign, "/x")).await;
    }
    // This one causes a fetch, which brings nothing.
    let unknown = svid_with(&foreign, "/x", json!({ "kid": "new" }), json!({}));
    refused(&world.log_in(&unknown).await, "an unknown key");
    world.token(&svid(&foreign, "/x")).await;
    world.clock.advance(Duration::from_secs(24 * 3600 + 1));
    let now = world.clock.now();
    let later = foreign.jwt_svid(("/x", LOGIN), now, (json!({}), json!({})));
    unavailable(&world.log_in(&later).await);
}

#[tokio::test]
async fn a_federated_trust_domain_logs_in_by_its_bundle_and_a_new_key_is_found_by_one_fetch() {
    let ca = TestCa::default();
    let [one, two] = ["one", "two"].map(|kid| ForeignIssuer::new(FOREIGN, kid));
    let world = world_in(tempfile::tempdir().unwrap(), BY_BUNDLE, &[]).await;
    world.let_in(&[]).await;
    unavailable(&world.log_in(&svid(&one, "/x")).await);
    let server = Foreign::web(&ca, Says::Document(String::new()));
    server.say(&one.bundle().with_sequence(1));
    world.federate(&web_body(&server.url, &ca)).await;
    world.token(&svid(&one, "/x")).await;
    let before = server.asked.load(Ordering::SeqCst);
    server.say(&two.bundle().with_sequence(2));
    world.token(&svid(&two, "/x")).await;
    assert_eq!(server.asked.load(Ordering::SeqCst), before + 1);
    refused(&world.log_in(&svid(&one, "/x")).await, "a key that is gone");
    assert_eq!(server.asked.load(Ordering::SeqCst), before + 1);
    // A trust domain that is federated and not named may not log in.
    let unnamed = world_in(tempfile::tempdir().unwrap(), "", &[]).await;
    unnamed.let_in(&[]).await;
    unnamed.federate(&web_body(&server.url, &ca)).await;
    refused(&unnamed.log_in(&svid(&two, "/x")).await, "federated alone");
}

#[tokio::test]
async fn a_sandbox_of_the_cluster_logs_in_with_its_own_jwt_svid() {
    let text = "[[login.trust_domain]]\nname = 'id.example.com'\n";
    let world = world_in(tempfile::tempdir().unwrap(), text, &[]).await;
    let policy = json!({
        "patterns": ["spiffe://id.example.com/app/web/sandbox/*"], "effect": "allow",
    });
    world.put_policy("web", &policy).await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let leaf = PeerLeaf::parse(&member.certificate.leaf).unwrap();
    let Caller::Runner(runner) = world.authority().authenticate(&leaf).unwrap() else { panic!() };
    let id = SandboxId::parse("web-1").unwrap();
    let ask = Ask { audiences: vec![Audience::parse(LOGIN).unwrap()], ..Ask::default() };
    let (_, minted) = world.authority().mint_jwt_svid(&runner, &id, ask).await.unwrap();
    let answer = world.log_in(minted.token.expose()).await;
    let id = "spiffe://id.example.com/app/web/sandbox/web-1";
    assert_eq!(read(&answer)["spiffe_id"], id, "{:?}", String::from_utf8_lossy(&answer.body));
    // The same claims as an ordinary token name no workload.
    let ask = Ask { audiences: vec![Audience::parse(LOGIN).unwrap()], ..Ask::default() };
    let id = SandboxId::parse("web-1").unwrap();
    let plain = world.authority().mint_any(&operator(), &id, ask).await.unwrap();
    refused(&world.log_in(plain.token.expose()).await, "a token that is no SVID");
}
