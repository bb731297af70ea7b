//! Both ends against each other, and each against a peer that should be refused.

use std::io;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::ClientConfig;
use rustls::HandshakeKind;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::fixtures::{Authority, RUNNER, SERVER};
use super::provider::provider;
use super::verifier::{SpiffeVerifier, Trust};
use super::*;

const JOIN: &[u8] = b"test-join/1";

/// What both ends agreed on, as the server saw it.
#[derive(Debug)]
struct Agreed {
    kind: Option<HandshakeKind>,
    alpn: Option<Vec<u8>>,
    certificate: Option<PeerCertificate>,
    shown: Option<ShownChain>,
}

/// Shakes hands in memory, then sends one byte each way so that late refusals show.
async fn shake(
    server: &ServerTls,
    client: Arc<ClientConfig>,
) -> (io::Result<Agreed>, io::Result<()>) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let serve = async {
        let mut stream = server.accept(far).await?;
        let (_, connection) = stream.get_ref();
        let agreed = Agreed {
            kind: connection.handshake_kind(),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            certificate: server.verified(connection),
            shown: server.shown(connection),
        };
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await?;
        Ok(agreed)
    };
    let dial = async {
        let name = ServerName::try_from("server.invalid").unwrap();
        let mut stream = tokio_rustls::TlsConnector::from(client).connect(name, near).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        assert_eq!(stream.read_u8().await?, 7);
        Ok(())
    };
    tokio::join!(serve, dial)
}

fn refusal(error: &io::Error) -> rustls::Error {
    error.get_ref().unwrap().downcast_ref::<rustls::Error>().unwrap().clone()
}

fn wrong_server(error: &io::Error) -> WrongServer {
    match refusal(error) {
        rustls::Error::InvalidCertificate(rustls::CertificateError::Other(other)) => {
            other.0.downcast_ref::<WrongServer>().unwrap().clone()
        }
        other => panic!("{other:?}"),
    }
}

/// A client as hostile as TLS allows: it keeps sessions and would resume them.
fn resuming_client(authority: &Authority, identity: &TlsIdentity) -> Arc<ClientConfig> {
    let trust = Trust::Authorities(server::root_store(&authority.authorities()).unwrap());
    let certified = rustls::sign::CertifiedKey::clone(&identity.certified().unwrap());
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(SpiffeVerifier::new(trust, SERVER)))
        .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::in_memory_sessions(8);
    config.enable_early_data = true;
    Arc::new(config)
}

fn mutual(authority: &Authority) -> ServerTls {
    ServerTls::mutual(&authority.authorities(), &authority.leaf(&[SERVER])).unwrap()
}

#[tokio::test]
async fn both_ends_know_each_other() {
    let authority = Authority::new();
    let runner = authority.leaf(&[RUNNER]);
    let client = ClientTls::pinned(&authority.authorities(), SERVER, Some(&runner)).unwrap();
    let (agreed, dialled) = shake(&mutual(&authority), client.config()).await;
    dialled.unwrap();
    let agreed = agreed.unwrap();
    assert_eq!(agreed.alpn.as_deref(), Some(b"h2".as_slice()));
    assert_eq!(agreed.certificate.unwrap().der(), runner.chain()[0].as_ref());
}

