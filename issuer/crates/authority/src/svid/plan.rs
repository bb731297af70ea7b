//! How long SVIDs live, and when their authorities change.

use std::time::Duration;

use crate::keys::{SKEW, Schedule, ScheduleError};

/// Shortest life: it is renewed at half of it, and a few attempts of a call's five seconds fit into the rest.
const MINIMUM_SVID_LIFETIME: Duration = Duration::from_secs(60);

/// Longest life, as that of a token: an authority stays in the bundle that long after its last signature.
const MAXIMUM_SVID_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Longest round, and longest time in the bundle before use: a key that signs for years is nobody's plan.
const MAXIMUM_ROUND: Duration = Duration::from_secs(365 * 24 * 3600);

/// How much longer than its schedule an authority's certificate lasts. The bundle ends an authority; its
/// certificate must not do so first where the successor does not come, and no SVID may outlive it.
const CERTIFICATE_RESERVE: Duration = Duration::from_secs(365 * 24 * 3600);

/// An SVID would live too long or too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an X.509-SVID lives from 60 s to 24 h")]
pub struct SvidLifetimeError;

/// Why periods are not a round of authorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RoundError {
    /// The round is too short or too long.
    #[error("an authority of SVIDs signs from 1 s to 365 days")]
    RotateEvery,
    /// It would be in the bundle too long before.
    #[error("an authority of SVIDs is in the trust bundle for 365 days at most before it signs")]
    PublishBeforeUse,
    /// The bundle would grow beyond what its readers are known to take.
    #[error(
        "would keep {authorities} authorities in the trust bundle, and 80 are the most: rotate less often, \
         or lower spiffe.ca_publish_before_use or spiffe.x509_svid_lifetime"
    )]
    TooMany {
        /// How many.
        authorities: u64,
    },
}

/// How long SVIDs live, and when their authorities change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct X509Plan {
    schedule: Schedule,
}

impl X509Plan {
    /// A plan, if its periods go together.
    pub fn new(
        lifetime: Duration,
        rotate_every: Duration,
        publish_before_use: Duration,
    ) -> Result<Self, RoundError> {
        if rotate_every > MAXIMUM_ROUND {
            return Err(RoundError::RotateEvery);
        }
        if publish_before_use > MAXIMUM_ROUND {
            return Err(RoundError::PublishBeforeUse);
        }
        // Nobody may keep a bundle by a time that we say: runners are handed it, and peers ask again.
        let schedule = Schedule::new(rotate_every, publish_before_use, Duration::ZERO, lifetime);
        let schedule = schedule.map_err(|error| match error {
            ScheduleError::TooManyKeys { keys } => RoundError::TooMany { authorities: keys },
            ScheduleError::TooOften
            | ScheduleError::CachedTooLong
            | ScheduleError::ShorterThanCache { .. } => RoundError::RotateEvery,
        })?;
        Ok(Self { schedule })
    }

    /// A life that an SVID may have.
    pub fn check_lifetime(lifetime: Duration) -> Result<Duration, SvidLifetimeError> {
        let bounds = MINIMUM_SVID_LIFETIME..=MAXIMUM_SVID_LIFETIME;
        if bounds.contains(&lifetime) { Ok(lifetime) } else { Err(SvidLifetimeError) }
    }

    /// When authorities change.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// How long an SVID lives.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.schedule.maximum_lifetime()
    }

    /// How long an authority's certificate lasts from its making: until its last SVID is dead, and a reserve
    /// for ends that are moved out.
    #[must_use]
    pub fn certificate_lifetime(&self) -> Duration {
        let schedule = &self.schedule;
        let planned = schedule.publish_before_use() + schedule.signs_for() + self.lifetime() + SKEW;
        planned + CERTIFICATE_RESERVE
    }
}
