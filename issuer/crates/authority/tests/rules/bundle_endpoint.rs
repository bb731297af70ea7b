//! The X.509-SVID of the cluster's own bundle endpoint.

use moneyer_authority::keys::KeyCommand;
use moneyer_authority::svid::SvidError;
use moneyer_identity::ClockFault;
use moneyer_identity::spiffe::{TrustBundles, VerifiedX509Svid};
use serde_json::json;

use crate::world::{DAY, HOUR, World, operator};

#[tokio::test]
async fn it_is_recorded_before_it_is_shown_and_signed_by_no_wrong_clock() {
    let world = World::new().await;
    let before = world.audit.records().len();
    let svid = world.authority.certify_bundle_endpoint().await.unwrap();
    assert_eq!(svid.id.as_str(), "spiffe://id.example.com/moneyer/bundle");
    let bundles = TrustBundles::from_iter([(*world.authority.bundle().now()).clone()]);
    let verified = VerifiedX509Svid::verify(&svid.chain, &bundles, world.now()).unwrap();
    assert_eq!((verified.id(), svid.made_at), (&svid.id, world.now()));
    let record = world.audit.records().pop().unwrap();
    assert_eq!(world.audit.records().len(), before + 1);
    let record = serde_json::to_value(record).unwrap();
    assert_eq!(record["event"], "bundle_endpoint_certified");
    assert_eq!(record["kid"], json!(svid.authority));
    assert_eq!(record["not_after"], json!(world.now().plus(HOUR)));

    world.audit.set_failing(true);
    let refused = world.authority.certify_bundle_endpoint().await.map(drop).unwrap_err();
    assert!(matches!(refused, SvidError::Audit(_)), "{refused}");
    world.audit.set_failing(false);
    world.clock.fail(Some(ClockFault::Jumped { by: DAY, forward: true }));
    let refused = world.authority.certify_bundle_endpoint().await.map(drop).unwrap_err();
    assert!(matches!(refused, SvidError::Clock(_)), "{refused}");
}

#[tokio::test]
async fn its_key_is_another_each_time_and_its_authority_the_one_that_signs() {
    let world = World::new().await;
    let first = world.authority.certify_bundle_endpoint().await.unwrap();
    let second = world.authority.certify_bundle_endpoint().await.unwrap();
    assert_eq!(first.authority, second.authority);
    assert_ne!(*first.key, *second.key);
    world.authority.command_x509(&operator(), &KeyCommand::Emergency(None)).await.unwrap();
    let third = world.authority.certify_bundle_endpoint().await.unwrap();
    assert_ne!(third.authority, first.authority);
}
