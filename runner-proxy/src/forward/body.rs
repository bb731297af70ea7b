//! Bodies on their way: a request's bytes as they come and no trailers, and the answer's as it is.
//!
//! A trailer could bring a header after the headers were judged (RFC 9110 section 6.5.1), so it ends here.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::turns::Turn;

/// A body without trailers.
pub(super) struct BytesOnly {
    body: Body,
    upload: Upload,
    /// Of the connection it is sent on, until it is sent.
    turn: Option<Arc<Turn>>,
}

/// When the last piece of a body went on. Clones are of the same body.
#[derive(Clone)]
pub(super) struct Upload(Arc<Mutex<Instant>>);

impl BytesOnly {
    /// That of a request.
    pub(super) fn of(body: Body) -> Self {
        Self { body, upload: Upload(Arc::new(Mutex::new(Instant::now()))), turn: None }
    }

    /// The same, which holds this turn.
    pub(super) fn in_turn(mut self, turn: Arc<Turn>) -> Self {
        self.turn = Some(turn);
        self
    }

    /// How far it is.
    pub(super) fn upload(&self) -> Upload {
        self.upload.clone()
    }
}

impl Upload {
    /// Completes when for this long nothing of the body has gone on, be it because all of it has.
    pub(super) async fn rested(&self, limit: Duration) {
        loop {
            let until = self.last() + limit;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl http_body::Body for BytesOnly {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let own = self.get_mut();
        let frame = ready!(Pin::new(&mut own.body).poll_frame(cx));
        own.upload.note();
        Poll::Ready(match frame {
            Some(Ok(frame)) if frame.is_trailers() => None,
            other => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer.
pub(super) struct Answered {
    body: Incoming,
    /// Of the connection it comes on, until it is read.
    _turn: Option<Arc<Turn>>,
}

impl Answered {
    /// One that holds this turn.
    pub(super) fn new(body: Incoming, turn: Option<Arc<Turn>>) -> Self {
        Self { body, _turn: turn }
    }
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
