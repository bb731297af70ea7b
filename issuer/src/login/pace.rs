//! How often the keys of a trust domain are asked for because an SVID names one that is unknown.
//!
//! Whoever sends such SVIDs is not authenticated, so that what it can cause is bounded: one fetch of a trust domain
//! in a while, which nobody else waits for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moneyer_identity::spiffe::TrustDomain;
use tokio::time::Instant;

/// Time between two fetches that SVIDs cause: a new key is waited for this long at most where the bundle has no
/// hint that is shorter, and a server is not asked more often than its own hint may say.
const BETWEEN: Duration = Duration::from_secs(10);

/// When each trust domain was asked last. Only those that may log in are noted, so it has an end.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<HashMap<TrustDomain, Instant>>);

impl Pace {
    /// Whether it may be asked now, which then counts.
    pub(super) fn take(&self, trust_domain: &TrustDomain, now: Instant) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = asked.get(trust_domain).is_none_or(|last| now >= *last + BETWEEN);
        if is_due {
            asked.insert(trust_domain.clone(), now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trust_domain_is_asked_once_in_a_while() {
        let (pace, now) = (Pace::default(), Instant::now());
        let [one, two] = ["one.example", "two.example"].map(|td| TrustDomain::parse(td).unwrap());
        assert!(pace.take(&one, now));
        assert!(!pace.take(&one, now + BETWEEN - Duration::from_millis(1)));
        assert!(pace.take(&two, now));
        assert!(pace.take(&one, now + BETWEEN));
        assert!(!pace.take(&one, now + BETWEEN));
    }
}
