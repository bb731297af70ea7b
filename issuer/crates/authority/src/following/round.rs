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
    /// The last round that ended well.
    ended: u64,
}

impl Rounds {
    /// From what was loaded.
    pub(crate) fn from(through: Generation) -> Self {
        Self { begun: AtomicU64::new(0), at: Mutex::new(At { through, ended: 0 }) }
    }

    /// The right to a round and its number; `None` where one that began after this call has ended meanwhile.
    pub(crate) async fn next(&self) -> Option<(MutexGuard<'_, At>, u64)> {
        let asked = self.begun.load(Ordering::Acquire);
        let at = self.at.lock().await;
        if at.ended > asked {
            return None;
        }
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        Some((at, number))
    }

    /// Where the last round came to.
    pub(crate) async fn through(&self) -> Generation {
        self.at.lock().await.through
    }
}

impl At {
    /// Round `number` has taken in everything up to here.
    pub(crate) fn end(&mut self, number: u64, through: Generation) {
        (self.through, self.ended) = (through, number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn those_who_wait_share_one_round() {
        let rounds = Rounds::from(Generation(1));
        let (mut first, number) = rounds.next().await.unwrap();
        assert_eq!((first.through, number), (Generation(1), 1));
        let wait = async || {
            let Some((mut at, number)) = rounds.next().await else { return 0 };
            at.end(number, Generation(9));
            number
        };
        let mut waiting = Box::pin(join_all([wait(), wait(), wait()]));
        assert!((&mut waiting).now_or_never().is_none());
        // It began before they asked, so what they want may not be in it.
        first.end(number, Generation(5));
        drop(first);
        assert_eq!(waiting.await, [2, 0, 0]);
        assert_eq!(rounds.through().await, Generation(9));
    }
}
