//! Writes that must make progress, and a close that lets the last answer arrive.
//!
//! A client that sends but never reads fills the socket's buffer; the write then fails
//! after a time limit. On shutdown, what the client still sends is read and thrown away
//! for a moment: closing a socket with unread bytes makes the kernel send a reset, which
//! can destroy the answer (such as 413) that explains the close. In a tunnel only its carrier does so: it throws
//! away pieces of records, in which a TLS session above it would find no sense.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Longest time for the last answer to arrive: one retransmission on a slow link.
const LINGER: Duration = Duration::from_secs(1);
/// Most bytes thrown away meanwhile: what a client sends before it sees the answer.
const LINGER_BYTES: usize = 1024 * 1024;
/// Bytes thrown away at once.
const LINGER_READ: usize = 4096;

/// Any byte stream, so that hyper is compiled once and not once per kind of socket.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A byte stream whose writes must make progress.
pub(super) struct Stalling {
    io: Box<dyn Stream>,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
    lingers: bool,
    closing: Closing,
}

enum Closing {
    No,
    Lingering { left: usize },
    Done,
}

impl Stalling {
    /// One in a tunnel, whose carrier lets the last answer arrive.
    pub(super) fn new(io: Box<dyn Stream>, limit: Duration) -> Self {
        let timer = Box::pin(tokio::time::sleep(limit));
        Self { io, limit, timer, waiting: false, lingers: false, closing: Closing::No }
    }

    /// One that lets the last answer arrive.
    pub(super) fn lingering(io: Box<dyn Stream>, limit: Duration) -> Self {
        Self { lingers: true, ..Self::new(io, limit) }
    }

    /// From now on its close waits for nothing.
    pub(super) fn stop_lingering(&mut self) {
        self.lingers = false;
    }

    /// Lets progress through and turns a wait that is too long into an error.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = false;
            return polled;
        }
        if !self.waiting {
            self.waiting = true;
            self.timer.as_mut().reset(Instant::now() + self.limit);
        }
        ready!(self.timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>, mut left: usize) -> Poll<()> {
        let mut thrown_away = [0; LINGER_READ];
        loop {
            let mut buf = ReadBuf::new(&mut thrown_away);
            match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    left = left.saturating_sub(buf.filled().len());
                    self.closing = Closing::Lingering { left };
                    if left == 0 {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.timer.as_mut().poll(cx),
            }
        }
    }
}

impl AsyncRead for Stalling {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stalling {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(cx, buf);
        this.watch(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_flush(cx);
        this.watch(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.closing, Closing::No) {
            let polled = Pin::new(&mut this.io).poll_shutdown(cx);
            ready!(this.watch(cx, polled))?;
            if !this.lingers {
                this.closing = Closing::Done;
                return Poll::Ready(Ok(()));
            }
            this.closing = Closing::Lingering { left: LINGER_BYTES };
            this.timer.as_mut().reset(Instant::now() + LINGER);
        }
        if let Closing::Lingering { left } = this.closing {
            ready!(this.poll_linger(cx, left));
            this.closing = Closing::Done;
        }
        Poll::Ready(Ok(()))
    }
}
