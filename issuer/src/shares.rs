//! How often one caller, and all callers of one issuer or trust domain together, may ask for tokens.
//!
//! A token costs a signature and a durable record, and whoever issues proofs can name as many callers as it likes. Who
//! was not verified costs neither, and is bounded by its connections.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// How often the quiet are forgotten: long against a refill, short against memory.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What names a caller or a group.
pub(crate) trait Key: Hash + Eq + Clone + Send + Sync {}

impl<T: Hash + Eq + Clone + Send + Sync> Key for T {}

/// The shares of callers, and of the groups they are of. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shares<One: Key, Group: Key> {
    each: Arc<DefaultKeyedRateLimiter<One>>,
    together: Arc<DefaultKeyedRateLimiter<Group>>,
}

impl<One: Key, Group: Key> Shares<One, Group> {
    /// So many a second; twice as many may come at once.
    pub(crate) fn new(each: NonZeroU32, together: NonZeroU32) -> Self {
        let twice = |number: NonZeroU32| number.saturating_mul(NonZeroU32::MIN.saturating_add(1));
        let quota = |number: NonZeroU32| Quota::per_second(number).allow_burst(twice(number));
        Self {
            each: Arc::new(RateLimiter::keyed(quota(each))),
            together: Arc::new(RateLimiter::keyed(quota(together))),
        }
    }

    /// Takes one out of both shares, if there is one in both. A caller beyond its own takes nothing from its group's.
    pub(crate) fn take(&self, one: &One, group: &Group) -> bool {
        self.each.check_key(one).is_ok() && self.together.check_key(group).is_ok()
    }

    /// Forgets those whose shares are full again. Runs until it is dropped.
    pub(crate) async fn sweep(self) {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            every.tick().await;
            self.each.retain_recent();
            self.together.retain_recent();
            self.each.shrink_to_fit();
            self.together.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_beyond_its_share_takes_nothing_from_the_others() {
        let number = |number| NonZeroU32::new(number).unwrap();
        let shares = Shares::<&str, &str>::new(number(1), number(2));
        assert!(shares.take(&"a", &"g") && shares.take(&"a", &"g"));
        assert!((0..10).all(|_| !shares.take(&"a", &"g")));
        assert!(shares.take(&"b", &"g") && shares.take(&"c", &"g"));
        assert!(!shares.take(&"d", &"g"));
        assert!(shares.take(&"e", &"other"));
    }
}
