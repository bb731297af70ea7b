//! Where somebody logs in: verified, once more with newer authorities if that may help, and let in or not.

use std::sync::Arc;

use moneyer_authority::Authority;
use moneyer_authority::login::{KeySource, LocalToken, LoginError, Svid, VerifiedLogin};
use moneyer_identity::Lifetime;
use moneyer_identity::spiffe::{SpiffeId, TrustDomain};
use tokio::time::Instant;

use crate::federation::FederationRequests;
use crate::key_sets::KeySetRequests;
use crate::pace::Pace;
use crate::shares::Shares;

/// How often one workload and one trust domain may log in.
pub(crate) type LoginShares = Shares<SpiffeId, TrustDomain>;

/// Lets workloads in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LoginDesk {
    authority: Authority,
    federations: FederationRequests,
    key_sets: KeySetRequests,
    pace: Arc<Pace>,
    shares: LoginShares,
}

impl LoginDesk {
    /// A desk of this authority, which asks these for newer keys.
    pub(crate) fn new(
        authority: Authority,
        (federations, key_sets): (FederationRequests, KeySetRequests),
        shares: LoginShares,
    ) -> Self {
        Self { authority, federations, key_sets, pace: Arc::default(), shares }
    }

    /// A token for whoever shows this SVID, if a policy lets it in.
    pub(crate) async fn log_in(
        &self,
        svid: Svid<'_>,
        lifetime: Option<Lifetime>,
    ) -> Result<LocalToken, LoginError> {
        let verified = self.verify(svid).await;
        let verified = verified.and_then(|verified| {
            let id = verified.id();
            let within = self.shares.take(id, id.trust_domain());
            if within { Ok(verified) } else { Err(LoginError::TooOften(id.clone())) }
        });
        self.authority.log_in(verified, lifetime).await
    }

    async fn verify(&self, svid: Svid<'_>) -> Result<VerifiedLogin, LoginError> {
        let first = self.authority.verify_svid(svid);
        let Some(trust_domain) = first.as_ref().err().and_then(LoginError::may_be_stale) else {
            return first;
        };
        if !self.renew(trust_domain).await {
            return first;
        }
        self.authority.verify_svid(svid)
    }

    /// Asks for newer keys, unless that was done a moment ago or there are none to be asked for.
    async fn renew(&self, trust_domain: &TrustDomain) -> bool {
        let Some(domain) = self.authority.login_plan().find(trust_domain) else { return false };
        let federated = self.authority.federations().find(trust_domain).is_some();
        let has_source = match &domain.keys {
            KeySource::Bundle => federated,
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
