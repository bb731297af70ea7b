//! `[store]`: where records are kept.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where records are kept: an embedded store that one coordinator owns.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// A directory of its own, made with mode 0700. Default: `/var/lib/moneyer/store`.
    pub path: PathBuf,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { path: "/var/lib/moneyer/store".into() }
    }
}
