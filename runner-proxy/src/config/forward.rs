//! `[forward]`: the forward proxy.

use std::path::PathBuf;

use moneyer_daemon::listener::ListenAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The forward proxy, which puts tokens on requests of sandboxes. It is on where `listen` is set: each sandbox that has
/// grants is then told of it in its environment, and has a socket `forward.sock` in its directory besides.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardSection {
    /// Where it listens, such as `127.0.0.1:8486`; an address that only this host's sandboxes can reach. Default: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<ListenAddress>,
    /// Under which host and port sandboxes reach it, such as `10.0.0.1:8486`. Empty: the address it listens on.
    /// Default: empty.
    pub address: String,
    /// Files with certificates (PEM) that upstreams are verified by, beside those of this machine. Default: none.
    pub roots: Vec<PathBuf>,
    /// Open tunnels of one sandbox; past it: 503. Default: 256.
    pub tunnels_per_sandbox: usize,
    /// Open connections of one sandbox to `listen`, beside its tunnels; past it: 503. Default: 256.
    pub connections_per_sandbox: usize,
}

impl Default for ForwardSection {
    fn default() -> Self {
        Self {
            listen: None,
            address: String::new(),
            roots: Vec::new(),
            tunnels_per_sandbox: 256,
            connections_per_sandbox: 256,
        }
    }
}
