//! Connections to upstreams: to an address that was checked, and where it is encrypted to the name that was asked for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use moneyer_daemon::listener::Stream;
use moneyer_daemon::tls::{TlsError, WebAlpn, WebTls};
use moneyer_identity::SandboxId;
use moneyer_identity::grant::Destination;
use tokio::net::TcpStream;

use super::look_ups::LookUps;
use super::names::{Names, Pinned};
use super::refusal::Refusal;

/// Time for a connection, and for a handshake on it: two round trips over the slowest link take under 2 s.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Dials upstreams.
pub(crate) struct Dialler {
    look_ups: LookUps,
    tls: WebTls,
}

/// A connection.
pub(super) struct Dialled {
    pub(super) stream: Box<dyn Stream>,
    /// To which address.
    pub(super) address: IpAddr,
    pub(super) is_http2: bool,
}

impl Dialler {
    /// One that looks names up so, and trusts the roots of the machine and these (PEM).
    pub(crate) fn new(
        names: impl Names + 'static,
        extra_roots: &[Vec<u8>],
    ) -> Result<Self, TlsError> {
        Ok(Self { look_ups: LookUps::new(names), tls: WebTls::new(extra_roots)? })
    }

    /// Looks a destination up for a sandbox.
    pub(super) async fn pin(
        &self,
        destination: &Destination,
        sandbox: &SandboxId,
    ) -> Result<Pinned, Refusal> {
        Pinned::of(destination, sandbox, &self.look_ups).await
    }

    /// A connection without TLS to one of these addresses: the first that takes it.
    pub(super) async fn plain(
        &self,
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<(TcpStream, IpAddr), Refusal> {
        let trying = first_of(addresses, port);
        let over = |_over| Refusal::Unreachable(io::ErrorKind::TimedOut.into());
        tokio::time::timeout(CONNECT_LIMIT, trying).await.map_err(over)?
    }

    /// A connection on which requests are sent: encrypted, where `alpn` says what is spoken in it.
    pub(super) async fn connect(
        &self,
        destination: &Destination,
        addresses: &[IpAddr],
        alpn: Option<WebAlpn>,
    ) -> Result<Dialled, Refusal> {
        let (tcp, address) = self.plain(addresses, destination.port()).await?;
        let Some(alpn) = alpn else {
            return Ok(Dialled { stream: Box::new(tcp), address, is_http2: false });
        };
        let shaking = self.tls.connect(destination.host(), tcp, alpn);
        let shaken = tokio::time::timeout(CONNECT_LIMIT, shaking).await;
        let over = |_over| Refusal::Tls(io::ErrorKind::TimedOut.into());
        let connection = shaken.map_err(over)?.map_err(Refusal::Tls)?;
        Ok(Dialled { stream: connection.stream, address, is_http2: connection.is_http2 })
    }
}

async fn first_of(addresses: &[IpAddr], port: u16) -> Result<(TcpStream, IpAddr), Refusal> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(*address, port)).await {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(Refusal::Unreachable)?;
                return Ok((stream, *address));
            }
            Err(error) => last = error,
        }
    }
    Err(Refusal::Unreachable(last))
}
