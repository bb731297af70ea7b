//! `[control]`: the socket of the commands.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How `moneyer-runner-proxy sandbox …` reaches this daemon.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ControlSection {
    /// The Unix socket, for this daemon's user and root only. Default: `control.sock` in
    /// `runner.run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
}
