//! Dialling a server over TCP and TLS within one time limit.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::ClientTls;

/// Time for name lookup, TCP and TLS together: a coordinator that is up answers in
/// milliseconds, and a caller that waits longer should rather try another one.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A connection as hyper and tonic take it.
pub type TlsConnection = TokioIo<TlsStream<TcpStream>>;

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address has no host.
    #[error("{uri} names no host to connect to")]
    NoHost {
        /// The address.
        uri: Uri,
    },
    /// TCP failed, or the name has no address.
    #[error("cannot reach {address}; is the coordinator running there?")]
    Dial {
        /// Host and port.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// One end refused the other's certificate, or the far end does not speak TLS 1.3.
    #[error("the TLS handshake with {address} failed")]
    Handshake {
        /// Host and port.
        address: String,
        /// What rustls said.
        #[source]
        source: io::Error,
    },
    /// Nothing came back in time.
    #[error("{address} did not answer within {} seconds", .limit.as_secs())]
    TimedOut {
        /// Host and port.
        address: String,
        /// The limit.
        limit: Duration,
    },
}

/// Dials `host:port` of a URI (default port 443) whatever its scheme, always with TLS.
#[derive(Debug, Clone)]
pub struct TlsConnector {
    tls: ClientTls,
    limit: Duration,
}

impl TlsConnector {
    pub(super) fn new(tls: ClientTls) -> Self {
        Self { tls, limit: CONNECT_LIMIT }
    }

    /// Dials `uri`.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(&self, uri: Uri) -> Result<TlsConnection, ConnectError> {
        let host = match uri.host() {
            Some(host) => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            None => return Err(ConnectError::NoHost { uri }),
        };
        let port = uri.port_u16().unwrap_or(443);
        let address = format!("{host}:{port}");
        let attempt = self.attempt(&host, port, &address);
        match tokio::time::timeout(self.limit, attempt).await {
            Ok(done) => done,
            Err(_) => Err(ConnectError::TimedOut { address: address.clone(), limit: self.limit }),
        }
    }

    async fn attempt(
        &self,
        host: &str,
        port: u16,
        address: &str,
    ) -> Result<TlsConnection, ConnectError> {
        let dial = |source| ConnectError::Dial { address: address.to_owned(), source };
        let tcp = TcpStream::connect((host, port)).await.map_err(dial)?;
        tcp.set_nodelay(true).map_err(dial)?;
        // rustls wants a name, yet it is neither sent (no SNI) nor verified.
        let name = ServerName::try_from(host.to_owned())
            .or_else(|_| ServerName::try_from("server.invalid"))
            .map_err(|error| dial(io::Error::other(error)))?;
        let stream =
            tokio_rustls::TlsConnector::from(self.tls.config()).connect(name, tcp).await.map_err(
                |source| ConnectError::Handshake { address: address.to_owned(), source },
            )?;
        Ok(TokioIo::new(stream))
    }
}

impl tower::Service<Uri> for TlsConnector {
    type Response = TlsConnection;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<TlsConnection, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(uri).await })
    }
}
