//! Request bodies with a time limit, and answers that note how they are taken.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body as AxumBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::InFlight;

/// Why the rest of a request body was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// It took too long.
    #[error("the request body did not arrive in time")]
    Late,
    /// The connection ended or its framing was refused.
    #[error("the request body could not be read")]
    Broken(#[source] hyper::Error),
}

/// Set once a body was late, so that the answer can say so.
#[derive(Debug, Clone, Default)]
pub(super) struct Late(Arc<AtomicBool>);

impl Late {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request body that must be complete within a time limit.
pub(super) struct TimedBody {
    body: Incoming,
    deadline: Option<Instant>,
    /// Begins once the body has to be waited for: most come with their head.
    timer: Option<Pin<Box<Sleep>>>,
    late: Late,
}

impl TimedBody {
    pub(super) fn new(body: Incoming, limit: Option<Duration>, late: Late) -> Self {
        let deadline = limit.map(|limit| Instant::now() + limit);
        Self { body, deadline, timer: None, late }
    }

    /// Whether the time is over.
    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The same, and if it is not over, the task is woken when it is.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = self.deadline else { return false };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        timer.as_mut().poll(cx).is_ready()
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        // What comes too late is not taken, also where it is there at once.
        if !this.is_over()
            && let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx)
        {
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Broken)));
        }
        if this.poll_over(cx) {
            this.late.0.store(true, Ordering::Relaxed);
            return Poll::Ready(Some(Err(BodyError::Late)));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer; its request is in flight until it is dropped.
pub(super) struct AnswerBody {
    body: AxumBody,
    in_flight: InFlight,
}

impl AnswerBody {
    pub(super) fn new(body: AxumBody, mut in_flight: InFlight) -> Self {
        // Until hyper asks for the first piece, there is no room for it.
        in_flight.owed(true);
        Self { body, in_flight }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        // hyper asks for the next piece only when the client has room for it.
        this.in_flight.owed(matches!(polled, Poll::Ready(Some(Ok(_)))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
