//! `[audit]`: where it is recorded what happens.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where it is recorded what happens: a hash chain of JSON lines. No token leaves and nothing is changed
/// before its record is on disk.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSection {
    /// A directory of its own, made with mode 0700. Default: `/var/lib/moneyer/audit`.
    pub path: PathBuf,
    /// Bytes after which a file is ended and another begun: 64 KiB or more. A token takes about 600.
    /// Default: 67108864.
    pub rotate_bytes: u64,
    /// Bytes set aside, so that what is in flight when the disk is full is still recorded: 1 MiB or more.
    /// Default: 16777216.
    pub reserve_bytes: u64,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            path: "/var/lib/moneyer/audit".into(),
            rotate_bytes: 64 * 1024 * 1024,
            reserve_bytes: 16 * 1024 * 1024,
        }
    }
}
