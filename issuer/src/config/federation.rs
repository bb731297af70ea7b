//! `[federation]`: how bundles of foreign trust domains are fetched. Which ones, operators say by command.

use moneyer_authority::federation::DEFAULT_MAXIMUM_AGE;
use moneyer_daemon::settings::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bundles of foreign trust domains. Which ones: `moneyer federation put`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FederationSection {
    /// How long a bundle is trusted that cannot be fetched anew; at least two hours. Longer than an outage that
    /// has to wait for the morning, and no longer than keys usually sign before they are replaced. Default: `1d`.
    pub maximum_age: Span,
    /// Ask servers on private addresses too: this machine, its network, and what else the Internet does not
    /// reach. Default: `false`.
    pub private_addresses: bool,
}

impl Default for FederationSection {
    fn default() -> Self {
        Self {
            maximum_age: Span::from_secs(DEFAULT_MAXIMUM_AGE.as_secs()),
            private_addresses: false,
        }
    }
}
