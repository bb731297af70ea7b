//! No key signs that relying parties are not seen to be served (promise P2 for static copies).

use std::time::Duration;

use axum::http::StatusCode;
use moneyer_daemon::unix_http::Method;
use moneyer_identity::KeyId;
use serde_json::Value;

use super::site::{Site, until};
use crate::world::{World, json, problem};

const DAY: Duration = Duration::from_secs(24 * 3600);
const KEY_SET: &str = "/.well-known/jwks.json";
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A coordinator whose relying parties read at a site that nobody copies to but the test.
async fn watched(site: &Site) -> World {
    let world =
        World::with(&[("PUBLISH__VERIFY_URL", &site.url), ("PUBLISH__VERIFY_EVERY", "20ms")]).await;
    site.copy(&world).await;
    world
}

fn shows(count: usize) -> impl Fn(&Value) -> bool {
    move |status| {
        let copy = &status["public_copy"];
        copy["shows"].as_array().is_some_and(|shows| shows.len() == count)
            && copy["problem"].is_null()
    }
}

fn has_problem(status: &Value) -> bool {
    status["public_copy"]["problem"].is_string()
}

async fn keys(world: &World) -> Vec<Value> {
    json(&world.manage(Method::GET, "/keys", "").await).as_array().unwrap().clone()
}

fn active(world: &World) -> KeyId {
    world.authority().keys().ring().keys()[0].record.key_id.clone()
}

/// Lets days go by, with everything that is due in them.
async fn pass(world: &World, days: u32) {
    for _ in 0..days {
        world.clock.advance(DAY);
        for (step, outcome) in world.authority().rotate().await {
            outcome.unwrap_or_else(|error| panic!("{step:?}: {error}"));
        }
    }
}

