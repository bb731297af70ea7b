//! Certificate requests: only a P-256 key that signed its own request is certified.

use moneyer_authority::enrollment::{CertificateError, EnrollmentError, Principal};
use moneyer_identity::ErrorClass;
use moneyer_testkit::MemberRequest;

use crate::world::{HOUR, World, operator, runner};

async fn present(world: &World, request: Vec<u8>) -> Result<(), CertificateError> {
    let enrollment = world.authority.enrollment();
    let principal = Principal::Runner(runner("runner-1"));
    let token = enrollment.invite(&operator(), principal, HOUR, world.now()).await.unwrap();
    match enrollment.join(token.expose(), request, world.now()).await {
        Ok(_) => Ok(()),
        Err(error) => {
            assert_eq!(error.class(), ErrorClass::Invalid);
            let EnrollmentError::Certificate(error) = error else { panic!("{error:?}") };
            Err(error)
        }
    }
}

#[tokio::test]
async fn what_is_not_a_request_is_refused() {
    let world = World::new().await;
    let good = MemberRequest::p256().der;
    let mut followed = good.clone();
    followed.push(0);
    let cut = good[..good.len() - 1].to_vec();
    let certificate = world.authority.enrollment().authority().certificate().to_vec();
    for bad in [
        Vec::new(),
        vec![0],
        vec![0x30, 0x80],
        b"-----BEGIN CERTIFICATE REQUEST-----".to_vec(),
        vec![0xff; 4096],
        followed,
        cut,
        certificate,
        MemberRequest::badly_signed().der,
    ] {
        let refused = present(&world, bad.clone()).await;
        assert!(matches!(refused, Err(CertificateError::Request(_))), "{bad:x?} {refused:?}");
    }
    present(&world, good).await.unwrap();
}

#[tokio::test]
async fn a_request_of_another_key_is_refused() {
    let world = World::new().await;
    for (what, request) in [
        ("RSA", MemberRequest::rsa()),
        ("P-384", MemberRequest::p384()),
        ("P-384 that signs as P-256 keys do", MemberRequest::p384_with_sha256()),
    ] {
        let refused = present(&world, request.der).await;
        assert!(matches!(refused, Err(CertificateError::Key)), "{what}: {refused:?}");
    }
}

#[tokio::test]
async fn a_request_has_a_longest_length() {
    let world = World::new().await;
    let wish =
        |length: usize| MemberRequest::wishing_for(&format!("spiffe://{}", "a".repeat(length))).der;
    // The request's own length moves with the wish's, byte for byte, at this size.
    let spare = 4096 - wish(3000).len();
    let longest = wish(3000 + spare - 2);
    assert!((4090..=4096).contains(&longest.len()), "{}", longest.len());
    present(&world, longest).await.unwrap();
    let refused = present(&world, wish(3000 + spare + 8)).await;
    assert!(matches!(refused, Err(CertificateError::Request(_))), "{refused:?}");
}
