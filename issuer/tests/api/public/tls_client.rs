//! A client of the public listener that speaks TLS and says what was agreed.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Builder;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use moneyer_daemon::listener::ListenAddress;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::world::World;

/// What every issuer in these tests is called.
pub(crate) const HOST: &str = "id.example.com";

/// A client that trusts one authority.
pub(crate) struct TlsClient {
    roots: Arc<RootCertStore>,
    address: SocketAddr,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: Sender,
    /// What was agreed by ALPN.
    pub(crate) protocol: Option<Vec<u8>>,
    /// The certificate that was shown.
    pub(crate) leaf: CertificateDer<'static>,
    /// It and those that came with it.
    pub(crate) chain: Vec<CertificateDer<'static>>,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

pub(crate) fn public_address(world: &World) -> SocketAddr {
    match world.app.addresses().public {
        ListenAddress::Tcp(address) => address,
        ListenAddress::Unix(_) => panic!("the public listener is bound to a TCP port"),
    }
}

impl TlsClient {
    pub(crate) fn new(world: &World, root_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap()).unwrap();
        Self { roots: Arc::new(roots), address: public_address(world) }
    }

    /// As browsers and SDKs come.
    pub(crate) async fn connect(&self) -> std::io::Result<Connection> {
        self.connect_with(&rustls::version::TLS13, &["h2", "http/1.1"]).await
    }

    pub(crate) async fn connect_with(
        &self,
        version: &'static SupportedProtocolVersion,
        protocols: &[&str],
    ) -> std::io::Result<Connection> {
        let mut config = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from(HOST).unwrap();
        Connection::open(self.address, config, name).await
    }
}

impl Connection {
    pub(crate) async fn open(
        address: SocketAddr,
        config: ClientConfig,
        name: ServerName<'static>,
    ) -> std::io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        let (_, session) = stream.get_ref();
        let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
        let shown = session.peer_certificates().unwrap().iter();
        let chain: Vec<_> = shown.map(|der| der.clone().into_owned()).collect();
        let io = TokioIo::new(stream);
        let sender = if protocol.as_deref() == Some(b"h2") {
            let (sender, connection) =
                http2::handshake(TokioExecutor::new(), io).await.map_err(std::io::Error::other)?;
            tokio::spawn(connection);
            Sender::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(io).await.map_err(std::io::Error::other)?;
            tokio::spawn(connection);
            Sender::Http1(sender)
        };
        Ok(Self { sender, protocol, leaf: chain[0].clone(), chain })
    }

    /// A document of the issuer, which is there.
    pub(crate) async fn get(&mut self, path: &str) -> Bytes {
        let answer = self.send(Method::GET, path, &[]).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.into_body()
    }

    /// Any request, and its whole answer.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Response<Bytes> {
        let request = Request::builder().method(method).uri(format!("https://{HOST}{path}"));
        let with = |request: Builder, (name, value): &(&str, &str)| request.header(*name, *value);
        let request = fields.iter().fold(request.header("host", HOST), with);
        let request = request.body(Empty::new()).unwrap();
        let answer = match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request).await,
            Sender::Http2(sender) => sender.send_request(request).await,
        };
        let (head, body) = answer.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }
}
