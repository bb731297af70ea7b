//! The authority of HTTP/2 requests over a Unix socket, made one that can be read.
//!
//! A Unix socket has no host, so gRPC clients invent one: those of the C core (C++, Python, Ruby, PHP), of
//! Java and of Swift send the socket's path, percent-encoded or as it is. That is no authority
//! (RFC 3986 section 3.2), h2 refuses the request with `PROTOCOL_ERROR` and cannot be told otherwise, and
//! such a client cannot be told otherwise either: it is a library's. Here every `:authority` that comes over
//! a Unix socket is `localhost`, before h2 sees it.
//!
//! Only a HEADERS frame that is whole, and in it the value of that one field, is written anew; whatever is
//! not understood goes on as it came, for h2 to judge. Nothing is decompressed: the value that goes on is never
//! longer than the one that came, so the tables of HPACK (RFC 7541 section 2.3.2) stay the same for both
//! ends, entry by entry, and only their end may hold an entry that the client has dropped and names no more.

mod block;
mod frames;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::frames::Frames;

/// Bytes read at once.
const READ_BYTES: usize = 8 * 1024;

/// An HTTP/2 connection over a Unix socket, as h2 is to read it.
pub(super) struct LocalAuthority<IO> {
    io: IO,
    frames: Frames,
    ended: bool,
}

impl<IO> LocalAuthority<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self { io, frames: Frames::default(), ended: false }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for LocalAuthority<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.frames.give(buf) || this.ended {
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; READ_BYTES];
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                this.ended = true;
                this.frames.end();
            } else {
                this.frames.take(read.filled());
            }
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for LocalAuthority<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
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
