//! Who is at the other end of a connection, as far as the transport can tell.
//!
//! Every request carries `Arc<Peer>` in its extensions. What it holds was observed, not
//! claimed: no header (`X-Forwarded-For`, `Forwarded`) has any part in it.

use std::net::SocketAddr;

use crate::tls::{PeerCertificate, ShownChain};

/// The other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it connects from.
    pub address: PeerAddress,
    /// The verified certificate it authenticated with; `None` without mutual TLS.
    pub certificate: Option<PeerCertificate>,
    /// What it showed to a listener that asks for certificates and verifies none; `None` everywhere else.
    pub shown: Option<ShownChain>,
    /// The protocol agreed by ALPN; `None` without TLS or if none was offered.
    pub alpn: Option<Vec<u8>>,
}

impl Peer {
    /// One that spoke without TLS.
    #[must_use]
    pub fn plain(address: PeerAddress) -> Self {
        Self { address, certificate: None, shown: None, alpn: None }
    }
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerAddress {
    /// A TCP connection.
    Tcp(SocketAddr),
    /// A Unix socket connection, with the credentials (`SO_PEERCRED`) at the time of connect.
    Unix {
        /// Effective user.
        uid: u32,
        /// Effective group.
        gid: u32,
        /// Process, where the system tells it. The number may have been reused since.
        pid: Option<i32>,
    },
}
