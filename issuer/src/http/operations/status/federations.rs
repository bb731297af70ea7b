//! How it stands with the bundles of foreign trust domains.

use moneyer_authority::Authority;
use moneyer_authority::federation::Standing;
use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::TrustDomain;
use serde::Serialize;

/// A federation.
#[derive(Debug, Serialize)]
pub(super) struct FederationStatus {
    pub(super) trust_domain: TrustDomain,
    /// `in_force`, `waiting` or `too_old`.
    pub(super) status: &'static str,
    /// Until when its bundle is trusted, if it cannot be fetched anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trusted_until: Option<UnixTime>,
    /// Why the last try brought nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
    /// Whether half of its time is over, or all of it: one failed try is no news.
    #[serde(skip)]
    pub(super) is_ending: bool,
}

pub(super) fn federations(authority: &Authority, now: UnixTime) -> Vec<FederationStatus> {
    let age = authority.federations().maximum_age();
    let known = authority.federations().list();
    let status = known.iter().map(|known| {
        let standing = known.standing(now, age);
        let problem = known.trial.as_ref().and_then(|trial| trial.failure.clone());
        let fetched = known.fetched.as_ref();
        let is_ending = match standing {
            Standing::Waiting => problem.is_some(),
            Standing::TooOld => true,
            Standing::InForce => fetched.is_some_and(|fetched| now.since(fetched.at) > age / 2),
        };
        FederationStatus {
            trust_domain: known.federation.trust_domain.clone(),
            status: standing.as_str(),
            trusted_until: fetched.map(|fetched| fetched.at.plus(age)),
            problem,
            is_ending,
        }
    });
    status.collect()
}
