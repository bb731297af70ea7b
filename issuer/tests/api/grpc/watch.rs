//! `WatchSandboxes`: what a runner is told of its sandboxes, and what ends the stream.

use std::time::Duration;

use moneyer_authority::providers::NewProvider;
use moneyer_daemon::unix_http::Method;
use moneyer_identity::UnixTime;
use moneyer_proto::v1;
use moneyer_proto::v1::watch_sandboxes_response::Change;
use tonic::{Code, Streaming};

use crate::member::Member;
use crate::world::{World, operator};

type Stream = Streaming<v1::WatchSandboxesResponse>;

async fn watch(member: &Member) -> Stream {
    let request = v1::WatchSandboxesRequest::default();
    member.minting().watch_sandboxes(request).await.unwrap().into_inner()
}

/// The next message: it comes soon or never.
async fn next(stream: &mut Stream) -> Result<Option<v1::WatchSandboxesResponse>, tonic::Status> {
    let message = tokio::time::timeout(Duration::from_secs(10), stream.message());
    message.await.expect("the stream neither spoke nor ended")
}

async fn change(stream: &mut Stream) -> (u64, Change) {
    let message = next(stream).await.unwrap().unwrap();
    (message.generation, message.change.unwrap())
}

fn ids(change: &Change) -> Vec<&str> {
    match change {
        Change::All(all) => all.sandboxes.iter().map(|placed| &*placed.sandbox_id).collect(),
        other => panic!("not the whole state: {other:?}"),
    }
}

#[tokio::test]
async fn first_everything_then_each_change() {
    let world = World::start().await;
    let (one, two) = (world.join("runner-1").await, world.join("runner-2").await);
    world.place("web-1", "runner-1").await;
    world.place("web-2", "runner-2").await;
    let (mut of_one, mut of_two) = (watch(&one).await, watch(&two).await);
    let (first, all) = change(&mut of_one).await;
    assert_eq!(ids(&all), ["web-1"]);
    let Change::All(all) = all else { panic!("{all:?}") };
    let app = world.authority().registry().find_app(&"web".parse().unwrap()).unwrap().0;
    assert_eq!(all.sandboxes[0].app_uid, app.uid.as_str());
    assert_ne!(all.sandboxes[0].placement, 0);
    assert_eq!(ids(&change(&mut of_two).await.1), ["web-2"]);

    world.place("web-3", "runner-1").await;
    let (second, placed) = change(&mut of_one).await;
    let Change::Placed(placed) = placed else { panic!("{placed:?}") };
    let names: Vec<_> = placed.audiences.iter().map(|profile| profile.name.as_str()).collect();
    assert_eq!((placed.sandbox_id.as_str(), placed.app.as_str()), ("web-3", "web"));
    assert_eq!(names, ["aws", "vault"]);
    assert_eq!(placed.audiences[0].value, "sts.amazonaws.com");
    assert_eq!(placed.audiences[0].default_lifetime_seconds, 900);
    assert!(second > first);

    // A move is a removal here and a placement there; the other runner heard of nothing else.
    world.place("web-1", "runner-2").await;
    let (third, removed) = change(&mut of_one).await;
    assert_eq!(removed, Change::Removed("web-1".to_owned()));
    assert!(third > second);
    let (_, placed) = change(&mut of_two).await;
    assert!(matches!(placed, Change::Placed(placed) if placed.sandbox_id == "web-1"));
    world.take_away("web-3").await;
    assert_eq!(change(&mut of_one).await.1, Change::Removed("web-3".to_owned()));
}

#[tokio::test]
async fn a_runner_without_sandboxes_is_told_so() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    let mut stream = watch(&member).await;
    assert_eq!(ids(&change(&mut stream).await.1), Vec::<&str>::new());
}

#[tokio::test]
async fn a_change_of_the_app_tells_which_files_a_sandbox_gets() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let mut stream = watch(&member).await;
    change(&mut stream).await;
    let body = r#"{"audiences":["https://vault.example.com"]}"#;
    world.manage(Method::PUT, "/apps/web", body).await;
    let Change::Placed(placed) = change(&mut stream).await.1 else { panic!("no placement") };
    let names: Vec<_> = placed.audiences.iter().map(|profile| profile.name.as_str()).collect();
    assert_eq!(names, ["vault"]);
}

#[tokio::test]
async fn what_an_sdk_has_to_be_told_comes_with_the_profile() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let mut stream = watch(&member).await;
    let aws = |change: Change| match change {
        Change::All(all) => all.sandboxes[0].audiences[0].sdk.clone(),
        Change::Placed(placed) => placed.audiences[0].sdk.clone(),
        other @ Change::Removed(_) => panic!("{other:?}"),
    };
    let told = |role_arn: &str| {
        Some(v1::audience_profile::Sdk::Aws(v1::AwsSdk { role_arn: role_arn.to_owned() }))
    };
    assert_eq!(aws(change(&mut stream).await.1), told(""));
    let role = "arn:aws:iam::123456789012:role/deploy";
    let body = format!(r#"{{"accounts":{{"aws_role":"{role}"}}}}"#);
    world.manage(Method::PUT, "/apps/web", &body).await;
    assert_eq!(aws(change(&mut stream).await.1), told(role));
}

