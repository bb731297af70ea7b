//! The certificate that the public listener shows, as far as others have to know of it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use moneyer_daemon::tls::Validity;
use moneyer_identity::UnixTime;

/// With less than this left somebody should look: whoever renews does so weeks before.
const ENDING: Duration = Duration::from_secs(7 * 24 * 3600);

/// When the certificate of the public listener is valid. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct PublicCertificate {
    validity: Arc<ArcSwapOption<Validity>>,
}

/// How a certificate stands in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is none.
    Missing,
    /// Its time has not come: it was made by another clock, or this one is wrong.
    Early,
    /// All is well.
    Good,
    /// It should have been renewed.
    Ending,
    /// Clients refuse it.
    Ended,
}

impl PublicCertificate {
    /// Another certificate serves from now on.
    pub(super) fn set(&self, validity: Option<Validity>) {
        self.validity.store(validity.map(Arc::new));
    }

    /// When it is valid, if there is one.
    pub(super) fn validity(&self) -> Option<Validity> {
        self.validity.load().as_deref().copied()
    }

    /// Its last second.
    pub(crate) fn not_after(&self) -> Option<UnixTime> {
        Some(self.validity()?.not_after)
    }

    /// How it stands at this time.
    pub(super) fn standing(&self, now: UnixTime) -> Standing {
        let Some(Validity { not_before, not_after }) = self.validity() else {
            return Standing::Missing;
        };
        // One that lives for six days is never ending for all of them.
        let ending = ENDING.min(not_after.since(not_before) / 3);
        if now < not_before {
            Standing::Early
        } else if now > not_after {
            Standing::Ended
        } else if not_after.since(now) < ending {
            Standing::Ending
        } else {
            Standing::Good
        }
    }

    /// What relying parties meet at this time, if it is not what they need.
    pub(crate) fn problem(&self, now: UnixTime) -> Option<String> {
        match self.standing(now) {
            Standing::Good | Standing::Ending => None,
            Standing::Missing => Some("there is no certificate yet".to_owned()),
            Standing::Early => Some("the certificate is not valid yet by this clock".to_owned()),
            Standing::Ended => Some(
                "the certificate has ended; relying parties cannot fetch the key set here"
                    .to_owned(),
            ),
        }
    }

    /// Logs how it stands where that has changed since the last look.
    pub(super) fn tell(&self, told: &mut Standing, now: UnixTime) {
        let standing = self.standing(now);
        if standing == std::mem::replace(told, standing) {
            return;
        }
        let not_after = self.not_after().map_or(0, |time| time.0);
        match standing {
            Standing::Good | Standing::Missing => {}
            Standing::Ending => tracing::warn!(
                certificate.not_after = not_after,
                "the public listener's certificate ends within a week; was its renewal forgotten?"
            ),
            Standing::Early => tracing::warn!(
                "the public listener's certificate is not valid yet; is the clock right?"
            ),
            Standing::Ended => tracing::error!(
                certificate.not_after = not_after,
                "the public listener's certificate has ended; relying parties refuse it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;

    fn valid(from: i64, to: i64) -> PublicCertificate {
        let certificate = PublicCertificate::default();
        let (not_before, not_after) = (UnixTime(from), UnixTime(to));
        certificate.set(Some(Validity { not_before, not_after }));
        certificate
    }

    #[test]
    fn it_stands_as_its_validity_says_to_the_second() {
        let certificate = valid(100, 100 + 90 * DAY);
        let end = 100 + 90 * DAY;
        for (now, expected) in [
            (99, Standing::Early),
            (100, Standing::Good),
            (end - 7 * DAY, Standing::Good),
            (end - 7 * DAY + 1, Standing::Ending),
            (end, Standing::Ending),
            (end + 1, Standing::Ended),
        ] {
            assert_eq!(certificate.standing(UnixTime(now)), expected, "{now}");
        }
        assert_eq!(PublicCertificate::default().standing(UnixTime(0)), Standing::Missing);
    }

    #[test]
    fn one_that_lives_for_six_days_is_ending_in_its_last_third() {
        let certificate = valid(0, 6 * DAY);
        assert_eq!(certificate.standing(UnixTime(4 * DAY)), Standing::Good);
        assert_eq!(certificate.standing(UnixTime(4 * DAY + 1)), Standing::Ending);
    }

    #[test]
    fn only_what_relying_parties_refuse_is_a_problem() {
        let certificate = valid(100, 200);
        let problem = |now| certificate.problem(UnixTime(now));
        assert_eq!((problem(100), problem(200)), (None, None));
        assert!(problem(99).unwrap().contains("not valid yet"));
        assert!(problem(201).unwrap().starts_with("the certificate has ended;"));
        let none = PublicCertificate::default().problem(UnixTime(0));
        assert_eq!(none.as_deref(), Some("there is no certificate yet"));
    }
}