#[tokio::test]
async fn no_session_is_ever_resumed() {
    let authority = Authority::new();
    let server = mutual(&authority);
    let client = resuming_client(&authority, &authority.leaf(&[RUNNER]));
    for _ in 0..3 {
        let (agreed, dialled) = shake(&server, Arc::clone(&client)).await;
        dialled.unwrap();
        assert_eq!(agreed.unwrap().kind, Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn replaced_authorities_refuse_a_client_that_was_in_before() {
    let (before, after) = (Authority::new(), Authority::new());
    let server = mutual(&before);
    let client = resuming_client(&before, &before.leaf(&[RUNNER]));
    shake(&server, Arc::clone(&client)).await.0.unwrap();
    let fresh = ServerTls::mutual(&after.authorities(), &before.leaf(&[SERVER])).unwrap();
    server.replace(&fresh);
    let (agreed, dialled) = shake(&server, client).await;
    assert!(matches!(
        refusal(&agreed.unwrap_err()),
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)
    ));
    dialled.unwrap_err();
}

#[tokio::test]
async fn a_client_of_tls_1_2_is_refused() {
    let authority = Authority::new();
    let roots = server::root_store(&authority.authorities()).unwrap();
    let client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (agreed, dialled) = shake(&mutual(&authority), Arc::new(client)).await;
    assert!(matches!(refusal(&agreed.unwrap_err()), rustls::Error::PeerIncompatible(_)));
    dialled.unwrap_err();
}

#[tokio::test]
async fn a_client_without_a_certificate_may_only_join() {
    let authority = Authority::new();
    let server = mutual(&authority).with_joining(JOIN).unwrap();

    let bare = ClientTls::pinned(&authority.authorities(), SERVER, None).unwrap();
    let (agreed, _) = shake(&server, bare.config()).await;
    let refused = refusal(&agreed.unwrap_err());
    assert!(matches!(refused, rustls::Error::NoCertificatesPresented), "{refused:?}");

    let pin = digest(&SHA256, &authority.certificate).as_ref().try_into().unwrap();
    let joining = ClientTls::joining(pin, SERVER, JOIN).unwrap();
    let (agreed, dialled) = shake(&server, joining.config()).await;
    dialled.unwrap();
    let agreed = agreed.unwrap();
    assert_eq!(agreed.alpn.as_deref(), Some(JOIN));
    assert_eq!(agreed.certificate, None);

    let (agreed, _) = shake(&mutual(&authority), joining.config()).await;
    assert!(matches!(refusal(&agreed.unwrap_err()), rustls::Error::NoApplicationProtocol));
}

#[tokio::test]
async fn a_joining_client_refuses_another_authority_and_another_name() {
    let authority = Authority::new();
    let server = mutual(&authority).with_joining(JOIN).unwrap();
    let joining = ClientTls::joining([0; 32], SERVER, JOIN).unwrap();
    let (_, dialled) = shake(&server, joining.config()).await;
    assert_eq!(wrong_server(&dialled.unwrap_err()), WrongServer::NotPinned);

    let pin = digest(&SHA256, &authority.certificate).as_ref().try_into().unwrap();
    let joining = ClientTls::joining(pin, RUNNER, JOIN).unwrap();
    let (_, dialled) = shake(&server, joining.config()).await;
    assert!(matches!(wrong_server(&dialled.unwrap_err()), WrongServer::SpiffeId { .. }));
}

#[tokio::test]
async fn a_pinned_authority_that_did_not_sign_the_leaf_is_refused() {
    let (pinned, other) = (Authority::new(), Authority::new());
    // The server shows the pinned authority beside a leaf that another one signed.
    let server = ServerTls::mutual(&pinned.authorities(), &other.leaf(&[SERVER])).unwrap();
    let server = server.with_joining(JOIN).unwrap();
    let pin = digest(&SHA256, &pinned.certificate).as_ref().try_into().unwrap();
    let joining = ClientTls::joining(pin, SERVER, JOIN).unwrap();
    let (_, dialled) = shake(&server, joining.config()).await;
    assert!(matches!(
        refusal(&dialled.unwrap_err()),
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)
    ));
}

#[tokio::test]
async fn a_server_with_any_other_names_is_refused() {
    let authority = Authority::new();
    let runner = authority.leaf(&[RUNNER]);
    let client = ClientTls::pinned(&authority.authorities(), SERVER, Some(&runner)).unwrap();
    for names in [vec![RUNNER], vec![], vec![SERVER, RUNNER], vec![SERVER, SERVER]] {
        let identity = authority.leaf(&names);
        let server = ServerTls::mutual(&authority.authorities(), &identity).unwrap();
        let (_, dialled) = shake(&server, client.config()).await;
        let found = names.into_iter().map(str::to_owned).collect();
        let expected = SERVER.to_owned();
        assert_eq!(wrong_server(&dialled.unwrap_err()), WrongServer::SpiffeId { expected, found });
    }
}

#[tokio::test]
async fn expired_leaves_and_unknown_authorities_are_refused_at_both_ends() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let trusted = authority.authorities();
    for (bad, why) in [
        (authority.expired_leaf(&[RUNNER]), "Expired"),
        (stranger.leaf(&[RUNNER]), "UnknownIssuer"),
    ] {
        let client = ClientTls::pinned(&trusted, SERVER, Some(&bad)).unwrap();
        let (agreed, dialled) = shake(&mutual(&authority), client.config()).await;
        assert!(format!("{:?}", refusal(&agreed.unwrap_err())).contains(why));
        dialled.unwrap_err();
    }
    for (bad, why) in [
        (authority.expired_leaf(&[SERVER]), "Expired"),
        (stranger.leaf(&[SERVER]), "UnknownIssuer"),
    ] {
        let client = ClientTls::pinned(&trusted, SERVER, None).unwrap();
        let server = ServerTls::mutual(&trusted, &bad).unwrap();
        let (_, dialled) = shake(&server, client.config()).await;
        assert!(format!("{:?}", refusal(&dialled.unwrap_err())).contains(why));
    }
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused_at_once() {
    let authority = Authority::new();
    let (one, other) = (authority.leaf(&[SERVER]), authority.leaf(&[SERVER]));
    let mixed = TlsIdentity::new(one.chain().to_vec(), other.key_for_tests());
    assert!(matches!(ServerTls::server_only(&mixed), Err(TlsError::Identity(_))));
    assert!(matches!(ServerTls::mutual(&[], &one), Err(TlsError::ClientVerifier(_))));
}

#[tokio::test]
async fn the_connector_dials_and_says_what_is_wrong() {
    let authority = Authority::new();
    let server = mutual(&authority);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        server.accept(tcp).await.unwrap().write_u8(1).await.unwrap();
    });
    let runner = authority.leaf(&[RUNNER]);
    let client = ClientTls::pinned(&authority.authorities(), SERVER, Some(&runner)).unwrap();
    let uri: http::Uri = format!("https://{address}").parse().unwrap();
    let held = client.connector().connect(uri.clone()).await.unwrap();
    serve.await.unwrap();
    drop(held);

    let error = client.connector().connect(uri).await.unwrap_err();
    assert!(matches!(error, ConnectError::Dial { .. }), "{error:?}");
    let error = client.connector().connect("/path".parse().unwrap()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoHost { .. }), "{error:?}");
}

