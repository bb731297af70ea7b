//! `[runner]`: where this daemon keeps things.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where this daemon keeps things.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunnerSection {
    /// Certificate, key, roster: a directory for this daemon alone (mode 0700), on a disk. Default:
    /// `/var/lib/moneyer-runner-proxy`.
    pub state: PathBuf,
    /// The sandboxes' directories and the control socket: best on a tmpfs. Default: `/run/moneyer`.
    pub run: PathBuf,
}

impl Default for RunnerSection {
    fn default() -> Self {
        Self { state: "/var/lib/moneyer-runner-proxy".into(), run: "/run/moneyer".into() }
    }
}
