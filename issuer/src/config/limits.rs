//! `[limits]`: how much is done for whom.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much is done for whom. What goes beyond is refused at once, and may be asked again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Tokens a second for one runner; twice as many in a burst. A runner with 1,000 sandboxes and
    /// three hourly tokens each needs two a second. Default: 500.
    pub runner_tokens_per_second: NonZeroU32,
    /// Tokens a second for one sandbox; twice as many in a burst. Default: 50.
    pub sandbox_tokens_per_second: NonZeroU32,
    /// Log-ins a second of one workload; twice as many in a burst. One whose token lives 15 minutes needs one in
    /// ten minutes. Default: 5.
    pub workload_logins_per_second: NonZeroU32,
    /// Log-ins a second of all workloads of one trust domain together; twice as many in a burst. Default: 100.
    pub trust_domain_logins_per_second: NonZeroU32,
    /// Exchanges a second of one client; twice as many in a burst. Default: 50.
    pub client_exchanges_per_second: NonZeroU32,
    /// Exchanges a second of all clients of one issuer together; twice as many in a burst. Default: 1000.
    pub issuer_exchanges_per_second: NonZeroU32,
    /// Signatures that may wait for a thread; what comes beyond is refused. Default: 1024.
    pub signer_queue: usize,
    /// Open connections of one listener; more wait. Default: 10000.
    pub connections: usize,
    /// Open connections of one listener from one address, and to the management socket of one local user;
    /// more are closed at once. Raise it where a proxy in front brings everyone's. Default: 100.
    pub connections_per_address: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            runner_tokens_per_second: number(500),
            sandbox_tokens_per_second: number(50),
            workload_logins_per_second: number(5),
            trust_domain_logins_per_second: number(100),
            client_exchanges_per_second: number(50),
            issuer_exchanges_per_second: number(1000),
            signer_queue: 1024,
            connections: 10_000,
            connections_per_address: 100,
        }
    }
}
