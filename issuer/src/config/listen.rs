//! `[listen]`: where the coordinator listens.

use moneyer_daemon::listener::ListenAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the coordinator listens. A TCP address is `127.0.0.1:8480` or `[::1]:8480`, a Unix socket
/// `unix:/path`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenSection {
    /// Discovery and key set, plain HTTP: put TLS in front. Default: `0.0.0.0:8480`.
    pub public: ListenAddress,
    /// gRPC over mTLS for runners and sandbox controllers. Default: `0.0.0.0:8482`.
    pub grpc: ListenAddress,
    /// Health and metrics, plain HTTP without authentication: keep it on loopback or in the cluster.
    /// Default: `127.0.0.1:8483`.
    pub operations: ListenAddress,
    /// The management API. A Unix socket, since callers are known by the kernel's word alone.
    /// Default: `unix:/run/moneyer/management.sock`.
    pub management: ListenAddress,
    /// User ids that may use the management socket, beside root and the daemon's own. Default: none.
    pub operators: Vec<u32>,
}

impl Default for ListenSection {
    fn default() -> Self {
        let tcp = |ip: [u8; 4], port| ListenAddress::Tcp((ip, port).into());
        Self {
            public: tcp([0, 0, 0, 0], 8480),
            grpc: tcp([0, 0, 0, 0], 8482),
            operations: tcp([127, 0, 0, 1], 8483),
            management: ListenAddress::Unix("/run/moneyer/management.sock".into()),
            operators: Vec::new(),
        }
    }
}
