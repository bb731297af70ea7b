//! Connections that no listener accepted: what comes out of a tunnel that a proxy terminates.
//!
//! They are served with the same limits and the same strictness as those of a listener.

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Served, Speaks};
use super::stall::Stream;
use super::{Limits, Peer};

/// What is served inside of a tunnel.
pub struct Proxied {
    /// What answers.
    pub router: Router,
    /// The limits of the connection.
    pub limits: Limits,
    /// Cancelled when it is to close.
    pub stop: CancellationToken,
}

impl Proxied {
    /// Serves HTTP/1, which may become a tunnel in its turn, until the connection ends. HTTP/2 is not taken here.
    pub async fn http1(self, io: impl Stream + 'static, peer: Peer) {
        self.serve(Box::new(io), peer, Speaks::Tunnels).await;
    }

    /// Serves HTTP/2, and nothing else, until the connection ends.
    pub async fn http2(self, io: impl Stream + 'static, peer: Peer) {
        self.serve(Box::new(io), peer, Speaks::Http2).await;
    }

    async fn serve(self, io: Box<dyn Stream>, peer: Peer, speaks: Speaks) {
        let Self { router, limits, stop } = self;
        let served = Served { router, limits, stop, speaks, in_tunnel: true };
        connection::serve(Arc::new(served), io, peer, None).await;
    }
}
