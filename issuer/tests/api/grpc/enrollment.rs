//! Enrollment, and who gets through the handshake (threats A 1 to 7).

use std::time::Duration;

use moneyer_authority::enrollment::Principal;
use moneyer_daemon::tls::{ClientTls, TlsIdentity};
use moneyer_identity::{Clock as _, ClockFault, RunnerId, SystemClock, UnixTime};
use moneyer_proto::v1;
use moneyer_proto::v1::enrollment_client::EnrollmentClient;
use moneyer_proto::v1::minting_client::MintingClient;
use moneyer_proto::v1::placement_client::PlacementClient;
use moneyer_testkit::ManualClock;
use tokio::io::AsyncReadExt as _;
use tonic::Code;

use crate::member::{JOINING, Key, mint_request};
use crate::world::World;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn runner(name: &str) -> Principal {
    Principal::Runner(RunnerId::parse(name).unwrap())
}

/// What the coordinator says to this TLS client instead of serving it. TLS 1.3 lets a client believe
/// that the handshake is done before its certificate was judged, so the answer is read.
async fn alert(world: &World, tls: &ClientTls) -> String {
    let address = format!("https://{}", world.grpc_address()).parse().unwrap();
    match tls.connector().connect(address).await {
        Err(error) => format!("{error:?}"),
        Ok(connection) => {
            let mut stream = connection.into_inner();
            let read = tokio::time::timeout(Duration::from_secs(5), stream.read_u8()).await;
            // A settings frame would be the first byte of an HTTP/2 connection that is served.
            format!("{:?}", read.expect("the handshake neither failed nor went on").unwrap_err())
        }
    }
}

#[tokio::test]
async fn a_join_token_makes_a_member_once() {
    let world = World::start().await;
    let token = world.invite(runner("runner-1")).await;
    let key = Key::generate();
    let request = v1::JoinRequest { token: token.clone(), csr: key.request.clone() };
    let joined = world.joining().await.join(request.clone()).await.unwrap().into_inner();
    let certificate = joined.certificate.unwrap();
    assert_eq!(certificate.identity, "spiffe://id.example.com/moneyer/runner/runner-1");
    assert_eq!(certificate.not_after - certificate.not_before, 24 * 3600 + 60);
    let trust = certificate.trust.clone().unwrap();
    assert_eq!(trust.trust_domain, "id.example.com");
    assert_eq!(trust.authorities, [world.authority().enrollment().authority().certificate()]);
    let channel = world.channel(&key.identity(&certificate)).await.unwrap();
    let issuer = MintingClient::new(channel).get_issuer(v1::GetIssuerRequest {}).await.unwrap();
    assert_eq!(issuer.into_inner().issuer, crate::world::ISSUER);

    let spent = world.joining().await.join(request).await.unwrap_err();
    assert_eq!(spent.code(), Code::Unauthenticated);
    let never = v1::JoinRequest { token: "mjt1.x".to_owned(), csr: Key::generate().request };
    let never = world.joining().await.join(never).await.unwrap_err();
    assert_eq!((spent.code(), spent.message()), (never.code(), never.message()));
    assert!(!spent.message().contains(&token));
}

#[tokio::test]
async fn a_bad_request_for_a_certificate_spends_nothing() {
    let world = World::start().await;
    let token = world.invite(runner("runner-1")).await;
    let mut joining = world.joining().await;
    for csr in [Vec::new(), vec![0x30; 5000], b"-----BEGIN".to_vec()] {
        let request = v1::JoinRequest { token: token.clone(), csr };
        assert_eq!(joining.join(request).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let request = v1::JoinRequest { token, csr: Key::generate().request };
    joining.join(request).await.unwrap();
}

#[tokio::test]
async fn a_connection_without_a_certificate_can_join_and_nothing_else() {
    let world = World::start().await;
    world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let channel = world.joining_channel().await;
    let mut minting = MintingClient::new(channel.clone());
    let mut placement = PlacementClient::new(channel.clone());
    let mut enrollment = world.joining().await;
    let trust = enrollment.get_trust(v1::GetTrustRequest {}).await.unwrap().into_inner();
    assert_eq!(trust.trust.unwrap().trust_domain, "id.example.com");
    let refused = [
        minting.get_issuer(v1::GetIssuerRequest {}).await.unwrap_err(),
        minting.mint_token(mint_request("web-1", &[], 0)).await.unwrap_err(),
        minting.mint_tokens(v1::MintTokensRequest::default()).await.unwrap_err(),
        minting.mint_system_token(v1::MintSystemTokenRequest::default()).await.unwrap_err(),
        minting.watch_sandboxes(v1::WatchSandboxesRequest::default()).await.unwrap_err(),
        placement.put_app(v1::PutAppRequest::default()).await.unwrap_err(),
        placement.remove_app(v1::RemoveAppRequest::default()).await.unwrap_err(),
        placement.put_sandbox(v1::PutSandboxRequest::default()).await.unwrap_err(),
        placement.remove_sandbox(v1::RemoveSandboxRequest::default()).await.unwrap_err(),
        placement.list_sandboxes(v1::ListSandboxesRequest::default()).await.unwrap_err(),
        placement.mint_token(mint_request("web-1", &[], 0)).await.unwrap_err(),
        enrollment.renew(v1::RenewRequest { csr: Key::generate().request }).await.unwrap_err(),
    ];
    for status in refused {
        let text = "the caller is not a member of this cluster";
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, text));
    }
}

