//! `WatchTrustBundles`: what a runner is told of trust bundles, and what ends the stream.

use std::time::Duration;

use moneyer_authority::enrollment::MemberKind;
use moneyer_authority::keys::{KeyCommand, Line};
use moneyer_identity::spiffe::{TrustBundle, TrustDomain};
use moneyer_proto::v1;
use tonic::{Code, Status, Streaming};

use crate::member::Member;
use crate::world::{World, operator};

type Stream = Streaming<v1::WatchTrustBundlesResponse>;

async fn watch(member: &Member) -> Stream {
    let request = v1::WatchTrustBundlesRequest {};
    member.minting().watch_trust_bundles(request).await.unwrap().into_inner()
}

/// The next message: it comes soon or never.
async fn next(stream: &mut Stream) -> Result<Option<v1::WatchTrustBundlesResponse>, Status> {
    let message = tokio::time::timeout(Duration::from_secs(10), stream.message());
    message.await.expect("the stream neither spoke nor ended")
}

async fn own(stream: &mut Stream) -> TrustBundle {
    let own = next(stream).await.unwrap().unwrap().own.unwrap();
    TrustBundle::parse(TrustDomain::parse(&own.trust_domain).unwrap(), &own.document).unwrap()
}

#[tokio::test]
async fn the_bundle_comes_at_once_and_whole_again_at_each_change() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    let mut stream = watch(&member).await;
    let first = own(&mut stream).await;
    assert_eq!(first, *world.authority().bundle().now());
    let prepare = KeyCommand::Prepare(Line::Primary);
    world.authority().command_keys(&operator(), &prepare).await.unwrap();
    let second = own(&mut stream).await;
    assert_eq!(second.sequence(), first.sequence().map(|number| number + 1));
    assert_eq!(second.jwt_authorities().len(), 2);
}

#[tokio::test]
async fn the_stream_of_a_runner_that_is_removed_ends() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    let mut stream = watch(&member).await;
    own(&mut stream).await;
    // What else is told of its sandboxes does not end it.
    world.place("web-1", "runner-1").await;
    let authority = world.authority();
    authority.remove_member(&operator(), MemberKind::Runner, "runner-1").await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap_err().code(), Code::Unauthenticated);
}
