//! The issuers of one moment: pure.

use std::time::Duration;

use moneyer_identity::{Audience, IssuerUrl, UnixTime};

use crate::issuers::record::IssuerRecord;

/// How much longer than any token may live a previous issuer is served and verified: clocks differ, and
/// a token may have been on its way to its signature when the cluster moved.
const GRACE: Duration = Duration::from_secs(3600);

/// An issuer that live tokens may still name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviousIssuer {
    /// The value of `iss`.
    pub issuer: IssuerUrl,
    /// When the cluster moved on.
    pub left_at: UnixTime,
    /// Until when it is served and verified.
    pub until: UnixTime,
}

/// The issuers of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerList {
    current: IssuerUrl,
    since: UnixTime,
    previous: Vec<PreviousIssuer>,
}

impl IssuerList {
    /// The issuers of these records, the one left last first; `None` unless exactly one is current.
    pub(super) fn of<'a>(
        records: impl Iterator<Item = &'a IssuerRecord>,
        maximum_lifetime: Duration,
    ) -> Option<Self> {
        let (mut current, mut previous) = (None, Vec::new());
        for record in records {
            let issuer = record.issuer.clone();
            match record.left_at {
                None if current.is_some() => return None,
                None => current = Some((issuer, record.since)),
                Some(left_at) => {
                    let longest = record
                        .longest_lifetime
                        .map_or(maximum_lifetime, |noted| noted.duration().max(maximum_lifetime));
                    let until = left_at.plus(longest).plus(GRACE);
                    previous.push(PreviousIssuer { issuer, left_at, until });
                }
            }
        }
        previous.sort_by_key(|previous| std::cmp::Reverse(previous.left_at));
        let (current, since) = current?;
        Some(Self { current, since, previous })
    }

    /// What tokens name now.
    #[must_use]
    pub fn current(&self) -> &IssuerUrl {
        &self.current
    }

    /// From when tokens name it.
    #[must_use]
    pub fn since(&self) -> UnixTime {
        self.since
    }

    /// What live tokens may still name, the one left last first.
    #[must_use]
    pub fn previous(&self) -> &[PreviousIssuer] {
        &self.previous
    }

    /// Every issuer, the current one first.
    pub fn all(&self) -> impl Iterator<Item = &IssuerUrl> {
        std::iter::once(&self.current).chain(self.previous.iter().map(|previous| &previous.issuer))
    }

    /// Whether an audience is an issuer of this cluster: such a token could be replayed to itself.
    #[must_use]
    pub fn names(&self, audience: &Audience) -> bool {
        self.all().any(|issuer| issuer.as_str() == audience.as_str())
    }
}
