//! `[tokens]`: how tokens are renewed.

use moneyer_daemon::settings::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How tokens are renewed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokensSection {
    /// Renewals come up to this long before half of a token's life, at random, and are spread over
    /// as long when the coordinator comes back; at most an hour. Default: `30s`.
    pub jitter: Span,
}

impl Default for TokensSection {
    fn default() -> Self {
        Self { jitter: Span::from_secs(30) }
    }
}
