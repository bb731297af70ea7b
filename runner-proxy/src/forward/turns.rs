//! Turns on an HTTP/2 connection: as many requests at a time as its upstream takes (RFC 9113 section 5.1.2).
//!
//! What is handed to a connection beyond that waits inside of it and is sent whenever there is room, whatever has become
//! of the grants by which it was permitted. So a request waits here, and is judged when it is its turn.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2::Connection;
use hyper_util::rt::{TokioExecutor, TokioIo};
use moneyer_daemon::listener::Stream;
use tokio::sync::Notify;

use super::body::BytesOnly;

/// Most requests at a time on one connection: RFC 9113 section 6.5.2 advises servers to take as many, and a tunnel of a
/// sandbox has no more.
const STREAMS_OF_A_CONNECTION: usize = 100;

/// How often one that waits looks whether the upstream takes more by now: that comes in a frame of which nobody is told.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A connection, as it is run.
type Http2Connection = Connection<TokioIo<Box<dyn Stream>>, BytesOnly, TokioExecutor>;

/// The turns of one connection.
#[derive(Debug)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Notify,
    wanted: Notify,
}

#[derive(Debug)]
struct State {
    taken: usize,
    /// As many as the upstream takes.
    most: usize,
    has_ended: bool,
}

/// One request's, until it is dropped: when all of the request is sent and all of the answer is read.
#[derive(Debug)]
pub(super) struct Turn(Arc<Turns>);

impl Turns {
    /// Those of a connection whose upstream has said nothing yet: one.
    pub(super) fn new() -> Arc<Self> {
        let state = Mutex::new(State { taken: 0, most: 1, has_ended: false });
        Arc::new(Self { state, changed: Notify::new(), wanted: Notify::new() })
    }

    /// The next turn, as soon as there is one; `None` where the connection has ended.
    pub(super) async fn next(self: &Arc<Self>) -> Option<Turn> {
        loop {
            if self.state().has_ended {
                return None;
            }
            if let Some(turn) = self.take() {
                return Some(turn);
            }
            self.wanted.notify_one();
            tokio::select! {
                () = self.changed.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Runs the connection to its end, and learns from it how many turns there are.
    pub(super) async fn of(&self, connection: Http2Connection) {
        let mut connection = pin!(connection);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection to an upstream broke off");
                    }
                    break;
                }
                () = self.wanted.notified() => self.set_most(connection.current_max_send_streams()),
            }
        }
        self.state().has_ended = true;
        self.changed.notify_waiters();
    }

    fn set_most(&self, most: usize) {
        self.state().most = most;
        self.changed.notify_one();
    }

    fn take(self: &Arc<Self>) -> Option<Turn> {
        let mut state = self.state();
        if state.taken >= state.most.min(STREAMS_OF_A_CONNECTION) {
            return None;
        }
        state.taken += 1;
        Some(Turn(Arc::clone(self)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.taken = state.taken.saturating_sub(1);
        drop(state);
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn comes(turns: &Arc<Turns>, most: usize) -> Option<Turn> {
        turns.set_most(most);
        tokio::time::timeout(LOOK_EVERY * 3, turns.next()).await.ok().flatten()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_has_100_turns_and_no_more_than_its_upstream_takes() {
        let turns = Turns::new();
        let one = comes(&turns, 1).await.unwrap();
        assert!(comes(&turns, 1).await.is_none(), "the upstream takes one");
        let second = comes(&turns, 2).await.unwrap();
        drop(one);
        let mut held = vec![second];
        for _ in 0..STREAMS_OF_A_CONNECTION - 1 {
            held.push(comes(&turns, usize::MAX).await.unwrap());
        }
        assert!(comes(&turns, usize::MAX).await.is_none(), "100 are taken");
        held.pop();
        assert!(comes(&turns, usize::MAX).await.is_some());
        turns.state().has_ended = true;
        assert!(turns.next().await.is_none(), "the connection has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_upstream_says_later_is_heard() {
        let turns = Turns::new();
        turns.set_most(0);
        let raise = async {
            tokio::time::sleep(LOOK_EVERY * 5).await;
            turns.state().most = 1;
        };
        let (turn, ()) = tokio::join!(turns.next(), raise);
        assert!(turn.is_some());
    }
}
