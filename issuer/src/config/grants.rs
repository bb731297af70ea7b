//! `[grants]`: how token services are asked for tokens on users' behalf.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How token services are asked for tokens on users' behalf. Which ones: `moneyer profile put`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrantsSection {
    /// PEM files with roots that token services are verified by, beside those of this machine. Default: none.
    pub roots: Vec<PathBuf>,
}
