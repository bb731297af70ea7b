//! The body of a request on its way: its bytes as they come, and no trailers.
//!
//! A trailer could bring a header after the headers were judged (RFC 9110 section 6.5.1), so it ends here.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// A body without trailers.
pub(super) struct BytesOnly(Body);

impl BytesOnly {
    /// That of a request.
    pub(super) fn of(body: Body) -> Self {
        Self(body)
    }
}

impl http_body::Body for BytesOnly {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.get_mut().0).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) if frame.is_trailers() => None,
            other => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
