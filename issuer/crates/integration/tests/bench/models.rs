//! The models of an API server and of Vault behind TLS, each answer later by as much as is asked for.
//!
//! Both are served by this process at one address: their paths differ. The time is added before the model is asked,
//! and never to the key set, which is fetched beside exchanges and not for them. A thread waits for it, since the
//! runtime's timer counts whole milliseconds and would make two of them three.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use moneyer_identity::{Clock as _, SystemClock};
use moneyer_testkit::vault_model::VaultTransitModel;
use moneyer_testkit::{ForeignIssuer, ManualClock, ModelAccount, TestCa, TokenReviewModel};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The `iss` of the model's service account tokens.
pub(crate) const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

/// What whoever asks the API server shows.
pub(crate) const REVIEWER: &str = "reviewer-token";

/// What whoever asks Vault shows.
pub(crate) const VAULT_TOKEN: &str = "s.bench";

/// Pods that exchange their tokens, each its own.
pub(crate) const PODS: u64 = 16;

/// The served models.
pub(crate) struct Models {
    pub(crate) ca: TestCa,
    pub(crate) address: SocketAddr,
    served: Served,
    clock: ManualClock,
}

#[derive(Clone)]
struct Served {
    cluster: TokenReviewModel,
    vault: VaultTransitModel,
    latency_ms: Arc<AtomicU64>,
}

impl Models {
    /// On loopback, with a transit key of this type for whoever calls as Jwtlet does.
    pub(crate) async fn start(pattern_key: &str, kind: &str) -> Self {
        let clock = ManualClock::default();
        let key = ForeignIssuer::rsa("cluster.example", "k1");
        let cluster = TokenReviewModel::new(CLUSTER, key, clock.clone(), REVIEWER);
        let vault = VaultTransitModel::default();
        vault.accept_token(VAULT_TOKEN);
        vault.create(pattern_key, kind);
        let served = Served { cluster, vault, latency_ms: Arc::default() };
        let ca = TestCa::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(listen(listener, acceptor(&ca), served.clone()));
        let models = Self { ca, address, served, clock };
        models.tokens();
        models
    }

    /// How a client that trusts [`Self::ca`] reaches both.
    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Makes every answer later by this.
    pub(crate) fn delay(&self, milliseconds: u64) {
        self.served.latency_ms.store(milliseconds, Ordering::SeqCst);
    }

    /// A new token of each pod, good for ten minutes.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.clock.set(SystemClock.now());
        let token = |pod| {
            let account = ModelAccount::new("ns1", "sa1").in_pod(&format!("pod-{pod}"));
            self.served.cluster.request_token(&account, "moneyer")
        };
        (0..PODS).map(token).collect()
    }

    /// Reviews so far, and calls of Vault since the last time this was asked.
    pub(crate) fn calls(&self) -> (u64, u64) {
        let count = |calls: usize| u64::try_from(calls).unwrap();
        (count(self.served.cluster.reviews()), count(self.served.vault.calls().len()))
    }
}

fn acceptor(ca: &TestCa) -> TlsAcceptor {
    let (certificate, key) = ca.server("localhost", (2020, 2120));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], PrivatePkcs8KeyDer::from(key).into());
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

async fn listen(listener: TcpListener, acceptor: TlsAcceptor, served: Served) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (acceptor, served) = (acceptor.clone(), served.clone());
        tokio::spawn(async move {
            // Who goes away before or after the handshake is no matter.
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| answer(served.clone(), request));
            let http = hyper::server::conn::http1::Builder::new();
            http.serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn answer(
    served: Served,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = parts.uri.path();
    if path == "/openid/v1/jwks" {
        return Ok(Response::new(served.cluster.key_set().into_bytes().into()));
    }
    let later = Duration::from_millis(served.latency_ms.load(Ordering::SeqCst));
    if !later.is_zero() {
        tokio::task::spawn_blocking(move || std::thread::sleep(later)).await.unwrap();
    }
    if path.starts_with("/v1/") {
        let (parts, body) = served.vault.answer(&Request::from_parts(parts, body)).into_parts();
        return Ok(Response::from_parts(parts, body.into()));
    }
    let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (status, text) = served.cluster.answer(shown, &body);
    let mut response = Response::new(Full::from(text.into_bytes()));
    *response.status_mut() = status.try_into().unwrap();
    Ok(response)
}
