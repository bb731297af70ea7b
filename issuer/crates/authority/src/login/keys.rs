//! Key sets that were fetched for log-in, in memory alone: after a start they are fetched again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{TrustBundle, TrustDomain};

/// The last good key set of each trust domain that has one at a URL.
#[derive(Debug)]
pub struct FetchedKeys {
    maximum_age: Duration,
    kept: ArcSwap<BTreeMap<TrustDomain, (Arc<TrustBundle>, UnixTime)>>,
}

impl FetchedKeys {
    /// None yet. One that cannot be fetched anew is trusted for this long.
    #[must_use]
    pub fn new(maximum_age: Duration) -> Self {
        Self { maximum_age, kept: ArcSwap::default() }
    }

    /// Takes a key set in the place of the one before.
    pub fn take(&self, keys: TrustBundle, now: UnixTime) {
        let keys = Arc::new(keys);
        self.kept.rcu(|kept| {
            let mut kept = BTreeMap::clone(kept);
            kept.insert(keys.trust_domain().clone(), (Arc::clone(&keys), now));
            kept
        });
    }

    /// The key set of a trust domain, while it is trusted.
    #[must_use]
    pub fn find(&self, trust_domain: &TrustDomain, now: UnixTime) -> Option<Arc<TrustBundle>> {
        let kept = self.kept.load();
        let (keys, at) = kept.get(trust_domain)?;
        if now.since(*at) <= self.maximum_age { Some(Arc::clone(keys)) } else { None }
    }
}
