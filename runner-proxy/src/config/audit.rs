//! `[audit]`: where it is recorded what the forward proxy does.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where it is recorded which tokens the forward proxy obtained, and what it refused: a hash chain of JSON lines. No token
/// is used before its record is on disk. Where `forward.listen` is not set there is no such log.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSection {
    /// A directory of its own, made with mode 0700. Default: `audit` in `runner.state`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Bytes after which a file is ended and another begun: 64 KiB or more. A token takes about 800.
    /// Default: 67108864.
    pub rotate_bytes: u64,
    /// Bytes set aside, so that what is in flight when the disk is full is still recorded: 1 MiB or more.
    /// Default: 1048576.
    pub reserve_bytes: u64,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            // In the state's directory, which is another key.
            path: None,
            rotate_bytes: 64 * 1024 * 1024,
            reserve_bytes: 1024 * 1024,
        }
    }
}
