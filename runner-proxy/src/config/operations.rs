//! `[operations]`: health and metrics.

use moneyer_daemon::listener::ListenAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `/livez`, `/readyz` and `/metrics`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OperationsSection {
    /// Where they are served, such as `127.0.0.1:8485`. Default: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<ListenAddress>,
    /// Allows an address that others than this host can reach: metrics have no authentication.
    /// Default: false.
    pub insecure: bool,
}