#[tokio::test]
async fn a_profile_that_is_put_or_removed_tells_which_files_every_sandbox_gets() {
    let world = World::start().await;
    let runner = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let mut stream = watch(&runner).await;
    let names = |change: Change| match change {
        Change::All(all) => {
            let files = all.sandboxes[0].audiences.iter().map(|profile| profile.name.clone());
            files.collect::<Vec<_>>()
        }
        other => panic!("not the whole state: {other:?}"),
    };
    assert_eq!(names(change(&mut stream).await.1), ["aws", "vault"]);
    let body = r#"{"value":"https://other.example.com"}"#;
    assert_eq!(world.manage(Method::PUT, "/audiences/other", body).await.status, 200);
    assert_eq!(names(change(&mut stream).await.1), ["aws", "vault", "other"]);
    assert_eq!(world.manage(Method::DELETE, "/audiences/other", "").await.status, 204);
    assert_eq!(names(change(&mut stream).await.1), ["aws", "vault"]);
}

#[tokio::test]
async fn a_provider_that_is_attached_changed_or_removed_tells_what_every_sandbox_may_reach() {
    let world = World::start().await;
    let runner = world.join("runner-1").await;
    for sandbox in ["web-1", "web-2"] {
        world.place(sandbox, "runner-1").await;
    }
    let mut stream = watch(&runner).await;
    let grants = |change: Change| match change {
        Change::All(all) => {
            let revisions = all.sandboxes.iter().map(|placed| placed.grants.clone());
            (revisions.map(|grants| grants.map(|own| own.revision)).collect(), all.grants)
        }
        other => panic!("not the whole state: {other:?}"),
    };
    let first: (Vec<_>, Vec<_>) = grants(change(&mut stream).await.1);
    assert_eq!(first, (vec![None, None], Vec::new()));
    let authority = world.authority();
    let profile = serde_json::json!({
        "id": "demo",
        "credentials": [{ "name": "token", "token_grant": { "token_endpoint": "https://idp.example/token" } }],
        "endpoints": [{ "host": "api.example", "port": 443, "protocol": "rest", "access": "full" }],
    });
    authority.put_provider_profile(&operator(), profile, None).await.unwrap();
    let new = NewProvider {
        name: "demo".parse().unwrap(),
        profile: "demo".parse().unwrap(),
        credentials: std::collections::BTreeMap::new(),
        runtime_credentials: true,
    };
    authority.create_provider(&operator(), new).await.unwrap();
    let (demo, web) = ("demo".parse().unwrap(), "web".parse().unwrap());
    authority.attach_provider_to_app(&operator(), demo, web).await.unwrap();
    // Changes that came together may be told together.
    let (revisions, shared) = loop {
        let (revisions, shared) = grants(change(&mut stream).await.1);
        if !shared.is_empty() {
            break (revisions, shared);
        }
    };
    let revision = shared[0].revision.clone();
    assert_eq!(revisions, [Some(revision.clone()), Some(revision.clone())]);
    assert_eq!((shared.len(), shared[0].endpoints.len(), shared[0].bindings.len()), (1, 1, 1));
    let grant = shared[0].bindings[0].grant.as_ref().unwrap();
    assert_eq!((grant.header.as_str(), grant.bearer), ("authorization", true));
    // One that is placed later brings its own.
    world.place("web-3", "runner-1").await;
    let Change::Placed(placed) = change(&mut stream).await.1 else { panic!("no placement") };
    let own = placed.grants.unwrap();
    assert_eq!((own.revision, own.endpoints.len()), (revision, 1));
    authority.remove_provider(&operator(), "demo".parse().unwrap(), None).await.unwrap();
    assert_eq!(grants(change(&mut stream).await.1), (vec![None, None, None], Vec::new()));
}

#[tokio::test]
async fn removal_of_the_runner_ends_the_stream() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    let mut stream = watch(&member).await;
    change(&mut stream).await;
    world.remove_runner("runner-1").await;
    let ended = next(&mut stream).await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_stream_by_a_certificate_from_before_the_runner_joined_anew_is_told_nothing_more() {
    let world = World::start().await;
    let before = world.join("runner-1").await;
    let mut stream = watch(&before).await;
    change(&mut stream).await;
    let _anew = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    assert_eq!(next(&mut stream).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn the_end_of_the_certificate_ends_the_stream() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    let end = UnixTime(member.certificate.not_after);
    world.clock.set(end.minus(Duration::from_secs(1)));
    let mut stream = watch(&member).await;
    change(&mut stream).await;
    let ended = next(&mut stream).await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_coordinator_that_goes_down_ends_the_stream_and_says_so() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    let mut stream = watch(&member).await;
    change(&mut stream).await;
    let (ended, ()) = tokio::join!(next(&mut stream), world.app.stop());
    assert_eq!(ended.unwrap_err().code(), Code::Unavailable);
}