/// A client that takes any server of this authority, and shows this identity.
fn showing_client(authority: &Authority, identity: &TlsIdentity) -> Arc<ClientConfig> {
    let client = ClientTls::pinned(&authority.authorities(), SERVER, Some(identity)).unwrap();
    client.config()
}

#[tokio::test]
async fn who_asks_learns_what_was_shown_and_authenticates_nobody_by_it() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = ServerTls::server_only(&ours.leaf(&[SERVER])).unwrap();
    let stranger = theirs.leaf(&[RUNNER]);
    let (agreed, dialled) = shake(&server.asking(), showing_client(&ours, &stranger)).await;
    dialled.unwrap();
    let agreed = agreed.unwrap();
    assert_eq!(agreed.shown.unwrap().certificates(), stranger.chain());
    assert_eq!(agreed.certificate, None);
    // The same end, where it does not ask.
    let (agreed, dialled) = shake(&server, showing_client(&ours, &stranger)).await;
    dialled.unwrap();
    let agreed = agreed.unwrap();
    assert_eq!((agreed.shown, agreed.certificate), (None, None));
}

#[tokio::test]
async fn who_asks_lets_in_who_shows_nothing_and_keeps_no_session() {
    let authority = Authority::new();
    let server = ServerTls::server_only(&authority.leaf(&[SERVER])).unwrap().asking();
    let client = ClientTls::pinned(&authority.authorities(), SERVER, None).unwrap();
    let (agreed, dialled) = shake(&server, client.config()).await;
    dialled.unwrap();
    assert_eq!(agreed.unwrap().shown, None);
    let resuming = resuming_client(&authority, &authority.leaf(&[RUNNER]));
    for _ in 0..3 {
        let (agreed, dialled) = shake(&server, Arc::clone(&resuming)).await;
        dialled.unwrap();
        assert_eq!(agreed.unwrap().kind, Some(HandshakeKind::Full));
    }
}

#[tokio::test]
async fn who_shows_a_certificate_holds_its_key() {
    let authority = Authority::new();
    let server = ServerTls::server_only(&authority.leaf(&[SERVER])).unwrap().asking();
    let (victim, thief) = (authority.leaf(&[RUNNER]), authority.leaf(&[RUNNER]));
    let mut certified = rustls::sign::CertifiedKey::clone(&thief.certified().unwrap());
    certified.cert = victim.chain().to_vec();
    let trust = Trust::Authorities(server::root_store(&authority.authorities()).unwrap());
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(SpiffeVerifier::new(trust, SERVER)))
        .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    let (agreed, _) = shake(&server, Arc::new(config)).await;
    assert!(agreed.is_err());
}

#[tokio::test]
async fn an_end_that_asks_follows_what_is_replaced() {
    let (before, after) = (Authority::new(), Authority::new());
    let server = ServerTls::without_certificate().unwrap();
    let asking = server.asking();
    server.replace(&ServerTls::server_only(&after.leaf(&[SERVER])).unwrap());
    let client = showing_client(&after, &before.leaf(&[RUNNER]));
    let (agreed, dialled) = shake(&asking, client).await;
    dialled.unwrap();
    assert!(agreed.unwrap().shown.is_some());
}
