//! `[keys]`: what keys the coordinator signs with, and when they change.

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
    /// Algorithm of the keys that are made. Default: `RS256`.
    pub algorithm: KeyAlgorithm,
    /// Algorithm of a second line of keys beside those of `keys.algorithm`, for audiences whose profile names it
    /// or whose relying party takes no other: `ES256` costs a fraction of `RS256`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_algorithm: Option<KeyAlgorithm>,
    /// Size of RSA keys in bits: 2048, 3072 or 4096. Default: 2048.
    pub bits: u32,
    /// How long a key signs before the next one takes over. Default: `30d`.
    pub rotate_every: Span,
    /// How long a key is published before it signs. At least `keys.max_age`, so that no relying party
    /// meets a token of a key it does not have; `0s` switches that off, for tests. Default: a day, or
    /// three times `keys.max_age` where that is longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish_before_use: Option<Span>,
    /// How long relying parties may cache the key set: `Cache-Control: max-age`. A day at most.
    /// Default: `1h`.
    pub max_age: Span,
    /// Publish a self-signed certificate over each key with it (`x5c`), for relying parties that read keys
    /// from one, such as Ceph's RADOS Gateway. A key that was made elsewhere and never signs here has none.
    /// Default: `false`.
    pub x5c: bool,
    /// Threads that sign. Default: one for each core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<std::num::NonZeroUsize>,
}

impl Default for KeysSection {
    fn default() -> Self {
        Self {
            algorithm: KeyAlgorithm::RS256,
            second_algorithm: None,
            bits: 2048,
            rotate_every: Span::from_secs(30 * 24 * 3600),
            publish_before_use: None,
            max_age: Span::from_secs(3600),
            x5c: false,
            threads: None,
        }
    }
}