/// Threat A 1: only the joining protocol opens the door.
#[tokio::test]
async fn no_certificate_no_handshake() {
    let world = World::start().await;
    let alert = alert(&world, &world.tls(None)).await;
    assert!(alert.contains("CertificateRequired"), "{alert}");
}

/// Threat A 2: another cluster of the same name made the certificate, all names in it right.
#[tokio::test]
async fn another_clusters_certificate_ends_the_handshake() {
    let (world, other) = (World::start().await, World::start().await);
    world.join("runner-1").await;
    let stranger = other.join("runner-1").await;
    let alert = alert(&world, &world.tls(Some(&stranger.identity))).await;
    assert!(alert.contains("UnknownCA") || alert.contains("DecryptError"), "{alert}");
}

/// Threat A 3, by the clock of the machine, as TLS has no other.
#[tokio::test]
async fn a_certificate_outside_its_time_ends_the_handshake() {
    let clock = ManualClock::default();
    clock.set(SystemClock.now().minus(DAY));
    let world = World::at(clock.clone(), &[]).await;
    let key = Key::generate();
    let certify = async |key: &Key, name| {
        let token = world.invite(runner(name)).await;
        let request = v1::JoinRequest { token, csr: key.request.clone() };
        let joined = world.joining().await.join(request).await.unwrap();
        joined.into_inner().certificate.unwrap()
    };
    clock.set(SystemClock.now().minus(DAY + Duration::from_secs(1)));
    let ended = certify(&key, "late").await;
    assert!(ended.not_after < SystemClock.now().0);
    let alert_of_ended = alert(&world, &world.tls(Some(&key.identity(&ended)))).await;
    assert!(alert_of_ended.contains("CertificateExpired"), "{alert_of_ended}");

    clock.set(SystemClock.now().plus(DAY));
    let early = certify(&key, "early").await;
    assert!(early.not_before > SystemClock.now().0);
    let alert_of_early = alert(&world, &world.tls(Some(&key.identity(&early)))).await;
    assert!(
        alert_of_early.contains("CertificateExpired") || alert_of_early.contains("BadCertificate"),
        "{alert_of_early}"
    );
}

