//! Who follows what is said of one sandbox.
//!
//! Each sandbox has a channel of its own, so that what is said of one wakes nobody who follows another: on a
//! host of ten thousand, a change that woke everyone would cost ten thousand looks, and placing them all a
//! hundred million. Receipts and facts of the issuer wake nobody here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use moneyer_identity::SandboxId;
use tokio::sync::watch;

use super::occupant::Occupant;
use super::placement::Placement;
use crate::svid::Subject;

/// What the SVIDs of one sandbox depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SvidFacts {
    is_heard: bool,
    /// Who it is, and whose its SVIDs are.
    placed: Option<(Occupant, Subject)>,
}

impl SvidFacts {
    fn read(placement: &Placement, sandbox: &SandboxId) -> Self {
        let placed = placement.sandboxes.get(sandbox);
        let placed = placed.map(|placed| (placed.occupant.clone(), placed.subject.clone()));
        Self { is_heard: placement.generation > 0, placed }
    }
}

/// Channels that nobody follows any more are let go when there are this many, and at each doubling from
/// there, so that following costs the same however many there are.
const TIDY_FROM: usize = 64;

/// The followers.
#[derive(Debug)]
pub(super) struct Followers(Mutex<Channels>);

#[derive(Debug)]
struct Channels {
    by_sandbox: HashMap<SandboxId, watch::Sender<SvidFacts>>,
    tidy_at: usize,
}

impl Followers {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Channels { by_sandbox: HashMap::new(), tidy_at: TIDY_FROM }))
    }

    /// Follows one sandbox. `placement` is read while no change is told.
    pub(super) fn follow<P: std::ops::Deref<Target = Placement>>(
        &self,
        sandbox: &SandboxId,
        placement: impl FnOnce() -> P,
    ) -> watch::Receiver<SvidFacts> {
        let mut channels = self.channels();
        if channels.by_sandbox.len() >= channels.tidy_at {
            channels.by_sandbox.retain(|_sandbox, followed| followed.receiver_count() > 0);
            channels.tidy_at = TIDY_FROM.max(2 * channels.by_sandbox.len());
        }
        let followed = channels.by_sandbox.entry(sandbox.clone());
        let new = || watch::Sender::new(SvidFacts::read(&placement(), sandbox));
        followed.or_insert_with(new).subscribe()
    }

    /// Tells whoever follows `sandbox`, or with `None` everyone, where anything is new to them.
    pub(super) fn tell<P: std::ops::Deref<Target = Placement>>(
        &self,
        sandbox: Option<&SandboxId>,
        placement: impl FnOnce() -> P,
    ) {
        let channels = self.channels();
        let placement = placement();
        let tell = |(sandbox, followed): (&SandboxId, &watch::Sender<SvidFacts>)| {
            let facts = SvidFacts::read(&placement, sandbox);
            followed.send_if_modified(|told| {
                let is_new = *told != facts;
                if is_new {
                    *told = facts;
                }
                is_new
            });
        };
        match sandbox {
            Some(sandbox) => {
                channels.by_sandbox.get_key_value(sandbox).into_iter().for_each(tell);
            }
            None => channels.by_sandbox.iter().for_each(tell),
        }
    }

    fn channels(&self) -> MutexGuard<'_, Channels> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_that_nobody_follows_are_let_go() {
        let (followers, placement) = (Followers::new(), Placement::default());
        let follow = |number: usize| {
            let sandbox = SandboxId::parse(&format!("s-{number}")).unwrap();
            followers.follow(&sandbox, || &placement)
        };
        let followed: Vec<_> = (0..100).map(follow).collect();
        for number in 100..10_000 {
            drop(follow(number));
        }
        let held = followers.channels().by_sandbox.len();
        assert!((100..=201).contains(&held), "{held}");
        assert!(followed.iter().all(|receiver| !receiver.has_changed().unwrap()));
    }
}
