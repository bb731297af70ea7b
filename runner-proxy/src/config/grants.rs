//! `[grants]`: how the tokens of grants are obtained.

use std::path::PathBuf;

use moneyer_daemon::settings::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the tokens of grants are obtained.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrantsSection {
    /// The socket of another SPIFFE Workload API that assertions come from, as the identity it takes this proxy for.
    /// Default: none; each sandbox's own JWT-SVID is its assertion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_api_socket: Option<PathBuf>,
    /// Files with certificates (PEM) that token endpoints are verified by, beside those of this machine. Default:
    /// none.
    pub roots: Vec<PathBuf>,
    /// How long sandboxes may do what the coordinator said last while it is away, also over a restart; then nothing,
    /// until it is heard again. A minute at least. Default: `24h`.
    pub max_age: Span,
}

impl Default for GrantsSection {
    fn default() -> Self {
        let max_age = Span::from_secs(24 * 3600);
        Self { workload_api_socket: None, roots: Vec::new(), max_age }
    }
}
