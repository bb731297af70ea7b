//! One HTTP server for every protocol and every kind of socket.
//!
//! HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113) over TCP, TLS and Unix sockets, served to an
//! `axum::Router`. A client gets nothing for free: every phase of a connection has a time
//! limit and every quantity a cap ([`Limits`]), and HTTP/1 framing that two readers could
//! understand in two ways is refused before hyper sees it ([`http1_guard`]). Tunnels
//! (`CONNECT`, `Upgrade`) are served to a proxy alone, which [asks for it](Listener::serve_proxy).

mod activity;
mod address;
mod bind;
mod body;
mod connection;
mod cork;
mod drive;
pub mod http1_guard;
mod limits;
mod local_authority;
mod multiplexed;
mod peer;
mod per_address;
mod preface;
mod proxied;
mod serve;
mod stall;
mod strangers;
#[cfg(test)]
mod tests;
mod tunnel;
mod unix_path;

pub use address::{ListenAddress, ParseAddressError};
pub use bind::{BindError, Listener, UnixMode};
pub use limits::Limits;
pub use peer::{Peer, PeerAddress};
pub use proxied::Proxied;
pub use serve::Tls;
pub use stall::Stream;
pub use strangers::Stranger;
pub use tunnel::{Tunnel, TunnelError, TunnelRequest};
pub(crate) use unix_path::ShortPath;

pub use crate::tls::PeerCertificate;
