//! Which protocol a client speaks, by the first bytes it sends.
//!
//! HTTP/2 begins with a fixed preface (RFC 9113 section 3.4) that is no HTTP/1 request, so
//! the two share a port without ALPN.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// The connection preface of HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes read at once: a usual first request arrives whole.
const READ_BYTES: usize = 2048;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A stream of which the first bytes were read already and come again.
pub(super) struct Replayed<IO> {
    first: Vec<u8>,
    sent: usize,
    io: IO,
}

impl<IO> Replayed<IO> {
    /// A stream of which these bytes were read.
    pub(super) fn new(first: Vec<u8>, io: IO) -> Self {
        Self { first, sent: 0, io }
    }

    /// The stream itself.
    pub(super) fn io_mut(&mut self) -> &mut IO {
        &mut self.io
    }
}

impl<IO: AsyncRead + Unpin> Replayed<IO> {
    /// The byte that is read next, and stays so; `None` at the end.
    pub(super) async fn next_byte(&mut self) -> io::Result<Option<u8>> {
        if self.sent == self.first.len() {
            (self.first, self.sent) = (Vec::new(), 0);
            self.io.read_buf(&mut self.first).await?;
        }
        Ok(self.first.get(self.sent).copied())
    }
}

/// Reads until the protocol is clear; `None` if the client closes before that.
pub(super) async fn detect<IO: AsyncRead + Unpin>(
    mut io: IO,
) -> io::Result<Option<(Protocol, Replayed<IO>)>> {
    let mut first = Vec::with_capacity(READ_BYTES);
    let protocol = loop {
        if io.read_buf(&mut first).await? == 0 {
            return Ok(None);
        }
        if first.starts_with(PREFACE) {
            break Protocol::Http2;
        }
        if !PREFACE.starts_with(&first) {
            break Protocol::Http1;
        }
    };
    Ok(Some((protocol, Replayed::new(first, io))))
}

impl<IO: AsyncRead + Unpin> AsyncRead for Replayed<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let waiting = this.first.get(this.sent..).unwrap_or_default();
        if waiting.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let (now, _) = waiting.split_at(waiting.len().min(buf.remaining()));
        buf.put_slice(now);
        this.sent += now.len();
        if this.sent == this.first.len() {
            (this.first, this.sent) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Replayed<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
