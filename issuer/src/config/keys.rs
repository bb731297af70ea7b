//! `[keys]`: what keys the coordinator signs with.

use moneyer_daemon::settings::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Algorithm of the signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum KeyAlgorithm {
    /// RSA: taken everywhere.
    RS256,
    /// P-256: not taken by Azure.
    ES256,
}

/// What keys the coordinator signs with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeysSection {
    /// Algorithm of a new cluster's first key. Default: `RS256`.
    pub algorithm: KeyAlgorithm,
    /// Size of RSA keys in bits: 2048, 3072 or 4096. Default: 2048.
    pub bits: u32,
    /// How long relying parties may cache the key set: `Cache-Control: max-age`. Default: `1h`.
    pub max_age: Span,
    /// Threads that sign. Default: one for each core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<std::num::NonZeroUsize>,
}

impl Default for KeysSection {
    fn default() -> Self {
        Self {
            algorithm: KeyAlgorithm::RS256,
            bits: 2048,
            max_age: Span::from_secs(3600),
            threads: None,
        }
    }
}
