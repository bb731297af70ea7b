//! A connection that becomes a tunnel: by `CONNECT` (RFC 9110 section 9.3.6) or `Upgrade` (section 7.8).
//!
//! The guard holds back what a client sends after such a head, so that bytes which come before the answer are
//! never taken for requests, and whoever takes the tunnel over is told of them.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::http1_guard::Guard;
use super::preface::Replayed;
use super::stall::Stalling;

/// The stream under a connection of a proxy.
type Guarded = Guard<Replayed<Stalling>>;

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// The client has gone, or the answer was none that opens a tunnel.
    #[error("the connection did not become a tunnel")]
    NotOpened(#[source] hyper::Error),
    /// The connection is not one that [`Listener::serve_proxy`](super::Listener::serve_proxy) serves.
    #[error("the connection cannot become a tunnel")]
    OtherStream,
}

/// A request that may turn its connection into a tunnel.
#[derive(Debug)]
pub struct TunnelRequest(OnUpgrade);

impl TunnelRequest {
    /// Takes it out of a request; `None` where the request asks for no tunnel.
    pub fn of<B>(request: &mut Request<B>) -> Option<Self> {
        request.extensions_mut().remove::<OnUpgrade>().map(Self)
    }

    /// Waits until the answer, which must open the tunnel, has gone out, and takes the connection over.
    ///
    /// # Errors
    /// See [`TunnelError`].
    pub async fn opened(self) -> Result<Tunnel, TunnelError> {
        let upgraded = self.0.await.map_err(TunnelError::NotOpened)?;
        let parts = upgraded
            .downcast::<TokioIo<Guarded>>()
            .map_err(|_other_stream| TunnelError::OtherStream)?;
        let (io, held) = parts.io.into_inner().into_tunnel();
        let mut first = parts.read_buf.to_vec();
        first.extend_from_slice(&held);
        let spoke_early = !first.is_empty();
        Ok(Tunnel { spoke_early, stream: Replayed::new(first, io) })
    }
}

/// The bytes of a tunnel.
pub struct Tunnel {
    spoke_early: bool,
    stream: Replayed<Replayed<Stalling>>,
}

impl Tunnel {
    /// Whether the client sent bytes before it had the answer.
    #[must_use]
    pub fn spoke_early(&self) -> bool {
        self.spoke_early
    }

    /// The same for whoever passes bytes on: one direction may be closed while the other goes on, so that closing
    /// reads and throws away nothing.
    #[must_use]
    pub fn half_closing(mut self) -> Self {
        self.stream.io_mut().io_mut().stop_lingering();
        self
    }

    /// The first byte of it, which is still read after this; `None` where the client closes before one.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn first_byte(&mut self) -> io::Result<Option<u8>> {
        self.stream.next_byte().await
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("spoke_early", &self.spoke_early).finish_non_exhaustive()
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
