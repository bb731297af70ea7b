//! How often a bundle is fetched, and how long one may be trusted (Federation standard, section 4.1).

use std::time::Duration;

use moneyer_identity::spiffe::TrustBundle;

/// How often where the bundle says nothing, and where there is none yet: the standard's own number.
pub const WITHOUT_A_HINT: Duration = Duration::from_secs(300);

/// A hint below this is not followed: a foreign document must not make this a load on its server.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(5);

/// A hint above this is not followed: a key that was taken out of a bundle would be trusted as long.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);

/// How long a bundle that cannot be fetched anew is trusted, where nothing else is configured: longer than an
/// outage that has to wait for the morning, and no longer than keys usually sign before they are replaced.
pub const DEFAULT_MAXIMUM_AGE: Duration = Duration::from_secs(24 * 3600);

/// The time from one try to the next, whether it went well or not: a server that fails is not asked more
/// often for it.
#[must_use]
pub fn interval(bundle: Option<&TrustBundle>) -> Duration {
    let hint = bundle.and_then(TrustBundle::refresh_hint).filter(|hint| !hint.is_zero());
    hint.unwrap_or(WITHOUT_A_HINT).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
}

#[cfg(test)]
mod tests {
    use moneyer_identity::spiffe::TrustDomain;

    use super::*;

    #[test]
    fn f8_the_hint_is_followed_within_reason() {
        let hinted = |seconds| {
            let trust_domain = TrustDomain::parse("other.example").unwrap();
            let bundle = TrustBundle::new(trust_domain, Vec::new(), Vec::new()).unwrap();
            interval(Some(&bundle.with_refresh_hint(Duration::from_secs(seconds)))).as_secs()
        };
        assert_eq!(interval(None), WITHOUT_A_HINT);
        let expected = [(0, 300), (1, 5), (5, 5), (60, 60), (3600, 3600), (3601, 3600)];
        for (hint, followed) in expected {
            assert_eq!(hinted(hint), followed, "{hint}");
        }
        assert_eq!(hinted(u64::MAX), 3600);
    }
}
