//! `[token_server]`: tokens over TCP.

use std::net::{Ipv4Addr, SocketAddr};

use moneyer_daemon::listener::ListenAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokens over TCP, for sandboxes that cannot use the socket in their directory.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenServerSection {
    /// Where it listens; an address that only this host's sandboxes can reach. Default:
    /// `127.0.0.1:8484`.
    pub listen: ListenAddress,
    /// Under which URL sandboxes reach it, such as `http://10.0.0.1:8484`: the beginning of
    /// `MONEYER_TOKEN_URL`. Empty: `http://` and the address it listens on. Default: empty.
    pub url: String,
    /// Host names it is asked under, beside loopback names, its address and the host of `url`.
    /// Requests with another `Host` are refused. Default: none.
    pub hosts: Vec<String>,
}

impl Default for TokenServerSection {
    fn default() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8484));
        Self { listen: ListenAddress::Tcp(address), url: String::new(), hosts: Vec::new() }
    }
}
