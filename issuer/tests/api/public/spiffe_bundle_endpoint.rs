//! `listen.spiffe_bundle`: the bundle endpoint of the profile `https_spiffe`, as a foreign domain meets it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use moneyer_authority::keys::KeyCommand;
use moneyer_daemon::listener::ListenAddress;
use moneyer_identity::Clock as _;
use moneyer_identity::spiffe::{TrustBundle, TrustBundles, TrustDomain, VerifiedX509Svid};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme, SupportedProtocolVersion,
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::tls_client::Connection;
use crate::world::{World, operator};

const BUNDLE: &str = "/.well-known/spiffe-bundle";
const ID: &str = "spiffe://id.example.com/moneyer/bundle";

/// Takes any certificate: what it proves is asked of the bundle, after the handshake.
#[derive(Debug)]
struct AnyServer(CryptoProvider);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, leaf, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Counts how often a server asked for a client's certificate.
#[derive(Debug, Default)]
struct Asked(AtomicUsize);

impl ResolvesClientCert for Asked {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

async fn start(settings: &[(&str, &str)]) -> World {
    let listen = ("LISTEN__SPIFFE_BUNDLE", "127.0.0.1:0");
    World::with(&[&[listen], settings].concat()).await
}

fn address(world: &World) -> SocketAddr {
    match &world.app.addresses().spiffe_bundle {
        Some(ListenAddress::Tcp(address)) => *address,
        other => panic!("{other:?}"),
    }
}

fn config(
    version: &'static SupportedProtocolVersion,
    protocol: &str,
    asked: &Arc<Asked>,
) -> ClientConfig {
    let verifier = Arc::new(AnyServer(aws_lc_rs::default_provider()));
    let mut config = ClientConfig::builder_with_protocol_versions(&[version])
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::<Asked>::clone(asked));
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    config
}

/// A connection as a SPIFFE client makes it: by the address, so without a server name.
async fn connect(world: &World) -> Connection {
    let config = config(&rustls::version::TLS13, "h2", &Arc::default());
    let address = address(world);
    Connection::open(address, config, address.ip().into()).await.unwrap()
}

fn parse(document: &[u8]) -> TrustBundle {
    TrustBundle::parse(TrustDomain::parse("id.example.com").unwrap(), document).unwrap()
}

/// Whether this bundle proves that the far end is the endpoint, now.
fn proves(world: &World, bundle: &TrustBundle, connection: &Connection) -> bool {
    let bundles = TrustBundles::from_iter([bundle.clone()]);
    let verified = VerifiedX509Svid::verify(&connection.chain, &bundles, world.clock.now());
    verified.is_ok_and(|svid| svid.id().as_str() == ID)
}

