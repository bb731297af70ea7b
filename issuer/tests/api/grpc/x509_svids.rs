//! X.509-SVIDs, as a runner gets them for its own sandboxes.

use std::time::Duration;

use moneyer_identity::Clock as _;
use moneyer_proto::v1;
use moneyer_testkit::{MemberRequest, openssl_verifies};
use tonic::{Code, Status};

use crate::member::{Key, Member, seen};
use crate::world::World;

async fn sign(
    member: &Member,
    sandbox: &str,
    certificate_request: Vec<u8>,
) -> Result<v1::SignX509SvidResponse, Status> {
    let request = v1::SignX509SvidRequest { sandbox_id: sandbox.to_owned(), certificate_request };
    member.minting().sign_x509_svid(request).await.map(tonic::Response::into_inner)
}

fn bundle(world: &World) -> Vec<Vec<u8>> {
    let bundle = world.authority().bundle().now();
    bundle.x509_authorities().iter().map(|one| one.der().to_vec()).collect()
}

fn verify(world: &World, svid: &v1::SignX509SvidResponse) {
    let [leaf] = svid.certificates.as_slice() else { panic!("the leaf alone") };
    openssl_verifies(leaf, &bundle(world), world.clock.now()).unwrap();
}

fn verify_all(world: &World, svids: &[v1::SignX509SvidResponse]) {
    for svid in svids {
        verify(world, svid);
    }
}

#[tokio::test]
async fn an_svid_verifies_by_the_bundle_alone() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let svid = sign(&member, "web-1", Key::generate().request).await.unwrap();
    assert_eq!(svid.spiffe_id, "spiffe://id.example.com/app/web/sandbox/web-1");
    let now = world.clock.now();
    assert_eq!((svid.not_before, svid.not_after), (now.0 - 30, now.0 + 3600));
    assert_eq!(svid.expires_in_seconds, 3600);
    verify(&world, &svid);
}

#[tokio::test]
async fn its_life_and_name_are_the_configurations() {
    let settings = [
        ("SPIFFE__X509_SVID_LIFETIME", "5m"),
        ("SPIFFE__CA_ROTATE_EVERY", "30s"),
        ("SPIFFE__CA_PUBLISH_BEFORE_USE", "10s"),
        ("SPIFFE__ID", "/apps/{app}/{sandbox}"),
    ];
    let world = World::with(&settings).await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let svid = sign(&member, "web-1", Key::generate().request).await.unwrap();
    assert_eq!(svid.expires_in_seconds, 300);
    assert_eq!(svid.spiffe_id, "spiffe://id.example.com/apps/web/web-1");
    verify(&world, &svid);
}

#[tokio::test]
async fn not_yours_unknown_and_no_request_are_told_and_no_more() {
    let world = World::start().await;
    let (one, two) = (world.join("runner-1").await, world.join("runner-2").await);
    world.place("web-1", "runner-1").await;
    let request = Key::generate().request;
    let not_yours = sign(&two, "web-1", request.clone()).await.unwrap_err();
    let unknown = sign(&two, "web-7", request.clone()).await.unwrap_err();
    assert_eq!(not_yours.code(), Code::NotFound);
    assert_eq!(seen(&not_yours), seen(&unknown));
    // Of a token it is told with the same words.
    assert_eq!(seen(&two.mint("web-1", &[]).await.unwrap_err()), seen(&not_yours));
    // Also where the request is none: it is not looked at.
    let not_yours = sign(&two, "web-1", Vec::new()).await.unwrap_err();
    assert_eq!(seen(&not_yours), seen(&unknown));
    for wrong in [Vec::new(), MemberRequest::rsa().der, MemberRequest::badly_signed().der] {
        let refused = sign(&one, "web-1", wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let no_id = sign(&one, "web 1", request.clone()).await.unwrap_err();
    assert_eq!(no_id.code(), Code::InvalidArgument, "{no_id}");
    let controller = world.join_controller("controller-1").await;
    let refused = sign(&controller, "web-1", request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn svids_come_out_of_the_shares_of_tokens() {
    let world = World::with(&[("LIMITS__SANDBOX_TOKENS_PER_SECOND", "1")]).await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let request = Key::generate().request;
    let mut signed = 0;
    let refused = loop {
        match sign(&member, "web-1", request.clone()).await {
            Ok(_) => signed += 1,
            Err(refused) => break refused,
        }
        assert!(signed < 1000, "no limit");
    };
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(refused.metadata().contains_key("retry-after-ms"));
    assert_eq!(member.mint("web-1", &[]).await.unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_restart_goes_on_with_the_same_authority() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let svid = sign(&member, "web-1", Key::generate().request).await.unwrap();
    let before = bundle(&world);
    let World { app, clock, directory } = world;
    app.stop().await;
    let world = World::start_in(directory, clock, &[]).await;
    assert_eq!(bundle(&world), before);
    // What was signed before verifies, and so does what is signed after.
    verify(&world, &svid);
    let member = Member { channel: world.channel(&member.identity).await.unwrap(), ..member };
    verify(&world, &sign(&member, "web-1", Key::generate().request).await.unwrap());
}

/// The loop keeps both rings: an authority every 30 s by the clock of the test.
#[tokio::test]
async fn authorities_change_by_themselves_and_every_svid_verifies_meanwhile() {
    let settings = [
        ("SPIFFE__X509_SVID_LIFETIME", "5m"),
        ("SPIFFE__CA_ROTATE_EVERY", "30s"),
        ("SPIFFE__CA_PUBLISH_BEFORE_USE", "10s"),
    ];
    let world = World::with(&settings).await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let mut changes = world.authority().bundle().changes();
    let first = bundle(&world).remove(0);
    let signs = || {
        let ring = world.authority().x509_authorities().ring();
        ring.signing(world.clock.now()).map(|one| one.certificate().to_vec())
    };
    let mut living = Vec::new();
    while signs().as_ref() == Some(&first) {
        world.clock.advance(Duration::from_secs(5));
        living.push(sign(&member, "web-1", Key::generate().request).await.unwrap());
        verify_all(&world, &living);
        let looked = tokio::time::timeout(Duration::from_secs(2), changes.changed()).await;
        looked.map_or(Ok(()), |changed| changed).unwrap();
        assert!(living.len() < 30, "no authority took over");
    }
    assert!(bundle(&world).contains(&first), "its SVIDs live");
    verify_all(&world, &living);
}
