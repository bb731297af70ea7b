//! Rounds of taking in, one at a time: who waits for a round that began after they asked needs none of their own.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use crate::store::Generation;

/// Where a coordinator has come to, and the right to go on.
#[derive(Debug)]
pub(crate) struct Rounds {
    begun: AtomicU64,
    at: Mutex<At>,
}

/// Where the last round came to.
#[derive(Debug)]
pub(crate) struct At {
    /// Everything up to here is taken in.
    pub(crate) through: Generation,
    /// What was told up to here is taken in, by a round that did not come to its end: a record that changed once more
    /// is still to come.
    pub(crate) told: Generation,
    /// The last round that ended.
    ended: u64,
    /// Whether it came to nothing.
    failed: bool,
}

/// What somebody who asked for a round has.
#[derive(Debug)]
pub(crate) enum Next<'a> {
    /// The right to it, and its number.
    Turn(MutexGuard<'a, At>, u64),
    /// One that began after they asked has ended well meanwhile.
    Ended,
    /// One that began after they asked came to nothing.
    Failed,
}

impl Rounds {
    /// From what was loaded.
    pub(crate) fn from(through: Generation) -> Self {
        let at = At { through, told: through, ended: 0, failed: false };
        Self { begun: AtomicU64::new(0), at: Mutex::new(at) }
    }

    /// The right to a round, or what came of one that began after this call.
    pub(crate) async fn next(&self) -> Next<'_> {
        let asked = self.begun.load(Ordering::Acquire);
        let at = self.at.lock().await;
        if at.ended > asked {
            return if at.failed { Next::Failed } else { Next::Ended };
        }
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        Next::Turn(at, number)
    }

    /// Where the last round came to.
    pub(crate) async fn through(&self) -> Generation {
        self.at.lock().await.through
    }
}

impl At {
    /// Round `number` has taken in everything up to here.
    pub(crate) fn end(&mut self, number: u64, through: Generation) {
        (self.through, self.told) = (through, through);
        (self.ended, self.failed) = (number, false);
    }

    /// Round `number` came to nothing.
    pub(crate) fn fail(&mut self, number: u64) {
        (self.ended, self.failed) = (number, true);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_share_one_round_and_what_came_of_it() {
        for fails in [false, true] {
            let rounds = Rounds::from(Generation(1));
            let Next::Turn(mut first, number) = rounds.next().await else { panic!() };
            assert_eq!((first.through, number), (Generation(1), 1));
            let wait = async || match rounds.next().await {
                Next::Turn(mut at, number) if fails => {
                    at.fail(number);
                    "failed"
                }
                Next::Turn(mut at, number) => {
                    at.end(number, Generation(9));
                    "ended"
                }
                Next::Ended => "shares",
                Next::Failed => "shares a failure",
            };
            let mut waiting = Box::pin(join_all([wait(), wait(), wait()]));
            assert!((&mut waiting).now_or_never().is_none());
            // It began before they asked, so what they want may not be in it.
            first.end(number, Generation(5));
            drop(first);
            let (came, through) = if fails {
                (["failed", "shares a failure", "shares a failure"], Generation(5))
            } else {
                (["ended", "shares", "shares"], Generation(9))
            };
            assert_eq!(waiting.await, came);
            assert_eq!(rounds.through().await, through);
        }
    }
}
