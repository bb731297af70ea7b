//! Connections to upstreams: to an address that was checked, and where it is encrypted to the name that was asked for.
//!
//! Each sandbox has so many of them and no more, whatever tunnels they are of.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use moneyer_daemon::listener::Stream;
use moneyer_daemon::tls::{TlsError, WebAlpn, WebTls};
use moneyer_identity::SandboxId;
use moneyer_identity::grant::Destination;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;

use super::look_ups::LookUps;
use super::names::{Names, Pinned};
use super::placed::Placed;
use super::refusal::Refusal;
use super::shares::Shares;

/// Time for a connection, and for a handshake on it: two round trips over the slowest link take under 2 s.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Most connections of one sandbox to upstreams: two for each tunnel that it has where nothing is configured.
const MAXIMUM_CONNECTIONS_OF_A_SANDBOX: usize = 512;

/// Most of them that wait for a next request: a program that works with more hosts at a time dials anew.
const MAXIMUM_IDLE_OF_A_SANDBOX: usize = 64;

/// Dials upstreams.
pub(crate) struct Dialler {
    look_ups: LookUps,
    tls: WebTls,
    connections: Shares,
    idle: Shares,
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
        let connections = Shares::new(MAXIMUM_CONNECTIONS_OF_A_SANDBOX);
        let idle = Shares::new(MAXIMUM_IDLE_OF_A_SANDBOX);
        Ok(Self {
            look_ups: LookUps::new(names),
            tls: WebTls::new(extra_roots)?,
            connections,
            idle,
        })
    }

    /// Looks a destination up for a sandbox.
    pub(super) async fn pin(
        &self,
        destination: &Destination,
        sandbox: &SandboxId,
    ) -> Result<Pinned, Refusal> {
        Pinned::of(destination, sandbox, &self.look_ups).await
    }

    /// A place for a connection that waits for its next request; `None` where the sandbox has as many as it may.
    pub(super) fn place_of_idle(&self, sandbox: &SandboxId) -> Option<OwnedSemaphorePermit> {
        self.idle.take(sandbox)
    }

    /// A sandbox's connection without TLS to one of these addresses: the first that takes it.
    pub(super) async fn plain(
        &self,
        sandbox: &SandboxId,
        addresses: &[IpAddr],
        port: u16,
    ) -> Result<(Placed, IpAddr), Refusal> {
        let place = self.connections.take(sandbox).ok_or(Refusal::Connections)?;
        let trying = first_of(addresses, port);
        let over = |_over| Refusal::Unreachable(io::ErrorKind::TimedOut.into());
        let (tcp, address) = tokio::time::timeout(CONNECT_LIMIT, trying).await.map_err(over)??;
        Ok((Placed::new(tcp, place), address))
    }

    /// A sandbox's connection on which requests are sent: encrypted, where `alpn` says what is spoken in it.
    pub(super) async fn connect(
        &self,
        sandbox: &SandboxId,
        destination: &Destination,
        addresses: &[IpAddr],
        alpn: Option<WebAlpn>,
    ) -> Result<Dialled, Refusal> {
        let (tcp, address) = self.plain(sandbox, addresses, destination.port()).await?;
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::fakes::sandbox;
    use crate::forward::SystemNames;

    #[tokio::test]
    async fn a_sandbox_has_512_connections_to_upstreams_and_another_has_its_own() {
        let dialler = Dialler::new(SystemNames, &[]).unwrap();
        let upstream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (port, addresses) =
            (upstream.local_addr().unwrap().port(), [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        let dial = async |id: &str| dialler.plain(&sandbox(id), &addresses, port).await;
        let take = || dialler.connections.take(&sandbox("s"));
        let mut places: Vec<_> =
            std::iter::repeat_with(take).take(MAXIMUM_CONNECTIONS_OF_A_SANDBOX - 1).collect();
        let last = dial("s").await.unwrap();
        assert!(matches!(dial("s").await, Err(Refusal::Connections)));
        dial("other").await.unwrap();
        drop(last);
        let held = dial("s").await.unwrap();
        assert!(matches!(dial("s").await, Err(Refusal::Connections)));
        places.pop();
        dial("s").await.unwrap();
        drop(held);
    }

    #[tokio::test]
    async fn a_sandbox_has_64_connections_that_wait() {
        let dialler = Dialler::new(SystemNames, &[]).unwrap();
        let take = |id: &str| dialler.place_of_idle(&sandbox(id));
        let held: Vec<_> = (0..MAXIMUM_IDLE_OF_A_SANDBOX).map(|_| take("s").unwrap()).collect();
        assert!(take("s").is_none() && take("other").is_some());
        drop(held);
        assert!(take("s").is_some());
    }
}
