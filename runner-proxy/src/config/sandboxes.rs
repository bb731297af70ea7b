//! `[sandboxes]`: what sandboxes see.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What sandboxes see.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxesSection {
    /// Where a sandbox finds its directory, such as `/var/run/moneyer`: the beginning of the paths
    /// in its environment. Empty: the path on the host. Default: empty.
    pub mount: PathBuf,
}