/// A connection that is shown another certificate than this one. Each until then is served.
async fn another_leaf(world: &World, before: &CertificateDer<'_>) -> Connection {
    let patience = tokio::time::Instant::now() + Duration::from_secs(60);
    while tokio::time::Instant::now() < patience {
        let mut connection = connect(world).await;
        connection.get(BUNDLE).await;
        if connection.leaf != *before {
            return connection;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no other certificate was ever shown");
}

/// The bundle once it has so many X.509 authorities.
async fn bundle_of(connection: &mut Connection, authorities: usize) -> TrustBundle {
    let patience = tokio::time::Instant::now() + Duration::from_secs(60);
    while tokio::time::Instant::now() < patience {
        let bundle = parse(&connection.get(BUNDLE).await);
        if bundle.x509_authorities().len() == authorities {
            return bundle;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the bundle never had {authorities} authorities");
}

#[tokio::test]
async fn f1_the_same_bundle_is_served_in_both_profiles_side_by_side() {
    let world = start(&[]).await;
    let public = world.public(Method::GET, BUNDLE, &[]).await;
    let mut connection = connect(&world).await;
    for path in [BUNDLE, "/"] {
        let answer = connection.send(Method::GET, path, &[]).await;
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &public.body[..]));
        for name in ["content-type", "cache-control", "etag"] {
            assert_eq!(answer.headers().get(name), public.headers.get(name), "{path} {name}");
        }
    }
    assert!(World::start().await.app.addresses().spiffe_bundle.is_none(), "where it is asked for");
}

#[tokio::test]
async fn f4_it_is_json_and_no_certificate_and_no_credential_is_asked_for() {
    let world = start(&[]).await;
    let address = address(&world);
    let asked = Arc::new(Asked::default());
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let config = config(version, "http/1.1", &asked);
        let mut connection = Connection::open(address, config, address.ip().into()).await.unwrap();
        let mut documents: Vec<Bytes> = Vec::new();
        let credentials: [&[(&str, &str)]; 3] =
            [&[], &[("authorization", "Bearer nonsense")], &[("cookie", "a=b")]];
        for fields in credentials {
            let answer = connection.send(Method::GET, "/", fields).await;
            assert_eq!(answer.status(), 200, "{fields:?}");
            assert_eq!(answer.headers()["content-type"], "application/json");
            assert!(!answer.headers().contains_key("www-authenticate"));
            documents.push(answer.into_body());
        }
        documents.dedup();
        assert_eq!(documents.len(), 1);
        std::str::from_utf8(&documents[0]).unwrap();
    }
    assert_eq!(asked.0.load(Ordering::Relaxed), 0, "the server asked for a certificate");
}

#[tokio::test]
async fn f4_the_bundle_and_nothing_else_is_there_and_only_to_be_read() {
    let world = start(&[]).await;
    let mut connection = connect(&world).await;
    for path in ["/.well-known/jwks.json", "/.well-known/spiffe-bundle/", "/api/v1/keys", "/x"] {
        assert_eq!(connection.send(Method::GET, path, &[]).await.status(), 404, "{path}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        assert_eq!(connection.send(method, "/", &[]).await.status(), 405);
    }
}

#[tokio::test]
async fn f4_the_newest_bundle_is_served_over_a_connection_that_stays_open() {
    let world = start(&[]).await;
    let mut connection = connect(&world).await;
    let first = bundle_of(&mut connection, 1).await;
    world.authority().command_x509(&operator(), &KeyCommand::Rotate).await.unwrap();
    let second = bundle_of(&mut connection, 2).await;
    assert!(second.sequence() > first.sequence());
}

#[tokio::test]
async fn f6_its_certificate_is_the_svid_of_the_endpoint_by_the_bundle_it_serves() {
    let world = start(&[]).await;
    let mut connection = connect(&world).await;
    let bundle = parse(&connection.get("/").await);
    assert!(proves(&world, &bundle, &connection));
    let other = start(&[]).await;
    let foreign = parse(&connect(&other).await.get("/").await);
    assert!(!proves(&world, &foreign, &connection), "the same name by another cluster");
}

#[tokio::test]
async fn readyz_tells_of_the_endpoints_svid_and_stays_ready_without_one() {
    let world = start(&[]).await;
    let told = async || {
        let answer = world.operations(Method::GET, "/readyz").await;
        let body = crate::world::json(&answer);
        let checks = body["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == "bundle_endpoint").unwrap();
        (answer.status.as_u16(), check["ok"].as_bool().unwrap())
    };
    assert_eq!(told().await, (200, true));
    let without = World::start().await.operations(Method::GET, "/readyz").await;
    assert!(!String::from_utf8_lossy(&without.body).contains("bundle_endpoint"));
}

#[tokio::test]
async fn f6_whoever_keeps_the_newest_bundle_is_never_cut_off_by_a_rotation() {
    let world = start(&[("SPIFFE__CA_PUBLISH_BEFORE_USE", "1h")]).await;
    let mut open = connect(&world).await;
    let first = bundle_of(&mut open, 1).await;
    world.authority().command_x509(&operator(), &KeyCommand::Rotate).await.unwrap();
    // What a peer keeps from before the next authority signs.
    let kept = bundle_of(&mut open, 2).await;
    let (mut rounds, mut shown) = (0, open.leaf.clone());
    loop {
        world.clock.advance(Duration::from_secs(1800));
        let next = another_leaf(&world, &shown).await;
        assert!(proves(&world, &kept, &next), "cut off after {rounds} renewals");
        if !proves(&world, &first, &next) {
            break;
        }
        (rounds, shown) = (rounds + 1, next.leaf);
        assert!(rounds < 20, "the next authority never signed");
    }
    // An authority that is not known to be served yet ripens later, never earlier.
    assert!(rounds >= 1, "it signed before peers could know it");
    open.get(BUNDLE).await;
}

#[tokio::test]
async fn f6_after_an_emergency_it_shows_one_of_the_new_authority() {
    let world = start(&[]).await;
    let mut open = connect(&world).await;
    let before = parse(&open.get("/").await);
    world.authority().command_x509(&operator(), &KeyCommand::Emergency(None)).await.unwrap();
    let mut next = another_leaf(&world, &open.leaf).await;
    let after = parse(&next.get("/").await);
    assert!(proves(&world, &after, &next) && !proves(&world, &before, &next));
    assert!(!proves(&world, &after, &open), "what the old one signed is believed no more");
}

#[tokio::test]
async fn f6_it_is_renewed_at_half_its_life_while_connections_go_on() {
    let world = start(&[]).await;
    let mut open = connect(&world).await;
    let document = open.get("/").await;
    world.clock.advance(Duration::from_secs(1799));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(connect(&world).await.leaf, open.leaf, "not before");
    world.clock.advance(Duration::from_secs(1));
    let next = another_leaf(&world, &open.leaf).await;
    assert!(proves(&world, &parse(&document), &next));
    assert_eq!(open.get("/").await, document);
}

#[tokio::test]
async fn f7_tls_1_2_and_1_3_with_and_without_a_server_name() {
    let world = start(&[]).await;
    let address = address(&world);
    let names: [ServerName<'static>; 3] = [
        address.ip().into(),
        ServerName::try_from("id.example.com").unwrap(),
        ServerName::try_from("elsewhere.example").unwrap(),
    ];
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for protocol in ["h2", "http/1.1"] {
            for name in &names {
                let config = config(version, protocol, &Arc::default());
                let opened = Connection::open(address, config, name.clone()).await;
                let mut connection = opened.unwrap();
                assert_eq!(connection.protocol.as_deref(), Some(protocol.as_bytes()));
                let bundle = parse(&connection.get("/").await);
                assert!(proves(&world, &bundle, &connection), "{name:?}");
            }
        }
    }
}

/// What a server answers to a `ClientHello` of this version that offers one cipher suite: the alert's
/// description (RFC 8446 section 6).
async fn alert(world: &World, version: [u8; 2], suite: [u8; 2]) -> u8 {
    // secp256r1, uncompressed points, ecdsa_secp256r1_sha256.
    let extensions = [0, 0x0a, 0, 4, 0, 2, 0, 0x17, 0, 0x0b, 0, 2, 1, 0, 0, 0x0d, 0, 4, 0, 2, 4, 3];
    let mut hello = version.to_vec();
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, suite[0], suite[1], 1, 0, 0, u8::try_from(extensions.len()).unwrap()]);
    hello.extend(extensions);
    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    record.extend(hello);
    let mut plain = TcpStream::connect(address(world)).await.unwrap();
    plain.write_all(&record).await.unwrap();
    let mut answer = [0; 7];
    plain.read_exact(&mut answer).await.unwrap();
    assert_eq!((answer[0], answer[5]), (0x15, 2), "a fatal alert: {answer:?}");
    answer[6]
}

#[tokio::test]
async fn f7_older_versions_and_weaker_suites_are_refused() {
    const PROTOCOL_VERSION: u8 = 70;
    const HANDSHAKE_FAILURE: u8 = 40;
    let world = start(&[]).await;
    // ECDHE with AES-GCM, which only TLS 1.2 knows.
    let good = [0xc0, 0x2b];
    for old in [[3, 1], [3, 2]] {
        assert_eq!(alert(&world, old, good).await, PROTOCOL_VERSION, "{old:?}");
    }
    // CBC with SHA-1 and with SHA-256, RSA key exchange, 3DES, RC4, NULL.
    for weak in [[0xc0, 0x09], [0xc0, 0x23], [0, 0x9c], [0xc0, 0x08], [0xc0, 0x07], [0xc0, 0x06]] {
        assert_eq!(alert(&world, [3, 3], weak).await, HANDSHAKE_FAILURE, "{weak:02x?}");
    }
}
