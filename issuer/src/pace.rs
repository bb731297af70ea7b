//! How often the keys of an issuer or a trust domain are asked for because a proof names one that is unknown.
//!
//! Whoever shows such a proof is not authenticated, so that what it can cause is bounded: one fetch of an issuer in a
//! while, which nobody else waits for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Time between two fetches that proofs cause: a new key is waited for this long at most where the bundle has no
/// hint that is shorter, and a server is not asked more often than its own hint may say.
const BETWEEN: Duration = Duration::from_secs(10);

/// When each was asked last. Only those that the configuration names are noted, so it has an end.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<HashMap<String, Instant>>);

impl Pace {
    /// Whether it may be asked now, which then counts.
    pub(crate) fn take(&self, name: &str, now: Instant) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = asked.get(name).is_none_or(|last| now >= *last + BETWEEN);
        if is_due {
            asked.insert(name.to_owned(), now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_asked_once_in_a_while() {
        let (pace, now) = (Pace::default(), Instant::now());
        let [one, two] = ["one.example", "two.example"];
        assert!(pace.take(one, now));
        assert!(!pace.take(one, now + BETWEEN - Duration::from_millis(1)));
        assert!(pace.take(two, now));
        assert!(pace.take(one, now + BETWEEN));
        assert!(!pace.take(one, now + BETWEEN));
    }
}
