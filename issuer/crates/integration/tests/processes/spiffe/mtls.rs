//! mTLS by the crate `spiffe-rustls`: two sandboxes know each other by their ids, and a foreign trust domain is refused
//! until there is a federation with it.

use std::io;
use std::net::TcpListener as Free;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use spiffe::{SpiffeId, TrustDomain, X509Source};
use spiffe_rustls::{authorizer, mtls_client, mtls_server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::cluster::Cluster;
use crate::stand::fetch;

const GREETING: &[u8] = b"hello";

/// A workload, and the only one it wants to talk to.
struct End<'a> {
    source: &'a X509Source,
    wants: SpiffeId,
}

/// What either end has to say of a connection.
struct Outcome {
    client: io::Result<()>,
    server: io::Result<()>,
}

impl Outcome {
    fn is_good(&self) -> bool {
        self.client.is_ok() && self.server.is_ok()
    }
}

/// The server greets whom it trusts. With TLS 1.3 a client knows by that alone whether it is.
async fn talk(client: End<'_>, server: End<'_>) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = mtls_server(server.source.clone())
        .authorize(authorizer::exact([server.wants]).unwrap())
        .build()
        .unwrap();
    let connecting = mtls_client(client.source.clone())
        .authorize(authorizer::exact([client.wants]).unwrap())
        .build()
        .unwrap();
    let serve = async {
        let (stream, _) = listener.accept().await?;
        let mut connection = TlsAcceptor::from(Arc::new(accepting)).accept(stream).await?;
        connection.write_all(GREETING).await?;
        connection.shutdown().await
    };
    let call = async {
        let stream = TcpStream::connect(address).await?;
        // The name is nobody's: ids alone count.
        let name = ServerName::try_from("nobody.example").unwrap();
        let mut connection = TlsConnector::from(Arc::new(connecting)).connect(name, stream).await?;
        let mut greeting = Vec::new();
        connection.read_to_end(&mut greeting).await?;
        assert_eq!(greeting, GREETING);
        Ok(())
    };
    let (client, server) = tokio::join!(call, serve);
    Outcome { client, server }
}

/// Why an end refused the other.
fn refusal(end: &io::Result<()>) -> &spiffe_rustls::Error {
    let error = end.as_ref().expect_err("it was trusted").get_ref();
    let Some(rustls::Error::Other(reason)) = error.and_then(|error| error.downcast_ref()) else {
        panic!("{error:?}")
    };
    reason.0.downcast_ref().unwrap_or_else(|| panic!("{reason:?}"))
}

fn unknown(end: &io::Result<()>, domain: &TrustDomain) -> bool {
    matches!(refusal(end), spiffe_rustls::Error::NoBundle(unknown) if unknown == domain)
}

fn unwanted(end: &io::Result<()>, id: &SpiffeId) -> bool {
    matches!(refusal(end), spiffe_rustls::Error::UnauthorizedSpiffeId(unwanted) if unwanted == id)
}

#[tokio::test(flavor = "multi_thread")]
async fn x8_two_sandboxes_know_each_other_by_spiffe_rustls() {
    let cluster = Cluster::start("own.example", &[]);
    cluster.attach("demo-2");
    let (one, two) = (cluster.source("demo-1").await, cluster.source("demo-2").await);
    let (first, second) = (cluster.id("demo-1"), cluster.id("demo-2"));
    let end = |source, wants: &SpiffeId| End { source, wants: wants.clone() };

    let called = talk(end(&one, &second), end(&two, &first)).await;
    assert!(called.is_good(), "{:?} {:?}", called.client, called.server);
    let called = talk(end(&two, &first), end(&one, &second)).await;
    assert!(called.is_good(), "{:?} {:?}", called.client, called.server);

    let called = talk(end(&one, &second), end(&two, &second)).await;
    assert!(unwanted(&called.server, &first), "{:?}", called.server);
    let called = talk(end(&one, &first), end(&two, &first)).await;
    assert!(unwanted(&called.client, &second), "{:?}", called.client);
    one.shutdown().await;
    two.shutdown().await;
}

/// Has `cluster` trust another by its `https_spiffe` endpoint, with the bundle that is handed over.
fn trust(cluster: &Cluster, other: &Cluster, endpoint: &str) {
    let public = other.said("public_url");
    let address = public.strip_prefix("http://").unwrap().parse().unwrap();
    let (status, bundle) = fetch(address, "/.well-known/spiffe-bundle").unwrap();
    assert_eq!(status, 200);
    let handed_over = cluster.file("bootstrap.json");
    std::fs::write(&handed_over, bundle).unwrap();
    let (domain, url) = (other.trust_domain().to_string(), format!("https://{endpoint}/"));
    let id = format!("spiffe://{domain}/moneyer/bundle");
    let said = cluster.moneyer(&[
        "federation",
        "put",
        &domain,
        "--url",
        &url,
        "--profile",
        "https_spiffe",
        "--endpoint-id",
        &id,
        "--bootstrap",
        path(&handed_over),
    ]);
    assert!(said.contains("is in force"), "{said}");
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

fn free_address() -> String {
    Free::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A cluster that others can federate with, and where it says its bundle.
fn federating(trust_domain: &str) -> (Cluster, String) {
    let address = free_address();
    let settings = [
        ("MONEYER__LISTEN__SPIFFE_BUNDLE", address.as_str()),
        ("MONEYER__FEDERATION__PRIVATE_ADDRESSES", "true"),
    ];
    (Cluster::start(trust_domain, &settings), address)
}

#[tokio::test(flavor = "multi_thread")]
async fn f9_spiffe_rustls_refuses_a_foreign_domain_without_a_federation_of_its_own() {
    let ((cluster, endpoint), (other, foreign)) =
        (federating("own.example"), federating("other.example"));
    let (ours, theirs) = (cluster.source("demo-1").await, other.source("demo-1").await);
    let our_end = || End { source: &ours, wants: other.id("demo-1") };
    let their_end = || End { source: &theirs, wants: cluster.id("demo-1") };

    // They trust us: what is refused is refused by us, at either end.
    let mut updates = theirs.updated();
    trust(&other, &cluster, &endpoint);
    updates.wait_for(|_| knows(&theirs, &cluster)).await.unwrap();
    let called = talk(their_end(), our_end()).await;
    assert!(unknown(&called.server, other.trust_domain()), "{:?}", called.server);
    let called = talk(our_end(), their_end()).await;
    assert!(unknown(&called.client, other.trust_domain()), "{:?}", called.client);

    let mut updates = ours.updated();
    trust(&cluster, &other, &foreign);
    updates.wait_for(|_| knows(&ours, &other)).await.unwrap();
    for called in [talk(their_end(), our_end()).await, talk(our_end(), their_end()).await] {
        assert!(called.is_good(), "{:?} {:?}", called.client, called.server);
    }

    let mut updates = ours.updated();
    cluster.moneyer(&["federation", "remove", "other.example"]);
    updates.wait_for(|_| !knows(&ours, &other)).await.unwrap();
    let called = talk(their_end(), our_end()).await;
    assert!(unknown(&called.server, other.trust_domain()), "{:?}", called.server);
    ours.shutdown().await;
    theirs.shutdown().await;
}

fn knows(source: &X509Source, other: &Cluster) -> bool {
    source.try_bundle_for_trust_domain(other.trust_domain()).is_some()
}
