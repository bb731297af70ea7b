//! How often one workload, and all of one trust domain, may log in.
//!
//! A log-in costs a signature and a durable record, and a trust domain can make as many workloads as it likes. Who
//! was not verified costs neither, and is bounded by its connections.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use moneyer_authority::login::{LoginError, VerifiedLogin};
use moneyer_identity::spiffe::{SpiffeId, TrustDomain};

use crate::config::LimitsSection;

/// How often the quiet are forgotten: long against a refill, short against memory.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// The shares of everyone who logs in. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LoginShares {
    workloads: Arc<DefaultKeyedRateLimiter<SpiffeId>>,
    trust_domains: Arc<DefaultKeyedRateLimiter<TrustDomain>>,
}

impl LoginShares {
    pub(crate) fn new(limits: &LimitsSection) -> Self {
        let twice = |each: NonZeroU32| each.saturating_mul(NonZeroU32::MIN.saturating_add(1));
        let quota = |each: NonZeroU32| Quota::per_second(each).allow_burst(twice(each));
        let workloads = quota(limits.workload_logins_per_second);
        let trust_domains = quota(limits.trust_domain_logins_per_second);
        Self {
            workloads: Arc::new(RateLimiter::keyed(workloads)),
            trust_domains: Arc::new(RateLimiter::keyed(trust_domains)),
        }
    }

    /// Takes one log-in out of both shares. A workload beyond its own takes nothing from its trust domain's.
    pub(super) fn take(&self, who: VerifiedLogin) -> Result<VerifiedLogin, LoginError> {
        let id = who.id();
        let within = self.workloads.check_key(id).is_ok()
            && self.trust_domains.check_key(id.trust_domain()).is_ok();
        if within { Ok(who) } else { Err(LoginError::TooOften(id.clone())) }
    }

    /// Forgets those whose shares are full again. Runs until it is dropped.
    pub(crate) async fn sweep(self) {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            every.tick().await;
            self.workloads.retain_recent();
            self.trust_domains.retain_recent();
            self.workloads.shrink_to_fit();
            self.trust_domains.shrink_to_fit();
        }
    }
}
