//! `[sandboxes]`: what sandboxes see.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::UserRange;

/// What sandboxes see.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxesSection {
    /// Where a sandbox finds its directory, such as `/var/run/moneyer`: the beginning of the paths
    /// in its environment. Empty: the path on the host. Default: empty.
    pub mount: PathBuf,
    /// Whose processes may call the Workload API, beside being in the sandbox: numbers of users as this
    /// host sees them, such as `1000` or `100000-165535`. None: everyone in the sandbox. Default: none.
    pub users: Vec<UserRange>,
}
