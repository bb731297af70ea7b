//! Where somebody logs in: verified, once more with newer authorities if that may help, and let in or not.

use moneyer_authority::Authority;
use moneyer_authority::login::{LocalToken, LoginError, Svid, VerifiedLogin};
use moneyer_identity::Lifetime;
use moneyer_identity::spiffe::{SpiffeId, TrustDomain};

use super::renewal::Renewal;
use crate::shares::Shares;

/// How often one workload and one trust domain may log in.
pub(crate) type LoginShares = Shares<SpiffeId, TrustDomain>;

/// Lets workloads in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LoginDesk {
    authority: Authority,
    renewal: Renewal,
    shares: LoginShares,
}

impl LoginDesk {
    /// A desk of this authority, which asks these for newer keys.
    pub(crate) fn new(authority: Authority, renewal: Renewal, shares: LoginShares) -> Self {
        Self { authority, renewal, shares }
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
        match self.authority.login_plan().find(trust_domain) {
            Some(domain) if self.renewal.renew(domain).await => {}
            _ => return first,
        }
        self.authority.verify_svid(svid)
    }
}
