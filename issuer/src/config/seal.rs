//! `[seal]`: the key that records with secrets are sealed under.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the key-encryption key comes from: exactly one of `key_file` and `credential`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SealSection {
    /// A file of 32 random bytes, raw, as 64 hexadecimal digits or in base64, that only its owner may
    /// read: root or the daemon's user. It may not lie in the store's directory.
    /// Default: `/etc/moneyer/seal.key`, unless `credential` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Name of a systemd credential (`LoadCredentialEncrypted=`) with the same contents. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Files with earlier keys, which open records and seal none. Default: none.
    pub older_key_files: Vec<PathBuf>,
    /// Keep records with private keys as they are, for tests that look for them on disk. Whoever reads
    /// the disk or a backup then has the keys. Default: `false`.
    pub insecure_plain: bool,
}
