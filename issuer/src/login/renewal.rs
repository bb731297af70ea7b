//! Newer authorities of a trust domain, for whoever was shown an SVID that the present ones do not take.

use std::sync::Arc;

use moneyer_authority::Authority;
use moneyer_authority::login::{KeySource, LoginDomain};
use tokio::time::Instant;

use crate::federation::FederationRequests;
use crate::key_sets::KeySetRequests;
use crate::pace::Pace;

/// Asks for newer authorities. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Renewal {
    authority: Authority,
    federations: FederationRequests,
    key_sets: KeySetRequests,
    pace: Arc<Pace>,
}

impl Renewal {
    /// Of trust domains that this authority knows, by these.
    pub(crate) fn new(
        authority: Authority,
        federations: FederationRequests,
        key_sets: KeySetRequests,
    ) -> Self {
        Self { authority, federations, key_sets, pace: Arc::default() }
    }

    /// Asks for newer ones, unless that was done a moment ago or there are none to be asked for.
    pub(crate) async fn renew(&self, domain: &LoginDomain) -> bool {
        let trust_domain = &domain.trust_domain;
        let has_source = match &domain.keys {
            KeySource::Bundle => self.authority.federations().find(trust_domain).is_some(),
            KeySource::Url { .. } => true,
            KeySource::Keys(_) => false,
        };
        if !has_source || !self.pace.take(trust_domain.as_str(), Instant::now()) {
            return false;
        }
        match &domain.keys {
            KeySource::Url { .. } => self.key_sets.refresh(trust_domain.as_str()).await,
            _ => self.federations.refresh(trust_domain.clone()).await,
        }
        true
    }
}
