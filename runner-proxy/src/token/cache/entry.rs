//! One cached token and everything known of its renewal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::Shared;
use moneyer_identity::{IssueError, MintedToken};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::agenda::Slot;
use crate::token::fingerprint::Fingerprint;
use crate::token::schedule::{Life, Standing};

/// What a request for a token ends in.
pub(crate) type Outcome = Result<Held, IssueError>;

/// A request under way, for everyone who waits for it.
pub(crate) type Flight = Shared<oneshot::Receiver<Outcome>>;

/// A token and its life.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// The token.
    pub(crate) token: Arc<MintedToken>,
    /// Its life on the timeline.
    pub(crate) life: Life,
}

impl Held {
    /// A token that was asked for at `asked_at`.
    pub(crate) fn new(token: MintedToken, asked_at: Instant) -> Self {
        let life = Life::new(asked_at, token.expires_in.duration());
        Self { token: Arc::new(token), life }
    }
}

/// Why an entry is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A token file shows it: renewed for as long as the sandbox is attached.
    Files,
    /// Someone asked for it: renewed while it is used, evicted to make room.
    Asked,
}

/// The state of a token file, as far as the coordinator's answers decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenState {
    /// No token yet, or none that is still valid.
    Waiting,
    /// A valid token with this much life left.
    Current {
        /// Life left.
        remaining: Duration,
    },
    /// The coordinator refuses it.
    Refused,
}

/// A place in the cache, for one full fingerprint.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) purpose: Purpose,
    pub(super) held: Option<Held>,
    pub(super) flight: Option<(u64, Flight)>,
    pub(super) slot: Slot,
    /// Asked for since the last renewal.
    pub(super) used: bool,
    /// The cache's count of requests when this one was last asked for.
    pub(super) last_used: u64,
    /// Failures in a row of its renewal.
    pub(super) failures: u32,
    pub(super) refused: bool,
    /// How often tokens had been superseded when the one held was asked for. It is given out after that
    /// only if no other can be had.
    pub(super) reissues: u64,
    /// Made while the cache was full: dropped once its waiters have their answer.
    pub(super) transient: bool,
}

impl Entry {
    pub(super) fn new(purpose: Purpose) -> Self {
        Self {
            purpose,
            held: None,
            flight: None,
            slot: Slot::default(),
            used: false,
            last_used: 0,
            failures: 0,
            refused: false,
            reissues: 0,
            transient: false,
        }
    }

    pub(super) fn standing(&self, now: Instant, reissues: u64) -> Standing {
        let held = self.held.as_ref().filter(|_| self.reissues == reissues);
        held.map_or(Standing::Over, |held| held.life.standing(now))
    }

    pub(super) fn state(&self, now: Instant) -> TokenState {
        let remaining = self.held.as_ref().map(|held| held.life.remaining(now));
        match remaining {
            _ if self.refused => TokenState::Refused,
            Some(remaining) if !remaining.is_zero() => TokenState::Current { remaining },
            _ => TokenState::Waiting,
        }
    }

    /// Whether there is a token that is not over.
    pub(super) fn is_living(&self, now: Instant) -> bool {
        self.held.as_ref().is_some_and(|held| held.life.standing(now) != Standing::Over)
    }

    /// Marks the entry as being fetched.
    pub(super) fn take_off(
        &mut self,
        request: Fingerprint,
        (flight, reissues): (u64, u64),
    ) -> (Ticket, Flight) {
        let (sender, receiver) = oneshot::channel();
        let receiver = receiver.shared();
        self.flight = Some((flight, receiver.clone()));
        (Ticket { request, flight, reissues, sender }, receiver)
    }
}

/// The duty to fetch one token and to land it with
/// [`Cache::land`](super::Cache::land).
#[must_use = "whoever waits for the token waits for this ticket to land"]
pub(crate) struct Ticket {
    pub(crate) request: Fingerprint,
    pub(super) flight: u64,
    /// How often tokens had been superseded when it began.
    pub(super) reissues: u64,
    pub(super) sender: oneshot::Sender<Outcome>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("request", &self.request).finish_non_exhaustive()
    }
}
