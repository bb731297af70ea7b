//! `listen.public_tls`: https by the coordinator itself, with certificates from files.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use moneyer_daemon::unix_http::Method;
use moneyer_identity::{Clock as _, SystemClock};
use moneyer_testkit::ManualClock;
use moneyer_testkit::TestCa;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::tls_client::{HOST, TlsClient, public_address};
use crate::world::{World, json, prepare};

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A certificate and its key, PEM.
type Pair = (String, String);

/// A pair that this authority signed, valid from an hour ago for so long from now.
fn pair(ca: &TestCa, lasts: Duration) -> Pair {
    let now = SystemClock.now();
    ca.server_files(HOST, (now.minus(Duration::from_secs(3600)), now.plus(lasts)))
}

fn leaf(pair: &Pair) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pair.0.as_bytes()).unwrap()
}

/// Writes one of the two files as a program does that renews: in place.
fn write(directory: &TempDir, name: &str, text: &str) {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

async fn start(pair: &Pair) -> World {
    moneyer_daemon::tls::install_provider();
    let directory = tempfile::tempdir().unwrap();
    prepare(&directory);
    write(&directory, "tls.crt", &pair.0);
    write(&directory, "tls.key", &pair.1);
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (at("tls.crt"), at("tls.key"));
    let settings = [
        ("LISTEN__PUBLIC_TLS__CERTIFICATE", certificate.as_str()),
        ("LISTEN__PUBLIC_TLS__KEY", key.as_str()),
    ];
    let clock = ManualClock::default();
    clock.set(SystemClock.now());
    World::start_in(directory, clock, &settings).await
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[tokio::test]
async fn documents_are_served_over_https_in_both_versions_of_http_and_of_tls() {
    let ca = TestCa::default();
    let pair = pair(&ca, YEAR);
    let world = start(&pair).await;
    let client = TlsClient::new(&world, &ca.pem);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for (offered, agreed) in [
            (&["h2", "http/1.1"][..], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&["http/1.1", "h2"], Some("h2")),
            (&[], None),
        ] {
            let mut connection = client.connect_with(version, offered).await.unwrap();
            assert_eq!(connection.protocol.as_deref(), agreed.map(str::as_bytes));
            assert_eq!(connection.leaf, leaf(&pair));
            for path in [DISCOVERY, "/.well-known/jwks.json", DISCOVERY] {
                let document: Value = serde_json::from_slice(&connection.get(path).await).unwrap();
                assert!(document.is_object());
            }
        }
    }
    assert!(client.connect_with(&rustls::version::TLS13, &["moneyer-join/1"]).await.is_err());
    let stranger = TlsClient::new(&world, &TestCa::default().pem);
    let refused = stranger.connect().await.unwrap_err();
    let refused = refused.get_ref().unwrap().downcast_ref::<rustls::Error>().unwrap();
    assert!(matches!(refused, rustls::Error::InvalidCertificate(_)), "{refused}");
}

#[tokio::test]
async fn plain_http_is_answered_with_nothing() {
    let world = start(&pair(&TestCa::default(), YEAR)).await;
    let mut plain = TcpStream::connect(public_address(&world)).await.unwrap();
    let request = format!("GET {DISCOVERY} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    plain.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // An alert, or a reset.
    drop(plain.read_to_end(&mut answer).await);
    assert!(!answer.windows(4).any(|window| window == b"HTTP"), "{answer:?}");
}

/// The leaf that is shown once it is not `before`. Every connection until then is served.
async fn next_leaf(client: &TlsClient, before: &CertificateDer<'_>) -> CertificateDer<'static> {
    let patience = tokio::time::Instant::now() + Duration::from_secs(60);
    while tokio::time::Instant::now() < patience {
        let mut connection = client.connect().await.unwrap();
        connection.get(DISCOVERY).await;
        if connection.leaf != *before {
            return connection.leaf;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no other certificate was ever shown");
}

#[tokio::test]
async fn another_pair_serves_the_next_connection_and_open_ones_go_on() {
    let ca = TestCa::default();
    let (first, second, third) = (pair(&ca, YEAR), pair(&ca, YEAR), pair(&ca, YEAR));
    let world = start(&first).await;
    let client = TlsClient::new(&world, &ca.pem);
    let mut old = Vec::new();
    for protocols in [&["h2"][..], &["http/1.1"]] {
        let version = &rustls::version::TLS13;
        old.push(client.connect_with(version, protocols).await.unwrap());
    }
    let document = old[0].get(DISCOVERY).await;

    write(&world.directory, "tls.crt", &second.0);
    let mut between = client.connect().await.unwrap();
    assert_eq!(between.get(DISCOVERY).await, document);
    write(&world.directory, "tls.key", &second.1);
    assert_eq!(next_leaf(&client, &leaf(&first)).await, leaf(&second));

    // A broken pair, and then a good one: the broken one was never shown to anybody.
    let (half, _) = second.0.split_at(second.0.len() / 2);
    write(&world.directory, "tls.crt", half);
    write(&world.directory, "tls.key", "no key");
    assert_eq!(client.connect().await.unwrap().leaf, leaf(&second));
    write(&world.directory, "tls.key", &third.1);
    write(&world.directory, "tls.crt", &third.0);
    assert_eq!(next_leaf(&client, &leaf(&second)).await, leaf(&third));
    for connection in &mut old {
        assert_eq!(connection.get(DISCOVERY).await, document);
        assert_eq!(connection.leaf, leaf(&first));
    }
}

#[tokio::test]
async fn one_that_has_ended_is_told_and_stops_no_token() {
    // The clock of the coordinator stands still until it is moved.
    let pair = pair(&TestCa::default(), Duration::from_secs(30));
    let world = start(&pair).await;
    let not_after = SystemClock.now().0 + 30;
    let gauge = "moneyer_public_certificate_not_after_seconds ";
    let metrics = world.operations(Method::GET, "/metrics").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    let told = metrics.lines().find_map(|line| line.strip_prefix(gauge)).unwrap();
    assert!((told.parse::<i64>().unwrap() - not_after).abs() < 60, "{told}");

    let check = async |world: &World| {
        let answer = world.operations(Method::GET, "/readyz").await;
        assert_eq!(answer.status, 200);
        let health = json(&answer);
        assert_eq!(health["ready"], true);
        health["checks"].as_array().unwrap().last().unwrap().clone()
    };
    let good = serde_json::json!({ "name": "public_certificate", "ok": true, "needed": false });
    assert_eq!(check(&world).await, good);

    world.clock.advance(Duration::from_secs(45));
    let ended = check(&world).await;
    assert_eq!((&ended["name"], &ended["ok"]), (&good["name"], &false.into()));
    assert!(ended["problem"].as_str().unwrap().starts_with("the certificate has ended;"));
    let runner = world.join("r1").await;
    world.place("s1", "r1").await;
    runner.mint("s1", &["https://audience.example"]).await.unwrap();
}
