//! Key sets that were fetched, in memory alone: after a start they are fetched again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moneyer_identity::UnixTime;

/// The last good key set of each issuer, or trust domain, that has one at a URL.
#[derive(Debug)]
pub struct FetchedKeys<Keys> {
    maximum_age: Duration,
    kept: ArcSwap<BTreeMap<String, (Arc<Keys>, UnixTime)>>,
}

impl<Keys> FetchedKeys<Keys> {
    /// None yet. One that cannot be fetched anew is trusted for this long.
    #[must_use]
    pub fn new(maximum_age: Duration) -> Self {
        Self { maximum_age, kept: ArcSwap::default() }
    }

    /// Takes a key set in the place of the one before.
    pub fn take(&self, issuer: &str, keys: Keys, now: UnixTime) {
        let keys = Arc::new(keys);
        self.kept.rcu(|kept| {
            let mut kept = BTreeMap::clone(kept);
            kept.insert(issuer.to_owned(), (Arc::clone(&keys), now));
            kept
        });
    }

    /// The key set of an issuer, while it is trusted.
    #[must_use]
    pub fn find(&self, issuer: &str, now: UnixTime) -> Option<Arc<Keys>> {
        let kept = self.kept.load();
        let (keys, at) = kept.get(issuer)?;
        if now.since(*at) <= self.maximum_age { Some(Arc::clone(keys)) } else { None }
    }
}
