//! How long the cluster's own certificates live.
//!
//! Each is renewed at 70 % of its life. What is left then is the time for a coordinator that is away, so
//! neither may be so short that a renewal and a few more attempts do not fit into the rest, nor so long
//! that a stolen key is of use for a season.

use std::time::Duration;

/// Life of a runner's or controller's certificate where nothing else is configured: a day leaves seven
/// hours for a coordinator that is away.
const MEMBER: Duration = Duration::from_secs(24 * 3600);

/// Life of the coordinator's own certificate where nothing else is configured.
const COORDINATOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Shortest life: three attempts of a call's five seconds do not fit into less than a third of it.
const MINIMUM_LIFETIME: Duration = Duration::from_secs(20);

/// Longest life.
const MAXIMUM_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// How far `notBefore` lies in the past at most, for peers whose clock is slow.
const BACKDATE: Duration = Duration::from_secs(60);

/// A certificate would live too long or too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a certificate of the cluster lives from 20 s to 90 days")]
pub struct CertificateLifetimeError;

/// How long certificates live, within the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateLifetimes {
    member: Duration,
    coordinator: Duration,
}

impl Default for CertificateLifetimes {
    fn default() -> Self {
        Self { member: MEMBER, coordinator: COORDINATOR }
    }
}

impl CertificateLifetimes {
    /// The same with another life of members' certificates.
    pub fn with_member(self, member: Duration) -> Result<Self, CertificateLifetimeError> {
        Ok(Self { member: within_bounds(member)?, ..self })
    }

    /// The same with another life of the coordinator's certificate.
    pub fn with_coordinator(self, coordinator: Duration) -> Result<Self, CertificateLifetimeError> {
        Ok(Self { coordinator: within_bounds(coordinator)?, ..self })
    }

    /// Life of a runner's or controller's certificate.
    #[must_use]
    pub fn member(&self) -> Duration {
        self.member
    }

    /// Life of the coordinator's own certificate.
    #[must_use]
    pub fn coordinator(&self) -> Duration {
        self.coordinator
    }

    /// How long after it was made the coordinator makes itself another certificate.
    #[must_use]
    pub fn coordinator_renewal(&self) -> Duration {
        self.coordinator * 7 / 10
    }
}

fn within_bounds(lifetime: Duration) -> Result<Duration, CertificateLifetimeError> {
    let bounds = MINIMUM_LIFETIME..=MAXIMUM_LIFETIME;
    if bounds.contains(&lifetime) { Ok(lifetime) } else { Err(CertificateLifetimeError) }
}

/// How far `notBefore` of a certificate with this life lies in the past: never a large part of it, since
/// whoever renews goes by the whole.
pub(super) fn backdate(lifetime: Duration) -> Duration {
    BACKDATE.min(lifetime / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_have_a_shortest_and_a_longest() {
        let (second, lifetimes) = (Duration::from_secs(1), CertificateLifetimes::default());
        for good in [MINIMUM_LIFETIME, MAXIMUM_LIFETIME] {
            assert_eq!(lifetimes.with_member(good).unwrap().member(), good);
            assert_eq!(lifetimes.with_coordinator(good).unwrap().coordinator(), good);
        }
        for bad in
            [MINIMUM_LIFETIME.saturating_sub(second), MAXIMUM_LIFETIME + second, Duration::ZERO]
        {
            lifetimes.with_member(bad).unwrap_err();
            lifetimes.with_coordinator(bad).unwrap_err();
        }
    }

    #[test]
    fn a_certificate_begins_a_minute_ago_or_a_tenth_of_its_life() {
        assert_eq!(backdate(MEMBER), Duration::from_secs(60));
        assert_eq!(backdate(MINIMUM_LIFETIME), Duration::from_secs(2));
    }
}
