//! What runners hear of federated bundles, and what is recorded.

use std::time::Duration;

use moneyer_daemon::unix_http::Method;
use moneyer_identity::spiffe::{TrustBundle, TrustDomain};
use moneyer_proto::v1;
use moneyer_testkit::TestCa;
use tonic::Streaming;

use crate::federation::foreign::{Foreign, bundle, says, web_body, world};

/// The federated bundles of the next message, which comes within a second.
async fn federated(stream: &mut Streaming<v1::WatchTrustBundlesResponse>) -> Vec<TrustBundle> {
    let message = tokio::time::timeout(Duration::from_secs(1), stream.message());
    let message = message.await.expect("nothing was pushed").unwrap().unwrap();
    assert!(message.own.is_some());
    let read = |told: &v1::TrustBundle| {
        TrustBundle::parse(TrustDomain::parse(&told.trust_domain).unwrap(), &told.document).unwrap()
    };
    message.federated.iter().map(read).collect()
}

#[tokio::test]
async fn f9_runners_are_told_of_a_new_bundle_and_of_a_withdrawn_one_at_once() {
    let world = world().await;
    let ca = TestCa::default();
    let member = world.join("runner-1").await;
    let request = v1::WatchTrustBundlesRequest {};
    let mut stream = member.minting().watch_trust_bundles(request).await.unwrap().into_inner();
    assert_eq!(federated(&mut stream).await, []);
    let foreign = Foreign::web(&ca, says(7, &[&ca]));
    world.federate(&web_body(&foreign.url, &ca)).await;
    assert_eq!(federated(&mut stream).await, [bundle(7, &[&ca])]);
    foreign.say(&bundle(8, &[]));
    world.refresh().await;
    assert_eq!(federated(&mut stream).await, [bundle(8, &[])]);
    world.manage(Method::DELETE, "/federations/other.example", "").await;
    assert_eq!(federated(&mut stream).await, []);
}

#[tokio::test]
async fn f8_runners_are_told_when_a_bundle_has_become_too_old() {
    let world = world().await;
    let ca = TestCa::default();
    let foreign = Foreign::web(&ca, says(7, &[&ca]));
    world.federate(&web_body(&foreign.url, &ca)).await;
    let member = world.join("runner-1").await;
    let request = v1::WatchTrustBundlesRequest {};
    let mut stream = member.minting().watch_trust_bundles(request).await.unwrap().into_inner();
    assert_eq!(federated(&mut stream).await.len(), 1);
    let mut changes = world.authority().federations().changes();
    changes.mark_unchanged();
    // Only this far: a member's certificate and stream last longer than the bundle's last minute.
    let known = world.authority().federations().list();
    let at = known[0].fetched.as_ref().unwrap().at;
    world.clock.set(at.plus(Duration::from_secs(24 * 3600)));
    changes.changed().await.unwrap();
    assert!(world.in_force().is_none());
    let view = world.manage(Method::GET, "/federations/other.example", "").await;
    assert_eq!(crate::world::json(&view)["status"], "too_old");
}
