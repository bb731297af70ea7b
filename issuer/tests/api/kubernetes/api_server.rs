//! The model of an API server behind TLS, which can be slow, broken and away.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, ListenAddress, Listener, Tls, UnixMode};
use moneyer_daemon::tls::{ServerTls, TlsIdentity};
use moneyer_testkit::{TestCa, TokenReviewModel};
use tokio::sync::Notify;

/// What is wrong with it.
#[derive(Debug, Clone, Default)]
pub(crate) enum Fault {
    #[default]
    None,
    /// It takes the question and never answers.
    Hangs,
    /// It answers once it is told to.
    Waits(Arc<Notify>),
    /// It answers with this.
    Says(u16, String),
    /// It leads elsewhere.
    Redirects,
}

#[derive(Clone)]
struct Served {
    model: TokenReviewModel,
    fault: Arc<Mutex<Fault>>,
    came: Arc<AtomicUsize>,
}

/// A model behind TLS.
pub(crate) struct ApiServer {
    pub(crate) url: String,
    served: Served,
    identity: (Vec<u8>, Vec<u8>),
    shutdown: Shutdown,
}

impl ApiServer {
    pub(crate) fn start(ca: &TestCa, model: &TokenReviewModel) -> Self {
        let served = Served { model: model.clone(), fault: Arc::default(), came: Arc::default() };
        let identity = ca.server("localhost", (2020, 2120));
        let (address, shutdown) = serve("127.0.0.1:0", &identity, &served);
        Self { url: format!("https://localhost:{address}"), served, identity, shutdown }
    }

    pub(crate) fn fault(&self, fault: Fault) {
        *self.served.fault.lock().unwrap() = fault;
    }

    /// Questions that came, whoever asked and whatever was answered.
    pub(crate) fn came(&self) -> usize {
        self.served.came.load(Ordering::SeqCst)
    }

    /// Ends it: its port is closed and so is every connection.
    pub(crate) async fn stop(&self) {
        assert_eq!(
            self.shutdown.drain(Duration::from_secs(5)).await,
            moneyer_daemon::lifecycle::Drain::Complete
        );
    }

    /// Starts it again where it was.
    pub(crate) fn again(&mut self) {
        let address = self.url.replace("https://localhost", "127.0.0.1");
        self.shutdown = serve(&address, &self.identity, &self.served).1;
    }
}

fn serve(address: &str, identity: &(Vec<u8>, Vec<u8>), served: &Served) -> (u16, Shutdown) {
    let (certificate, key) = identity.clone();
    let identity = TlsIdentity::new(vec![certificate.into()], key.into());
    let tls = ServerTls::server_only(&identity).unwrap();
    let listener = Listener::bind(&address.parse().unwrap(), UnixMode::Owner).unwrap();
    let ListenAddress::Tcp(bound) = *listener.local_address() else { unreachable!() };
    let router = Router::new()
        .route("/apis/authentication.k8s.io/v1/tokenreviews", post(review))
        .route("/openid/v1/jwks", get(keys))
        .route("/elsewhere", post(review))
        .with_state(served.clone());
    let (shutdown, limits) = (Shutdown::new(), Limits::default());
    let limits = Limits { max_connections_per_ip: 1000, ..limits };
    let within = shutdown.clone();
    shutdown.spawn("API server", async move {
        listener.serve(router, limits, Tls::On(tls), &within).await;
    });
    (bound.port(), shutdown)
}

async fn keys(State(served): State<Served>, headers: HeaderMap) -> Response {
    // As the real one was seen to: it has it under this type and under no other.
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if !accepted.is_some_and(|accepted| accepted.contains("application/jwk-set+json")) {
        return StatusCode::NOT_ACCEPTABLE.into_response();
    }
    if matches!(*served.fault.lock().unwrap(), Fault::Hangs) {
        return std::future::pending().await;
    }
    served.model.key_set().into_response()
}

async fn review(State(served): State<Served>, headers: HeaderMap, body: Bytes) -> Response {
    let about_a_token = String::from_utf8_lossy(&body).contains("\"eyJ");
    served.came.fetch_add(usize::from(about_a_token), Ordering::SeqCst);
    let fault = served.fault.lock().unwrap().clone();
    match fault {
        Fault::None => {}
        Fault::Hangs => std::future::pending().await,
        Fault::Waits(told) => told.notified().await,
        Fault::Says(status, text) => {
            return (StatusCode::from_u16(status).unwrap(), text).into_response();
        }
        Fault::Redirects => return Redirect::temporary("/elsewhere").into_response(),
    }
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (status, answer) = served.model.answer(shown, &body);
    (StatusCode::from_u16(status).unwrap(), answer).into_response()
}
