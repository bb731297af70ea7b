//! `[limits]`: how much is done for whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much is done for whom.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Tokens kept for one sandbox, beside those of its files; past it the one not used for longest
    /// makes room. Default: 64.
    pub cached_tokens_per_sandbox: usize,
    /// Tokens kept on this host, beside those of files; past it a sandbox makes room among its own,
    /// or its token is served and not kept. About 4 KiB each. Default: 65536.
    pub cached_tokens: usize,
    /// Requests for new tokens that one sandbox may have under way; past it: 429. Default: 8.
    pub requests_under_way_per_sandbox: usize,
    /// Open connections to each of the two sockets of one sandbox; more wait. Default: 64.
    pub connections_per_sandbox: usize,
    /// Open connections to the token server on TCP from one address; more are closed. And those to the forward proxy
    /// that have not yet said which sandbox they are of; past it the one that has waited longest is closed. Default: 256.
    pub connections_per_address: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            cached_tokens_per_sandbox: 64,
            cached_tokens: 65_536,
            requests_under_way_per_sandbox: 8,
            connections_per_sandbox: 64,
            connections_per_address: 256,
        }
    }
}
