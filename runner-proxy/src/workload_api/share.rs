//! What one sandbox may take of the host, so that none takes what the others need.
//!
//! Streams have places, over all the sandbox's connections, and whoever finds none free is refused: clients
//! come back. Checks of signatures are done beside the runtime, which serves every sandbox, and a few at a
//! time; the others wait for their turn, in order, since each takes far less than a millisecond.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::status::Refusal;

/// Most streams of one sandbox, over all its connections. A process holds two or three, and each is woken
/// by every change.
const MAXIMUM_STREAMS: usize = 256;

/// Most SVIDs validated for one sandbox at a time. Two, so that a slow one does not hold up the next; more
/// would let one sandbox have every core of a small host.
const MAXIMUM_VALIDATIONS: usize = 2;

/// Where the paths of gRPC reflection begin, in each of its versions.
const REFLECTION: &str = "/grpc.reflection.";

/// The share of one sandbox. Clones share everything.
#[derive(Debug, Clone)]
pub(super) struct Share {
    streams: Arc<Semaphore>,
    validations: Arc<Semaphore>,
}

impl Share {
    pub(super) fn new() -> Self {
        let [streams, validations] =
            [MAXIMUM_STREAMS, MAXIMUM_VALIDATIONS].map(|most| Arc::new(Semaphore::new(most)));
        Self { streams, validations }
    }

    /// The place of one stream, free again when it is dropped.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = Arc::clone(&self.streams).try_acquire_owned();
        place.map_err(|_none_left| Refusal::TooManyStreams)
    }

    /// Does a check when its turn has come. Its place is taken until it has ended, whether or not anybody
    /// waits for it yet.
    pub(super) async fn check<T: Send + 'static>(
        &self,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        // Neither fails but where the proxy is at its end: the places are never closed.
        let place = Arc::clone(&self.validations).acquire_owned().await;
        let place = place.map_err(|_closed| Refusal::Closing)?;
        let checked = tokio::task::spawn_blocking(move || {
            let checked = check();
            drop(place);
            checked
        });
        checked.await.map_err(|_ended| Refusal::Closing)
    }
}

/// Counts the streams of reflection among the sandbox's.
pub(super) async fn count_reflection(
    State(share): State<Share>,
    request: Request,
    next: Next,
) -> Response {
    if !request.uri().path().starts_with(REFLECTION) {
        return next.run(request).await;
    }
    let place = match share.stream() {
        Ok(place) => place,
        Err(refusal) => return refusal.into_status().into_http(),
    };
    let response = next.run(request).await;
    response.map(|body| {
        axum::body::Body::new(body.map_frame(move |frame| {
            // With the body the place is dropped.
            let _held = &place;
            frame
        }))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn two_checks_are_done_at_a_time_and_the_runtime_goes_on() {
        let share = Share::new();
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        let start = |number: u32| {
            let (end, ended) = mpsc::channel::<()>();
            let (share, begun) = (share.clone(), begun.clone());
            let check = move || {
                begun.send(number).unwrap();
                ended.recv().unwrap_err();
                number
            };
            (tokio::spawn(async move { share.check(check).await.unwrap() }), end)
        };
        let ((first, first_end), (second, second_end)) = (start(1), start(2));
        let mut running = [begins.recv().await.unwrap(), begins.recv().await.unwrap()];
        running.sort_unstable();
        assert_eq!(running, [1, 2], "neither is over, and this goes on");
        let (third, third_end) = start(3);
        // Whoever called is gone, and the check is not.
        first.abort();
        first.await.unwrap_err();
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(begins.try_recv().is_err() && share.validations.available_permits() == 0);
        drop(first_end);
        assert_eq!(begins.recv().await, Some(3));
        drop((second_end, third_end));
        assert_eq!((second.await.unwrap(), third.await.unwrap()), (2, 3));
    }
}
