//! How many tokens a second one runner and one sandbox may have.
//!
//! One hostile or broken caller must not slow the others down: what goes beyond its share is refused
//! before anything is signed, with the time to wait. Shares refill evenly (GCRA); twice a second's worth
//! may come at once. Callers that have been quiet are forgotten.
//!
//! A sandbox's share is kept apart for each runner that names it: whether the sandbox is placed there is
//! known only later, and no runner may use up the share of another's sandbox, or learn from a full one
//! that it exists. What a sandbox asks for beyond its share costs its runner nothing, so the other
//! sandboxes there keep theirs.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use moneyer_authority::enrollment::PeerLeaf;
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{RunnerId, SandboxId};
use tonic::Status;

use crate::config::LimitsSection;
use crate::grpc::status;

/// How often the quiet are forgotten: long against a refill, short against memory.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Renewals a member may have in a minute, all at once if it likes. One needs two a day.
const RENEWALS: u32 = 10;

/// The shares of every caller.
#[derive(Debug, Clone)]
pub(crate) struct MintLimits {
    runners: Arc<DefaultKeyedRateLimiter<RunnerId>>,
    sandboxes: Arc<DefaultKeyedRateLimiter<(RunnerId, SandboxId)>>,
    renewals: Arc<DefaultKeyedRateLimiter<SpiffeId>>,
}

fn quota(per_second: NonZeroU32) -> Quota {
    Quota::per_second(per_second)
        .allow_burst(per_second.saturating_mul(NonZeroU32::MIN.saturating_add(1)))
}

impl MintLimits {
    pub(crate) fn new(limits: &LimitsSection) -> Self {
        Self {
            runners: Arc::new(RateLimiter::keyed(quota(limits.runner_tokens_per_second))),
            sandboxes: Arc::new(RateLimiter::keyed(quota(limits.sandbox_tokens_per_second))),
            renewals: Arc::new(RateLimiter::keyed(Quota::per_minute(
                NonZeroU32::new(RENEWALS).unwrap_or(NonZeroU32::MIN),
            ))),
        }
    }

    /// Takes one token out of both shares, or says how long to wait.
    pub(super) fn take(
        &self,
        runner: &RunnerId,
        sandbox: Option<&SandboxId>,
    ) -> Result<(), Status> {
        if let Some(sandbox) = sandbox {
            let key = (runner.clone(), sandbox.clone());
            self.sandboxes.check_key(&key).map_err(|until| wait(&until))?;
        }
        self.runners.check_key(runner).map_err(|until| wait(&until))
    }

    /// Takes one renewal out of a member's share. A renewal is a durable change, and a removal waits
    /// behind those that came before it.
    pub(super) fn take_renewal(&self, leaf: &PeerLeaf) -> Result<(), Status> {
        self.renewals.check_key(leaf.id()).map_err(|until| wait(&until))
    }

    /// Forgets callers whose shares are full again. Runs until it is dropped.
    pub(crate) async fn sweep(self) {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        loop {
            every.tick().await;
            self.runners.retain_recent();
            self.sandboxes.retain_recent();
            self.renewals.retain_recent();
            self.runners.shrink_to_fit();
            self.sandboxes.shrink_to_fit();
            self.renewals.shrink_to_fit();
        }
    }
}

fn wait(until: &governor::NotUntil<<DefaultClock as governor::clock::Clock>::Instant>) -> Status {
    status::exhausted(until.wait_time_from(DefaultClock::default().now()))
}
