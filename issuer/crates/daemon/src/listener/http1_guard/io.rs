//! The guard as a layer of I/O between a socket and hyper.
//!
//! A refused head reaches hyper as bytes that it answers with 400 (or 431) after the
//! answers to earlier requests, and then closes; a body whose framing is refused ends in a
//! read error. Writes pass through untouched.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Refusal;
use super::framing::Framing;
use super::head::Tunnels;
use crate::listener::activity::Activity;

/// Bytes read at once where framing must be looked at.
const READ_BYTES: usize = 8 * 1024;

/// What hyper answers with 400: no method begins with a NUL.
const NO_REQUEST: &[u8] = b"\0\r\n\r\n";

/// The head that never ends which hyper answers with 431.
const ENDLESS_HEAD: &[u8] = b"GET / HTTP/1.1\r\nx: ";

/// Checks the HTTP/1 framing of everything read through it.
#[derive(Debug)]
pub struct Guard<IO> {
    io: IO,
    /// Told when a head begins and ends, so that the time for one can be limited.
    activity: Option<Arc<Activity>>,
    framing: Framing,
    scratch: Box<[u8]>,
    /// Checked bytes, of which those before `sent` were read by hyper.
    checked: Vec<u8>,
    sent: usize,
    end: Option<End>,
}

/// What hyper reads after the last checked byte.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The end of the stream.
    Eof,
    /// An error: the body's framing was refused.
    Error(Refusal),
    /// More and more of a head.
    EndlessHead,
}

impl<IO> Guard<IO> {
    /// Guards `io`; heads may have `max_head` bytes.
    pub fn new(io: IO, max_head: usize) -> Self {
        Self {
            io,
            activity: None,
            framing: Framing::new(max_head, Tunnels::Refused),
            scratch: vec![0; READ_BYTES].into_boxed_slice(),
            checked: Vec::new(),
            sent: 0,
            end: None,
        }
    }

    /// Guards the stream of a proxy: a head with `CONNECT` or `Upgrade` is let out, and what comes after it is held
    /// back for [`Guard::into_tunnel`].
    pub(in crate::listener) fn of_proxy(io: IO, max_head: usize) -> Self {
        Self { framing: Framing::new(max_head, Tunnels::Served), ..Self::new(io, max_head) }
    }

    /// The stream behind it, and what was read of it and not let out.
    pub(in crate::listener) fn into_tunnel(self) -> (IO, Vec<u8>) {
        (self.io, self.framing.into_early())
    }

    pub(in crate::listener) fn watched(self, activity: Arc<Activity>) -> Self {
        Self { activity: Some(activity), ..self }
    }

    /// Hands out checked bytes, then whatever ends the stream. `false`: there is nothing.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> io::Result<bool> {
        let waiting = self.checked.get(self.sent..).unwrap_or_default();
        if !waiting.is_empty() {
            let (now, _) = waiting.split_at(waiting.len().min(buf.remaining()));
            buf.put_slice(now);
            self.sent += now.len();
            if self.sent == self.checked.len() {
                self.checked.clear();
                self.sent = 0;
            }
            return Ok(true);
        }
        match self.end {
            None => Ok(false),
            Some(End::Eof) => Ok(true),
            Some(End::Error(refusal)) => Err(io::Error::new(io::ErrorKind::InvalidData, refusal)),
            Some(End::EndlessHead) => {
                while buf.remaining() > 0 {
                    buf.put_slice(b"x");
                }
                Ok(true)
            }
        }
    }

    /// Checks what was read into the scratch buffer.
    fn check(&mut self, count: usize) {
        let input = self.scratch.get(..count).unwrap_or_default();
        let before = self.framing.in_head();
        if let Err(refusal) = self.framing.take(input, &mut self.checked) {
            self.refuse(refusal);
        }
        let after = self.framing.in_head() && self.end.is_none();
        if let Some(activity) = &self.activity
            && before != after
        {
            activity.head_open(after);
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        tracing::debug!(http.refusal = %refusal, "refused the framing of a request");
        self.end = Some(match refusal {
            Refusal::HeadTooLarge => {
                self.checked.extend_from_slice(ENDLESS_HEAD);
                End::EndlessHead
            }
            _ if self.framing.in_body() => End::Error(refusal),
            _ => {
                self.checked.extend_from_slice(NO_REQUEST);
                End::Eof
            }
        });
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Guard<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let guard = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if guard.hand_out(buf)? {
                return Poll::Ready(Ok(()));
            }
            if guard.framing.is_held() {
                // Whoever takes the tunnel over reads on; a refusal ends the connection.
                return Poll::Pending;
            }
            let free = guard.framing.free_pass();
            if free > 0 {
                let limit = usize::try_from(free).unwrap_or(usize::MAX).min(buf.remaining());
                let mut part = ReadBuf::new(buf.initialize_unfilled_to(limit));
                ready!(Pin::new(&mut guard.io).poll_read(cx, &mut part))?;
                let count = part.filled().len();
                buf.advance(count);
                guard.framing.passed(count as u64);
                return Poll::Ready(Ok(()));
            }
            let mut part = ReadBuf::new(&mut guard.scratch);
            ready!(Pin::new(&mut guard.io).poll_read(cx, &mut part))?;
            let count = part.filled().len();
            if count == 0 {
                guard.end = Some(End::Eof);
            }
            guard.check(count);
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Guard<IO> {
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
