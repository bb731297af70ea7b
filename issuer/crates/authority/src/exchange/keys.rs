//! Key sets of issuers whose tokens are taken, in memory alone: after a start they are fetched again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moneyer_identity::{ForeignKeys, UnixTime};

/// The last good key set of each issuer.
#[derive(Debug)]
pub struct SourceKeys {
    maximum_age: Duration,
    kept: ArcSwap<BTreeMap<String, (Arc<ForeignKeys>, UnixTime)>>,
}

impl SourceKeys {
    /// None yet. One that cannot be fetched anew is trusted for this long.
    #[must_use]
    pub fn new(maximum_age: Duration) -> Self {
        Self { maximum_age, kept: ArcSwap::default() }
    }

    /// Takes a key set in the place of the one before.
    pub fn take(&self, issuer: &str, keys: ForeignKeys, now: UnixTime) {
        let keys = Arc::new(keys);
        self.kept.rcu(|kept| {
            let mut kept = BTreeMap::clone(kept);
            kept.insert(issuer.to_owned(), (Arc::clone(&keys), now));
            kept
        });
    }

    /// The key set of an issuer, while it is trusted.
    #[must_use]
    pub fn find(&self, issuer: &str, now: UnixTime) -> Option<Arc<ForeignKeys>> {
        let kept = self.kept.load();
        let (keys, at) = kept.get(issuer)?;
        if now.since(*at) <= self.maximum_age { Some(Arc::clone(keys)) } else { None }
    }
}
