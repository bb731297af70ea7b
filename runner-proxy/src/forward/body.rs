//! Bodies on their way: a request's bytes as they come and no trailers, and the answer's as it is.
//!
//! Both go on for as long as the request would be permitted.
//!
//! A trailer could bring a header after the headers were judged (RFC 9110 section 6.5.1), so it ends here.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::turns::Turn;
use super::watch::JUDGED_EVERY;

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

    /// The same, which breaks off when it is no longer permitted.
    pub(super) fn while_permitted(
        self,
        is_permitted: impl Fn() -> bool + Send + Unpin + 'static,
    ) -> Self {
        if self.body.is_end_stream() {
            return self;
        }
        Self { body: Body::new(WhilePermitted::new(self.body, is_permitted)), ..self }
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
            sleep_until(until).await;
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

/// A body that breaks off when it is no longer permitted, also while nothing of it comes.
pub(super) struct WhilePermitted<B, P> {
    body: B,
    is_permitted: P,
    /// When that is looked at next.
    due: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<B, P: Fn() -> bool> WhilePermitted<B, P> {
    /// One that is permitted now.
    pub(super) fn new(body: B, is_permitted: P) -> Self {
        Self { body, is_permitted, due: Instant::now() + JUDGED_EVERY, timer: None }
    }

    /// Whether it still is. Wakes whoever asks when the next look is due.
    fn poll_permitted(&mut self, cx: &mut Context<'_>) -> bool {
        let due = self.due;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        while timer.as_mut().poll(cx).is_ready() {
            if !(self.is_permitted)() {
                return false;
            }
            self.due = Instant::now() + JUDGED_EVERY;
            timer.as_mut().reset(self.due);
        }
        true
    }
}

impl<B, P> http_body::Body for WhilePermitted<B, P>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    P: Fn() -> bool + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let own = self.get_mut();
        let polled = Pin::new(&mut own.body).poll_frame(cx);
        // What comes at once needs no timer, but for what never ends.
        let is_looked_at = polled.is_pending() || own.due <= Instant::now();
        if is_looked_at && !own.poll_permitted(cx) {
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::PermissionDenied).into())));
        }
        polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
