//! The model of Vault's transit engine behind a real socket, which can be closed and opened again.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::response::Response;
use http_body_util::BodyExt as _;
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, ListenAddress, Listener, Tls, UnixMode};
use moneyer_daemon::tls::{ServerTls, TlsIdentity};
use moneyer_testkit::TestCa;
use moneyer_testkit::vault_model::VaultTransitModel;
use tokio::runtime::Runtime;

/// A served model.
pub(super) struct VaultServer {
    pub(super) model: VaultTransitModel,
    pub(super) address: SocketAddr,
    tls: Option<ServerTls>,
    /// Gone while nobody listens: its connections go with it.
    running: Option<Runtime>,
}

impl VaultServer {
    /// One on loopback, in the clear.
    pub(super) fn start() -> Self {
        Self::serving(None)
    }

    /// One whose certificate is of this authority.
    pub(super) fn start_with_tls(ca: &TestCa) -> Self {
        let (chain, key) = ca.server("localhost", (2020, 2120));
        let identity = TlsIdentity::new(vec![chain.into()], key.into());
        Self::serving(Some(ServerTls::server_only(&identity).unwrap()))
    }

    fn serving(tls: Option<ServerTls>) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { model: VaultTransitModel::default(), address, tls, running: None };
        server.open();
        server
    }

    /// Listens again where it did.
    pub(super) fn open(&mut self) {
        let runtime = Runtime::new().unwrap();
        let model = self.model.clone();
        let router = Router::new().fallback(move |request: Request| {
            let model = model.clone();
            async move { answer(&model, request).await }
        });
        let tls = self.tls.clone().map_or(Tls::Off, Tls::On);
        let within = runtime.enter();
        let listener = Listener::bind(&self.address.to_string().parse().unwrap(), UnixMode::Owner);
        let listener = listener.unwrap();
        let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
        drop(within);
        self.address = address;
        let limits = Limits { max_connections_per_ip: 1000, ..Limits::default() };
        runtime.spawn(async move { listener.serve(router, limits, tls, &Shutdown::new()).await });
        self.running = Some(runtime);
    }

    /// Closes the listener and every connection.
    pub(super) fn close(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown_background();
        }
    }
}

impl Drop for VaultServer {
    fn drop(&mut self) {
        self.close();
    }
}

async fn answer(model: &VaultTransitModel, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let answer = model.answer(&http::Request::from_parts(parts, body));
    let (parts, body): (_, Bytes) = answer.into_parts();
    Response::from_parts(parts, body.into())
}
