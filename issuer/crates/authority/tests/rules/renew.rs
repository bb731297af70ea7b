//! Renewal: a member's certificates follow each other, and no old one comes back.

use std::sync::Arc;

use moneyer_authority::enrollment::{
    AuthenticateError, CertificateError, EnrollmentError, PeerLeaf, Principal,
};
use moneyer_identity::ErrorClass;
use moneyer_testkit::MemberRequest;

use crate::world::{HOUR, World, controller};

fn check(world: &World, leaf: &PeerLeaf, expected: &Result<(), AuthenticateError>) {
    assert_eq!(world.authority.authenticate(leaf).map(drop), *expected);
}

#[tokio::test]
async fn a_certificate_is_good_until_the_renewal_after_its_own() {
    let world = World::new().await;
    let (_, first) = world.join("runner-1").await;
    world.clock.advance(HOUR);
    let second = world.renew(&first).await.unwrap();
    assert_eq!(second.id(), first.id());
    assert_eq!(second.not_after(), first.not_after().plus(HOUR));
    check(&world, &first, &Ok(()));
    check(&world, &second, &Ok(()));
    let third = world.renew(&second).await.unwrap();
    check(&world, &first, &Err(AuthenticateError::Superseded));
    check(&world, &second, &Ok(()));
    check(&world, &third, &Ok(()));
    let again = world.reopened().await;
    assert_eq!(again.authenticate(&first), Err(AuthenticateError::Superseded));
    assert!(again.authenticate(&third).is_ok());
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again() {
    let world = World::new().await;
    let (_, first) = world.join("runner-1").await;
    let lost = world.renew(&first).await.unwrap();
    let second = world.renew(&first).await.unwrap();
    check(&world, &lost, &Err(AuthenticateError::Superseded));
    check(&world, &first, &Ok(()));
    check(&world, &second, &Ok(()));
}

#[tokio::test]
async fn joining_anew_ends_every_earlier_certificate() {
    let world = World::new().await;
    let (_, first) = world.join("runner-1").await;
    let second = world.renew(&first).await.unwrap();
    let (_, anew) = world.join("runner-1").await;
    check(&world, &first, &Err(AuthenticateError::Superseded));
    check(&world, &second, &Err(AuthenticateError::Superseded));
    check(&world, &anew, &Ok(()));
    world.remove_runner("runner-1").await;
    let (_, last) = world.join("runner-1").await;
    check(&world, &anew, &Err(AuthenticateError::Superseded));
    check(&world, &last, &Ok(()));
}

// The caller was authenticated, and then waited for its turn.
#[tokio::test]
async fn a_renewal_that_comes_too_late_brings_nothing_back() {
    let world = World::new().await;
    let enrollment = world.authority.enrollment();
    let (_, stale) = world.join("runner-1").await;
    let caller = world.authority.authenticate(&stale).unwrap();
    let renew = || {
        let request = MemberRequest::p256().der;
        enrollment.renew(caller.clone(), stale.clone(), request, world.now())
    };
    let (_, anew) = world.join("runner-1").await;
    let refused = renew().await.unwrap_err();
    let superseded =
        matches!(refused, EnrollmentError::Authenticate(AuthenticateError::Superseded));
    assert!(superseded, "{refused:?}");
    assert_eq!(refused.class(), ErrorClass::Unauthenticated);
    check(&world, &stale, &Err(AuthenticateError::Superseded));
    check(&world, &anew, &Ok(()));
    world.remove_runner("runner-1").await;
    let refused = renew().await.unwrap_err();
    assert!(matches!(refused, EnrollmentError::Authenticate(AuthenticateError::Removed)));
    check(&world, &stale, &Err(AuthenticateError::Removed));
}

#[tokio::test]
async fn a_controller_renews_as_a_controller() {
    let world = World::new().await;
    let certificate = world.join_as(Principal::Controller(controller("scheduler"))).await;
    let leaf = PeerLeaf::parse(&certificate.der).unwrap();
    let renewed = world.renew(&leaf).await.unwrap();
    assert_eq!(renewed.id(), leaf.id());
    check(&world, &renewed, &Ok(()));
}

#[tokio::test]
async fn a_refused_request_changes_nothing() {
    let world = World::new().await;
    let (_, leaf) = world.join("runner-1").await;
    let caller = world.authority.authenticate(&leaf).unwrap();
    let request = MemberRequest::p384_with_sha256().der;
    let enrollment = world.authority.enrollment();
    let refused = enrollment.renew(caller, leaf.clone(), request, world.now()).await;
    assert!(matches!(refused, Err(EnrollmentError::Certificate(CertificateError::Key))));
    world.store.set_unavailable(true);
    assert!(matches!(world.renew(&leaf).await, Err(EnrollmentError::Store(_))));
    world.store.set_unavailable(false);
    check(&world, &leaf, &Ok(()));
    world.renew(&leaf).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_wins_over_every_renewal_at_the_same_moment() {
    let world = Arc::new(World::new().await);
    for _ in 0..30 {
        let (_, leaf) = world.join("runner-1").await;
        let caller = world.authority.authenticate(&leaf).unwrap();
        let renewals: Vec<_> = (0..3)
            .map(|_| {
                let (world, caller, leaf) = (world.clone(), caller.clone(), leaf.clone());
                tokio::spawn(async move {
                    let request = MemberRequest::p256().der;
                    let enrollment = world.authority.enrollment();
                    enrollment.renew(caller, leaf, request, world.now()).await
                })
            })
            .collect();
        world.remove_runner("runner-1").await;
        check(&world, &leaf, &Err(AuthenticateError::Removed));
        for renewal in renewals {
            if let Ok(certificate) = renewal.await.unwrap() {
                let leaf = PeerLeaf::parse(&certificate.der).unwrap();
                check(&world, &leaf, &Err(AuthenticateError::Removed));
            }
        }
        assert!(world.authority.registry().list_members().is_empty());
    }
}
