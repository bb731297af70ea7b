//! How the certificate of this host is doing, and the words for whoever operates it.
//!
//! A certificate is renewed when 70 % of its life are over. One that has less than a fifth left was not
//! renewed for a long time, and there is time to mend what is wrong; with less than a tenth somebody has to
//! look at once; one that is over renews no more, and only another join token helps. Pure in time.

use std::time::Duration;

use moneyer_identity::{Clock, UnixTime};
use tokio::time::sleep;

use super::membership::{Member, Membership};

/// Left of a life when it is said that the certificate was not renewed.
const DEGRADED_AT_PERCENT: u32 = 20;

/// Left of a life when it is said that it will soon be over.
const ALARM_AT_PERCENT: u32 = 10;

/// How often it is looked at, for lives of a day; for shorter ones as often in a life.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const LOOKS_IN_A_LIFE: u32 = 100;

/// How the certificate is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CertificateHealth {
    /// It was renewed in time.
    Sound,
    /// It should have been renewed long ago.
    Degraded,
    /// It will soon be over.
    Alarm,
    /// It is over.
    Over,
}

impl CertificateHealth {
    /// The health as one word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Degraded => "degraded",
            Self::Alarm => "alarm",
            Self::Over => "over",
        }
    }

    /// What is wrong and what to do, if anything is.
    pub(crate) fn problem(self) -> Option<&'static str> {
        match self {
            Self::Sound => None,
            Self::Degraded => Some(
                "the certificate was not renewed and has less than a fifth of its life left; see \
                 whether the coordinator can be reached",
            ),
            Self::Alarm => Some(
                "the certificate was not renewed and has less than a tenth of its life left; bring the \
                 coordinator back, or this host has to join again",
            ),
            Self::Over => Some(
                "the certificate is over, so the coordinator refuses this host; ask an operator for a \
                 join token (moneyer runner invite) and run: moneyer-runner-proxy join",
            ),
        }
    }

    fn of(life: Duration, left: Duration) -> Self {
        if left.is_zero() {
            Self::Over
        } else if left <= life * ALARM_AT_PERCENT / 100 {
            Self::Alarm
        } else if left <= life * DEGRADED_AT_PERCENT / 100 {
            Self::Degraded
        } else {
            Self::Sound
        }
    }
}

impl Membership {
    /// How the certificate is doing.
    pub(crate) fn health(&self, now: UnixTime) -> CertificateHealth {
        CertificateHealth::of(self.life(), self.not_after().since(now))
    }
}

/// Says in the log whenever the certificate's health changes. Runs until it is dropped.
pub(crate) async fn watch_health(member: &Member, clock: &dyn Clock) {
    let mut said = CertificateHealth::Sound;
    loop {
        let (now, present) = (clock.now(), member.present());
        let health = present.health(now);
        if health != said {
            tell(health, present.not_after().since(now));
            said = health;
        }
        sleep(LOOK_EVERY.min(present.life() / LOOKS_IN_A_LIFE)).await;
    }
}

fn tell(health: CertificateHealth, left: Duration) {
    let (state, left) = (health.as_str(), left.as_secs());
    match health.problem() {
        None => tracing::info!(certificate.health = state, "the certificate is sound again"),
        Some(problem) if health == CertificateHealth::Degraded => tracing::warn!(
            certificate.health = state,
            certificate.remaining_seconds = left,
            "{problem}"
        ),
        Some(problem) => tracing::error!(
            certificate.health = state,
            certificate.remaining_seconds = left,
            "{problem}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_by_what_is_left() {
        let life = Duration::from_secs(1000);
        for (left, expected) in [
            (1000, CertificateHealth::Sound),
            (201, CertificateHealth::Sound),
            (200, CertificateHealth::Degraded),
            (101, CertificateHealth::Degraded),
            (100, CertificateHealth::Alarm),
            (1, CertificateHealth::Alarm),
            (0, CertificateHealth::Over),
        ] {
            let health = CertificateHealth::of(life, Duration::from_secs(left));
            assert_eq!(health, expected, "{left} of 1000 s left");
            assert_eq!(health.problem().is_none(), health == CertificateHealth::Sound);
        }
    }
}
