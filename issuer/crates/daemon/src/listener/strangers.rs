//! Connections of a proxy of which nobody knows yet whose they are.
//!
//! Many clients may share an address, as on a host's loopback, so that an address bounds strangers alone and shuts nobody
//! out: where it has its share, the one that has waited longest makes room. Whoever says at once who it is has said it
//! long before as many others have come. From then on a connection counts against what the service counts it by, and
//! against no address.

use std::any::Any;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::PeerAddress;
use super::per_address::Origin;

/// Strangers by where they come from.
#[derive(Debug)]
pub(super) struct Strangers {
    maximum: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// How many there ever were.
    count: u64,
    /// Of each origin, the one that waits longest first.
    by_origin: HashMap<Origin, VecDeque<(u64, CancellationToken)>>,
}

/// A connection of a proxy. Every request on it carries `Arc<Stranger>` in its extensions, until it is
/// [known](Stranger::settle) and after.
pub struct Stranger {
    origin: Origin,
    number: u64,
    displaced: CancellationToken,
    settled: CancellationToken,
    place: OnceLock<Box<dyn Any + Send + Sync>>,
    strangers: Arc<Strangers>,
}

impl Strangers {
    /// None, of at most so many from one address.
    pub(super) fn new(maximum: usize) -> Arc<Self> {
        Arc::new(Self { maximum: maximum.max(1), waiting: Mutex::default() })
    }

    /// Takes one more in from `address`; for it the one from there that has waited longest may have to go.
    pub(super) fn enter(self: &Arc<Self>, address: PeerAddress) -> Arc<Stranger> {
        let (origin, displaced) = (Origin::of(address), CancellationToken::new());
        let mut waiting = self.waiting();
        waiting.count += 1;
        let number = waiting.count;
        let here = waiting.by_origin.entry(origin).or_default();
        if here.len() >= self.maximum
            && let Some((_, longest)) = here.pop_front()
        {
            longest.cancel();
            metrics::counter!("moneyer_connections_refused_total").increment(1);
            tracing::debug!(peer.address = ?address, "closed the connection that had waited longest for its first request");
        }
        here.push_back((number, displaced.clone()));
        drop(waiting);
        let (settled, place) = (CancellationToken::new(), OnceLock::new());
        Arc::new(Stranger {
            origin,
            number,
            displaced,
            settled,
            place,
            strangers: Arc::clone(self),
        })
    }

    fn leave(&self, origin: Origin, number: u64) {
        if let Entry::Occupied(mut here) = self.waiting().by_origin.entry(origin) {
            here.get_mut().retain(|(other, _)| *other != number);
            if here.get().is_empty() {
                here.remove();
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stranger {
    /// Whether it is known whose it is.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.place.get().is_some()
    }

    /// Notes that it is known whose it is: it counts against no address from now on, and holds `place` until it ends.
    /// Where that was known already, the place is dropped.
    pub fn settle(&self, place: impl Any + Send + Sync) {
        if self.place.set(Box::new(place)).is_ok() {
            self.strangers.leave(self.origin, self.number);
            self.settled.cancel();
        }
    }

    /// Completes where it has to go: another one took its place, or it did not say who it is within `limit`.
    pub(super) async fn turned_away(&self, limit: Duration) {
        tokio::select! {
            biased;
            () = self.settled.cancelled() => std::future::pending().await,
            () = self.displaced.cancelled() => {}
            () = tokio::time::sleep(limit) => {}
        }
    }
}

impl fmt::Debug for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stranger").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        if !self.is_settled() {
            self.strangers.leave(self.origin, self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn address(text: &str) -> PeerAddress {
        PeerAddress::Tcp((text.parse::<IpAddr>().unwrap(), 1).into())
    }

    async fn is_turned_away(stranger: &Stranger) -> bool {
        tokio::time::timeout(LIMIT / 2, stranger.turned_away(LIMIT)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_waits_longest_makes_room_and_no_known_one_does() {
        let strangers = Strangers::new(2);
        let known = strangers.enter(address("192.0.2.1"));
        known.settle(());
        let longest = strangers.enter(address("192.0.2.1"));
        let second = strangers.enter(address("192.0.2.1"));
        let elsewhere = strangers.enter(address("192.0.2.2"));
        assert!(!is_turned_away(&longest).await, "there is room for two");
        let third = strangers.enter(address("192.0.2.1"));
        assert!(is_turned_away(&longest).await);
        for stays in [&known, &second, &elsewhere, &third] {
            assert!(!is_turned_away(stays).await, "{stays:?}");
        }
        drop((known, longest, second, elsewhere, third));
        assert!(strangers.waiting().by_origin.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_say_who_it_is_goes_and_one_that_did_holds_its_place() {
        let strangers = Strangers::new(2);
        let silent = strangers.enter(address("192.0.2.1"));
        let waited = tokio::time::Instant::now();
        silent.turned_away(LIMIT).await;
        assert_eq!(waited.elapsed(), LIMIT);
        let known = strangers.enter(address("192.0.2.1"));
        let place = Arc::new(());
        known.settle(Arc::clone(&place));
        known.settle(Arc::clone(&place));
        assert_eq!(Arc::strong_count(&place), 2, "one place for one connection");
        let long = tokio::time::timeout(LIMIT * 100, known.turned_away(LIMIT)).await;
        assert!(long.is_err(), "a known one was turned away");
        drop(known);
        assert_eq!(Arc::strong_count(&place), 1);
    }
}