#[tokio::test]
async fn a_rotation_waits_for_the_public_copy_and_goes_on_by_itself() {
    let site = Site::start().await;
    let world = watched(&site).await;
    until(&world, "the first key is not seen", shows(1)).await;
    let first = active(&world);
    pass(&world, 29).await;
    let waiting = keys(&world).await.remove(1);
    assert_eq!(waiting["next"]["waits_for"], "publication", "{waiting:#}");
    assert!(waiting["published_at"].is_null(), "{waiting:#}");
    let second = waiting["key_id"].as_str().unwrap().to_owned();
    let lacks = until(&world, "nothing is lacking", |status| {
        status["public_copy"]["lacks"].as_array().is_some_and(|lacks| lacks.len() == 1)
    });
    assert_eq!(lacks.await["public_copy"]["lacks"][0], *second);

    pass(&world, 60).await;
    assert_eq!(active(&world), first, "a key signs that nobody can see");
    let body = format!(r#"{{"command":"activate","key_id":"{second}"}}"#);
    let refused = problem(&world.manage(Method::POST, "/keys", &body).await, 409);
    assert!(refused.contains("`moneyer publish status` says what is seen"), "{refused}");

    site.copy(&world).await;
    until(&world, "the second key is not seen", shows(2)).await;
    world.authority().rotate().await;
    assert_eq!(active(&world), first, "seen, and not yet for a day");
    pass(&world, 1).await;
    assert_eq!(active(&world).as_str(), second);
}

#[tokio::test]
async fn an_old_copy_that_comes_back_begins_the_wait_anew() {
    let site = Site::start().await;
    let world = watched(&site).await;
    let (old, first) = (Site::start().await, active(&world));
    old.copy(&world).await;
    until(&world, "the first key is not seen", shows(1)).await;
    pass(&world, 29).await;
    site.copy(&world).await;
    until(&world, "the second key is not seen", shows(2)).await;
    world.authority().rotate().await;
    assert!(keys(&world).await[1]["published_at"].is_number());

    let new = site.file(KEY_SET).unwrap();
    site.replace(KEY_SET, old.file(KEY_SET).unwrap());
    until(&world, "the old copy is not seen", shows(1)).await;
    pass(&world, 1).await;
    assert_eq!(active(&world), first);
    assert!(keys(&world).await[1]["published_at"].is_null(), "caches have lost it");
    site.replace(KEY_SET, new);
    until(&world, "the new copy is not seen", shows(2)).await;
    world.authority().rotate().await;
    assert_eq!(active(&world), first, "seen again, and not yet for a day");
    pass(&world, 1).await;
    assert_ne!(active(&world), first);
}

#[tokio::test]
async fn a_copy_that_cannot_be_read_holds_the_key_up_and_costs_it_no_time() {
    let site = Site::start().await;
    let world = watched(&site).await;
    let first = active(&world);
    until(&world, "the first key is not seen", shows(1)).await;
    pass(&world, 29).await;
    site.copy(&world).await;
    until(&world, "the second key is not seen", shows(2)).await;
    world.authority().rotate().await;

    site.refuse(Some(StatusCode::BAD_GATEWAY));
    let status = until(&world, "no problem told", has_problem).await;
    let told = status["public_copy"]["problem"].as_str().unwrap();
    assert!(told.contains("cannot be read: the server answered 502"), "{told}");
    pass(&world, 3).await;
    assert_eq!(active(&world), first, "nobody knows what relying parties read");
    site.refuse(None);
    until(&world, "the copy is not seen again", shows(2)).await;
    world.authority().rotate().await;
    assert_ne!(active(&world), first, "it was there all the time");
}

#[tokio::test]
async fn without_a_look_a_copy_that_is_not_written_holds_the_key_up() {
    let parent = tempfile::tempdir().unwrap();
    let (www, away) = (parent.path().join("www"), parent.path().join("away"));
    std::fs::create_dir(&www).unwrap();
    let world = World::with(&[("PUBLISH__DIRECTORY", www.to_str().unwrap())]).await;
    let first = active(&world);
    let publish = async || json(&world.manage(Method::POST, "/publish", "").await);
    publish().await;
    pass(&world, 29).await;
    publish().await;
    world.authority().rotate().await;
    assert!(keys(&world).await[1]["published_at"].is_number());
    std::fs::rename(&www, &away).unwrap();
    assert!(publish().await["targets"][0]["problem"].is_string());
    pass(&world, 3).await;
    assert_eq!(active(&world), first, "nobody knows what is there");
    std::fs::rename(&away, &www).unwrap();
    publish().await;
    world.authority().rotate().await;
    assert_ne!(active(&world), first);
}

#[tokio::test]
async fn a_place_that_hangs_holds_up_no_other() {
    let (slow, www) =
        (tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(), tempfile::tempdir().unwrap());
    let url = format!("http://{}/", slow.local_addr().unwrap());
    let root = www.path().to_str().unwrap();
    let world = World::with(&[("PUBLISH__DIRECTORY", root), ("PUBLISH__SERVER__URL", &url)]).await;
    let there = |status: &Value| status["targets"][0]["written_at"].is_number();
    until(&world, "the directory is not written", there).await;
    let withdrawn = active(&world);
    world.manage(Method::POST, "/keys", r#"{"command":"emergency"}"#).await;
    let file = www.path().join(KEY_SET.trim_start_matches('/'));
    for _ in 0..500 {
        if !std::fs::read_to_string(&file).unwrap().contains(withdrawn.as_str()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the withdrawn key is still in the copy");
}

#[tokio::test]
async fn a_page_that_is_not_there_or_no_json_says_that_the_key_is_not() {
    let site = Site::start().await;
    let world = watched(&site).await;
    until(&world, "the first key is not seen", shows(1)).await;
    pass(&world, 29).await;
    site.copy(&world).await;
    until(&world, "the second key is not seen", shows(2)).await;
    world.authority().rotate().await;
    site.refuse(Some(StatusCode::NOT_FOUND));
    until(&world, "no problem told", has_problem).await;
    world.authority().rotate().await;
    assert!(keys(&world).await[1]["published_at"].is_null());
    site.refuse(None);
    site.show_as("text/html; charset=utf-8");
    let odd = |status: &Value| {
        let problem = status["public_copy"]["problem"].as_str().unwrap_or_default();
        problem.contains("is shown as text/html")
    };
    until(&world, "a page counts", odd).await;
}

#[tokio::test]
async fn documents_of_another_issuer_or_with_another_key_count_for_nothing() {
    let site = Site::start().await;
    let world = watched(&site).await;
    until(&world, "the first key is not seen", shows(1)).await;
    let problem = async || {
        let status = until(&world, "no problem told", has_problem).await;
        assert_eq!(status["public_copy"]["lacks"].as_array().unwrap().len(), 1);
        status["public_copy"]["problem"].as_str().unwrap().to_owned()
    };
    site.edit(
        DISCOVERY,
        r#""issuer":"https://id.example.com""#,
        r#""issuer":"https://other.example""#,
    );
    assert!(problem().await.contains("is the document of https://other.example, and tokens name"));
    site.copy(&world).await;
    until(&world, "not seen again", shows(1)).await;
    site.edit(DISCOVERY, "jwks.json", "other.json");
    assert!(problem().await.contains("leads to the key set"));
    site.copy(&world).await;
    until(&world, "not seen again", shows(1)).await;
    site.edit(KEY_SET, "keys", "kees");
    assert!(problem().await.contains("is no key set"));

    // The same id with another public half: what a forger would put there.
    site.copy(&world).await;
    until(&world, "not seen again", shows(1)).await;
    let other = World::start().await;
    let forged = Site::start().await;
    forged.copy(&other).await;
    let (ours, theirs) = (active(&world), active(&other));
    forged.edit(KEY_SET, theirs.as_str(), ours.as_str());
    site.replace(KEY_SET, forged.file(KEY_SET).unwrap());
    until(&world, "a forged key counts", shows(0)).await;
}