/// Threat A 3: the connection was open already.
#[tokio::test]
async fn an_open_connection_ends_with_its_certificate() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    let end = UnixTime(member.certificate.not_after);
    world.clock.set(end.minus(Duration::from_secs(1)));
    member.mint("web-1", &[]).await.unwrap();
    world.clock.set(end);
    let refused = member.mint("web-1", &[]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let request = v1::RenewRequest { csr: Key::generate().request };
    let refused = member.enrollment().renew(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

/// Threat A 7: there is no session to resume, and an open connection is refused at its next call.
#[tokio::test]
async fn a_removed_runner_is_refused_on_the_connection_it_has() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    world.place("web-1", "runner-1").await;
    member.mint("web-1", &[]).await.unwrap();
    world.remove_runner("runner-1").await;
    let open = member.mint("web-1", &[]).await.unwrap_err();
    assert_eq!(open.code(), Code::Unauthenticated);
    let anew = world.channel(&member.identity).await.unwrap();
    let anew = MintingClient::new(anew).get_issuer(v1::GetIssuerRequest {}).await.unwrap_err();
    assert_eq!((anew.code(), anew.message()), (open.code(), open.message()));
}

#[tokio::test]
async fn a_renewed_certificate_works_and_the_one_before_it_until_the_next() {
    let world = World::start().await;
    let first = world.join("runner-1").await;
    let renew = async |identity: &TlsIdentity| {
        let channel = world.channel(identity).await.unwrap();
        let mut enrollment = EnrollmentClient::new(channel);
        let key = Key::generate();
        let request = v1::RenewRequest { csr: key.request.clone() };
        let renewed = enrollment.renew(request).await?.into_inner();
        Ok::<_, tonic::Status>(key.identity(&renewed.certificate.unwrap()))
    };
    let second = renew(&first.identity).await.unwrap();
    let third = renew(&second).await.unwrap();
    assert_eq!(renew(&first.identity).await.unwrap_err().code(), Code::Unauthenticated);
    renew(&second).await.unwrap();
    // The one before it was renewed again, so what that gave first is no longer in hand.
    assert_eq!(renew(&third).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_member_renews_ten_times_a_minute_at_most() {
    let world = World::start().await;
    let mut member = world.join("runner-1").await;
    let other = world.join("runner-2").await;
    let request = || v1::RenewRequest { csr: Key::generate().request };
    for _ in 0..10 {
        let key = Key::generate();
        let request = v1::RenewRequest { csr: key.request.clone() };
        let renewed = member.enrollment().renew(request).await.unwrap().into_inner();
        let identity = key.identity(&renewed.certificate.unwrap());
        member.channel = world.channel(&identity).await.unwrap();
    }
    let refused = member.enrollment().renew(request()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.metadata().contains_key("retry-after-ms"));
    other.enrollment().renew(request()).await.unwrap();
}

/// P24: a certificate made by a clock that is wrong would begin or end at another time than it says.
#[tokio::test]
async fn nobody_is_certified_while_the_clock_is_wrong() {
    let world = World::start().await;
    let member = world.join("runner-1").await;
    let token = world.invite(runner("runner-2")).await;
    let join = v1::JoinRequest { token, csr: Key::generate().request };
    let renew = v1::RenewRequest { csr: Key::generate().request };
    world.clock.fail(Some(ClockFault::Jumped { by: DAY, forward: true }));
    let refused = [
        world.joining().await.join(join.clone()).await.map(drop),
        member.enrollment().renew(renew.clone()).await.map(drop),
    ];
    for refused in refused {
        let status = refused.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(status.message(), "no certificate was made");
    }
    // Neither has cost anything.
    world.clock.fail(None);
    world.joining().await.join(join).await.unwrap();
    member.enrollment().renew(renew).await.unwrap();
}

/// What a stranger may make the coordinator hold is one small message.
#[tokio::test]
async fn a_stranger_is_answered_joining_alone_and_in_few_bytes() {
    let world = World::start().await;
    let channel = world.joining_channel().await;
    let mut minting = MintingClient::new(channel.clone());
    let batch = v1::MintTokensRequest { requests: vec![v1::MintTokenRequest::default(); 100_000] };
    assert_eq!(minting.mint_tokens(batch).await.unwrap_err().code(), Code::Unauthenticated);
    let mut enrollment = EnrollmentClient::new(channel);
    enrollment.get_trust(v1::GetTrustRequest {}).await.unwrap();
    let message = |bytes| v1::JoinRequest { token: String::new(), csr: vec![0; bytes] };
    let at_the_limit = enrollment.join(message(16 * 1024 - 3)).await.unwrap_err();
    assert_eq!(at_the_limit.code(), Code::Unauthenticated, "{at_the_limit:?}");
    let past_it = enrollment.join(message(16 * 1024 - 2)).await.unwrap_err();
    assert_eq!(past_it.code(), Code::OutOfRange, "{past_it:?}");
}

/// A certificate is asked for even where the joining protocol is offered together with another.
#[tokio::test]
async fn joining_is_a_protocol_of_its_own() {
    let world = World::start().await;
    let authority = world.authority().enrollment().authority().certificate();
    let wrong_pin = [7; 32];
    let id = crate::member::COORDINATOR;
    let wrong = ClientTls::joining(wrong_pin, id, JOINING).unwrap();
    assert!(alert(&world, &wrong).await.contains("NotPinned"), "the client trusts no other");
    let pin = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, authority);
    let other = ClientTls::joining(pin.as_ref().try_into().unwrap(), id, b"moneyer-join/2");
    let alert = alert(&world, &other.unwrap()).await;
    assert!(alert.contains("NoApplicationProtocol"), "{alert}");
}
