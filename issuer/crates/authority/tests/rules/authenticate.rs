//! Who a verified certificate, or a local user, is: anew on every call (promise P16).

use std::time::Duration;

use moneyer_authority::enrollment::{
    AuthenticateError, Caller, LocalPeer, PeerLeaf, Places as _, Principal,
};
use moneyer_identity::{ErrorClass, UnixTime};
use moneyer_testkit::{LeafForm, START, TestCa};

use crate::world::{World, controller};

/// A certificate of this id and serial number. Its chain is the handshake's business.
fn presented(uri: &str, serial: &[u8]) -> PeerLeaf {
    let uris = vec![uri.to_owned()];
    let form = LeafForm { uris, serial: serial.to_vec(), ..LeafForm::default() };
    PeerLeaf::parse(&TestCa::default().leaf(&form)).unwrap()
}

#[tokio::test]
async fn a_member_is_who_its_certificate_names() {
    let world = World::new().await;
    let (one, leaf) = world.join("runner-1").await;
    assert_eq!(one.id().as_str(), "runner-1");
    assert_eq!(one.certificate_ends_at(), leaf.not_after());
    let certificate = world.join_as(Principal::Controller(controller("scheduler"))).await;
    let leaf = PeerLeaf::parse(&certificate.der).unwrap();
    let Caller::Controller(controller) = world.authority.authenticate(&leaf).unwrap() else {
        panic!("a controller");
    };
    assert_eq!(controller.actor().to_string(), "controller:scheduler");
}

#[tokio::test]
async fn an_id_that_is_no_members_is_refused() {
    let world = World::new().await;
    world.join("runner-1").await;
    for uri in [
        "spiffe://other.example.com/moneyer/runner/runner-1",
        "spiffe://id.example.com.evil.example/moneyer/runner/runner-1",
        "spiffe://id.example.com/moneyer",
        "spiffe://id.example.com/moneyer/runner",
        "spiffe://id.example.com/moneyer/runner/runner-1/x",
        "spiffe://id.example.com/moneyer/Runner/runner-1",
        "spiffe://id.example.com/moneyer/operator/root",
        "spiffe://id.example.com/moneyer/coordinator",
        "spiffe://id.example.com/runner/runner-1",
        "spiffe://id.example.com/app/web/sandbox/web-1",
    ] {
        let refused = world.authority.authenticate(&presented(uri, &[0x42]));
        assert_eq!(refused, Err(AuthenticateError::NotAMember), "{uri}");
    }
}

#[tokio::test]
async fn a_certificate_is_valid_from_its_first_second_to_its_last() {
    let world = World::new().await;
    let (_, leaf) = world.join("runner-1").await;
    let (first, end) = (START.minus(Duration::from_secs(60)), leaf.not_after());
    for (now, valid) in [
        (UnixTime(first.0 - 1), false),
        (first, true),
        (UnixTime(end.0 - 1), true),
        (end, false),
        (UnixTime(end.0 + 1), false),
        (UnixTime(0), false),
        (UnixTime(i64::MAX), false),
    ] {
        world.clock.set(now);
        let outcome = world.authority.authenticate(&leaf).map(drop);
        assert_eq!(outcome, if valid { Ok(()) } else { Err(AuthenticateError::Time) }, "{now}");
    }
}

#[tokio::test]
async fn a_name_alone_is_not_enough() {
    let world = World::new().await;
    world.join("runner-1").await;
    // A certificate the cluster's authority made once, or that another authority made: the serial
    // number is not the member's.
    let runner = "spiffe://id.example.com/moneyer/runner/runner-1";
    for serial in [&[0x42][..], &[0x42; 16], &[0x01; 20]] {
        let refused = world.authority.authenticate(&presented(runner, serial));
        assert_eq!(refused, Err(AuthenticateError::Superseded));
    }
    for uri in [
        "spiffe://id.example.com/moneyer/runner/runner-2",
        "spiffe://id.example.com/moneyer/controller/runner-1",
        "spiffe://id.example.com/moneyer/runner/RUNNER-1",
    ] {
        let refused = world.authority.authenticate(&presented(uri, &[0x42]));
        assert_eq!(refused, Err(AuthenticateError::Removed), "{uri}");
    }
}

#[tokio::test]
async fn a_removed_member_is_refused_at_its_next_call_and_after_a_restart() {
    let world = World::new().await;
    let ((_, one), (_, two)) = (world.join("runner-1").await, world.join("runner-2").await);
    world.remove_runner("runner-1").await;
    world.remove_runner("runner-1").await;
    assert_eq!(world.authority.authenticate(&one), Err(AuthenticateError::Removed));
    assert!(world.authority.authenticate(&two).is_ok());
    let again = world.reopened().await;
    assert_eq!(again.authenticate(&one), Err(AuthenticateError::Removed));
    assert!(again.authenticate(&two).is_ok());
}

#[test]
fn local_operators_are_root_the_daemon_and_those_configured() {
    for uid in [0, 1000, 1001] {
        let operator = LocalPeer { uid }.authenticate(1000, &[1001]).unwrap();
        assert_eq!(operator.actor().to_string(), format!("operator:uid:{uid}"));
    }
    for uid in [1, 1002, u32::MAX] {
        let refused = LocalPeer { uid }.authenticate(1000, &[1001]).unwrap_err();
        assert_eq!(refused, AuthenticateError::NotAnOperator);
        assert_eq!(refused.class(), ErrorClass::Denied);
    }
    for error in [
        AuthenticateError::NotAMember,
        AuthenticateError::Time,
        AuthenticateError::Removed,
        AuthenticateError::Superseded,
    ] {
        assert_eq!(error.class(), ErrorClass::Unauthenticated);
    }
}
