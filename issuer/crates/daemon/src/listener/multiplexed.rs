//! A connection with several requests at a time, each answered by a task of its own.
//!
//! Answers that are ready at the same time go out together: the connection is polled after whatever else is
//! ready, and what it writes is gathered until then. The runtime would go to it after each answer, for a
//! change of tasks, a TLS record and a system call apiece. An answer that is alone goes out as soon.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::AnswerBody;
use super::cork::{Cork, Corked};
use super::drive::{Broken, Connection};

/// An HTTP/2 connection of hyper on a corked stream.
type Inner<I, S> = http2::Connection<TokioIo<Corked<I>>, S, TokioExecutor>;

/// An HTTP/2 connection.
pub(super) struct Multiplexed<I, S>
where
    S: hyper::service::HttpService<Incoming>,
{
    connection: Pin<Box<Inner<I, S>>>,
    cork: Cork<I>,
    /// Whether it has let others go first since it was woken.
    has_waited: bool,
}

impl<I, S> Multiplexed<I, S>
where
    S: hyper::service::HttpService<Incoming>,
{
    /// `cork` is that of the connection's stream.
    pub(super) fn new(connection: Inner<I, S>, cork: Cork<I>) -> Self {
        Self { connection: Box::pin(connection), cork, has_waited: false }
    }
}

impl<I, S> Connection for Multiplexed<I, S>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = AnswerBody>,
    S::Error: Into<Broken>,
    S::Future: Send + 'static,
    TokioExecutor: hyper::rt::bounds::Http2ServerConnExec<S::Future, AnswerBody>,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let this = self.get_mut();
        this.has_waited = !this.has_waited;
        if this.has_waited {
            // A task that wakes itself goes to the end of the queue.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = this.connection.as_mut().poll(cx).map_err(Into::into);
        match this.cork.pull(cx) {
            Poll::Ready(Err(error)) if polled.is_pending() => Poll::Ready(Err(error.into())),
            _ => polled,
        }
    }

    fn close(self: Pin<&mut Self>) {
        self.get_mut().connection.as_mut().graceful_shutdown();
    }
}
