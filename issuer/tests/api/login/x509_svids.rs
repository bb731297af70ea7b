//! Log-in by mutual TLS: the X.509-SVID that a client shows to the exchange listener.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use moneyer_daemon::listener::ListenAddress;
use moneyer_identity::{Clock as _, SystemClock};
use moneyer_testkit::TestCa;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};

use super::{PATH, assert_body, world_in};
use crate::federation::foreign::{Foreign, says, web_body};
use crate::public::tls_client::{Connection, HOST};
use crate::world::World;

/// A certificate and its key, DER.
type Shown = (Vec<u8>, Vec<u8>);

const WORKLOAD: &str = "spiffe://other.example/ci/one";

/// A coordinator with https, and the authority of its certificate.
struct Scene {
    world: World,
    web: TestCa,
    _bundle: Foreign,
}

impl Scene {
    /// `other.example` is federated by the bundle of `ca`, and may log in, as the cluster itself may.
    async fn new(ca: &TestCa) -> Self {
        let web = TestCa::default();
        let directory = tempfile::tempdir().unwrap();
        let (hour, now) = (Duration::from_secs(3600), SystemClock.now());
        let (certificate, key) = web.server_files(HOST, (now.minus(hour), now.plus(24 * hour)));
        for (name, text) in [("tls.crt", certificate), ("tls.key", key)] {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (certificate, key) = (at("tls.crt"), at("tls.key"));
        let settings = [
            ("LISTEN__PUBLIC_TLS__CERTIFICATE", certificate.as_str()),
            ("LISTEN__PUBLIC_TLS__KEY", key.as_str()),
        ];
        let text = "[[login.trust_domain]]\nname = 'other.example'\n\
                    [[login.trust_domain]]\nname = 'id.example.com'\n\
                    [[login.trust_domain]]\nname = 'waiting.example'\n";
        let world = world_in(directory, text, &settings).await;
        let bundle = Foreign::web(ca, says(1, &[ca]));
        world.federate(&web_body(&bundle.url, ca)).await;
        for (name, domain) in
            [("others", "other.example"), ("own", "id.example.com"), ("waiting", "waiting.example")]
        {
            let patterns = [format!("spiffe://{domain}/**")];
            let body =
                json!({ "patterns": patterns, "effect": "allow", "permissions": ["*:read"] });
            world.put_policy(name, &body).await;
        }
        Self { world, web, _bundle: bundle }
    }

    /// Connects and shows these certificates, the first with its key.
    async fn connect(
        &self,
        shown: Option<&Shown>,
        version: &'static SupportedProtocolVersion,
        to: &ListenAddress,
    ) -> std::io::Result<Connection> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.web.pem.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(Arc::new(roots));
        let mut config = match shown {
            Some((certificate, key)) => {
                let key = key.clone().try_into().unwrap();
                builder.with_client_auth_cert(vec![certificate.clone().into()], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let ListenAddress::Tcp(address) = *to else { panic!("TCP") };
        Connection::open(address, config, ServerName::try_from(HOST).unwrap()).await
    }

    async fn log_in(&self, shown: Option<&Shown>) -> Response<bytes::Bytes> {
        let exchange = self.world.exchange();
        let mut connection = self.connect(shown, &rustls::version::TLS13, &exchange).await.unwrap();
        connection.send(Method::POST, PATH, &[]).await
    }

    #[track_caller]
    fn is_refused(answer: &Response<bytes::Bytes>, what: &str) {
        assert_eq!(answer.status(), 401, "{what}");
        assert_eq!(answer.headers()["www-authenticate"], "Bearer", "{what}");
        assert_body(answer.body(), what);
    }
}

#[tokio::test]
async fn an_x509_svid_logs_in_by_its_handshake_in_both_versions_of_tls() {
    let ca = TestCa::default();
    let scene = Scene::new(&ca).await;
    let (svid, exchange) = (ca.svid(WORKLOAD), scene.world.exchange());
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut connection = scene.connect(Some(&svid), version, &exchange).await.unwrap();
        // As often as it likes, on one connection.
        for _ in 0..2 {
            let answer = connection.send(Method::POST, PATH, &[]).await;
            assert_eq!(answer.status(), 200, "{:?}", answer.body());
            let view: Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!(view["spiffe_id"], WORKLOAD);
            assert_eq!(view["policies"], json!(["others"]));
        }
    }
    // The token is good over https, and shown to the public listener the SVID is nothing.
    let answer = scene.log_in(Some(&svid)).await;
    let view: Value = serde_json::from_slice(answer.body()).unwrap();
    let bearer = format!("Bearer {}", view["access_token"].as_str().unwrap());
    let remote = scene.world.app.addresses().management_remote.clone().unwrap();
    let mut connection = scene.connect(None, &rustls::version::TLS13, &remote).await.unwrap();
    let fields = [("authorization", bearer.as_str())];
    assert_eq!(connection.send(Method::GET, "/api/v1/apps", &fields).await.status(), 200);
}

#[tokio::test]
async fn an_operator_shows_its_x509_svid_to_the_management_api_and_needs_no_token() {
    let (ca, other) = (TestCa::default(), TestCa::default());
    let scene = Scene::new(&ca).await;
    let remote = scene.world.app.addresses().management_remote.clone().unwrap();
    let send = async |shown: Option<&Shown>, method: Method, path: &str, fields: &[_]| {
        let mut connection = scene.connect(shown, &rustls::version::TLS13, &remote).await.unwrap();
        connection.send(method, &format!("/api/v1{path}"), fields).await
    };
    let operator = ca.svid("spiffe://other.example/moneyer/operator/ada");
    let answer = send(Some(&operator), Method::GET, "/apps", &[]).await;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    // The policy lets it read.
    let denied = send(Some(&operator), Method::DELETE, "/apps/web", &[]).await;
    assert_eq!(denied.status(), 403);
    for (what, shown) in [
        ("no certificate", None),
        ("another authority", Some(other.svid(WORKLOAD))),
        ("an expired one", Some(ca.svid_within(WORKLOAD, (2020, 2021)))),
        ("an unknown domain", Some(ca.svid("spiffe://third.example/ci/one"))),
    ] {
        Scene::is_refused(&send(shown.as_ref(), Method::GET, "/apps", &[]).await, what);
    }
    // A token that is shown as well is what counts.
    let garbage = [("authorization", "Bearer garbage")];
    Scene::is_refused(&send(Some(&operator), Method::GET, "/apps", &garbage).await, "garbage");
    let waiting = ca.svid("spiffe://waiting.example/ci/one");
    assert_eq!(send(Some(&waiting), Method::GET, "/apps", &[]).await.status(), 503);
    // As soon as no policy names it, it is nobody; and what it does is recorded under its name.
    let patterns = ["spiffe://other.example/moneyer/operator/*"];
    let write = json!({ "patterns": patterns, "effect": "allow", "permissions": ["apps:write"] });
    scene.world.put_policy("operators", &write).await;
    let removed = send(Some(&operator), Method::DELETE, "/apps/web", &[]).await;
    assert_eq!(removed.status(), 204, "it may");
    let deny = json!({ "patterns": patterns, "effect": "deny" });
    scene.world.put_policy("operators", &deny).await;
    Scene::is_refused(&send(Some(&operator), Method::GET, "/apps", &[]).await, "denied");
}

#[tokio::test]
async fn whoever_shows_no_good_x509_svid_is_refused_alike() {
    let (ca, other) = (TestCa::default(), TestCa::default());
    let scene = Scene::new(&ca).await;
    let own = "spiffe://id.example.com/app/web/sandbox/web-1";
    for (what, shown) in [
        ("no certificate", None),
        ("one of another authority", Some(other.svid(WORKLOAD))),
        ("an expired one", Some(ca.svid_within(WORKLOAD, (2020, 2021)))),
        ("one of tomorrow", Some(ca.svid_within(WORKLOAD, (2100, 2101)))),
        ("one for an unknown domain", Some(ca.svid("spiffe://third.example/ci/one"))),
        ("one for the cluster's own domain", Some(ca.svid(own))),
        ("one for a trust domain itself", Some(ca.svid("spiffe://other.example"))),
        ("one with a name of the web", Some(ca.server("other.example", (2020, 2120)))),
        ("one with an odd id", Some(ca.svid("spiffe://other.example/../x"))),
        ("one with a URL", Some(ca.svid("https://other.example/ci/one"))),
    ] {
        let answer = scene.log_in(shown.as_ref()).await;
        Scene::is_refused(&answer, what);
    }
    assert_eq!(scene.log_in(Some(&ca.svid(WORKLOAD))).await.status(), 200);
    // Of a domain that may log in and has no bundle yet it cannot be told.
    let waiting = scene.log_in(Some(&ca.svid("spiffe://waiting.example/ci/one"))).await;
    assert_eq!(waiting.status(), 503);
}

#[tokio::test]
async fn a_certificate_without_its_key_does_not_come_through_the_handshake() {
    let ca = TestCa::default();
    let scene = Scene::new(&ca).await;
    let ((certificate, _), (_, key)) = (ca.svid(WORKLOAD), ca.svid(WORKLOAD));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(scene.web.pem.as_bytes()).unwrap()).unwrap();
    // rustls would refuse to make such a client, so the key is put beside the certificate by hand.
    let key =
        rustls::crypto::aws_lc_rs::sign::any_supported_type(&key.try_into().unwrap()).unwrap();
    let certified = rustls::sign::CertifiedKey::new(vec![certificate.into()], key);
    let resolver = rustls::sign::SingleCertAndKey::from(certified);
    let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
        .with_root_certificates(Arc::new(roots))
        .with_client_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let ListenAddress::Tcp(address) = scene.world.exchange() else { panic!("TCP") };
    let refused = Connection::open(address, config, ServerName::try_from(HOST).unwrap()).await;
    assert!(refused.is_err(), "{refused:?}");
}
