//! Where a listener listens, as it is written in a configuration.
//!
//! TCP addresses are numeric: a name that resolves to something else tomorrow has no place
//! in the one setting that decides who can reach the daemon.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// An address to listen on: `127.0.0.1:8480`, `[::1]:0` or `unix:/run/moneyer/a.sock`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ListenAddress {
    /// A TCP address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The absolute path of a Unix socket.
    Unix(PathBuf),
}

/// Why a text is not a [`ListenAddress`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseAddressError {
    /// Neither a numeric address with a port nor `unix:` and a path.
    #[error("`{0}` is not an address to listen on; write 127.0.0.1:8480, [::1]:8480 or unix:/path")]
    Form(String),
    /// The path of a Unix socket is relative, ends in `/` or holds a NUL byte.
    #[error(
        "`{0}` is not the path of a socket; write an absolute one such as unix:/run/moneyer/a.sock"
    )]
    Path(String),
}

impl FromStr for ListenAddress {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            let sound = path.starts_with('/') && !path.ends_with('/') && !path.contains('\0');
            return if sound {
                Ok(Self::Unix(PathBuf::from(path)))
            } else {
                Err(ParseAddressError::Path(text.to_owned()))
            };
        }
        match text.parse() {
            Ok(address) => Ok(Self::Tcp(address)),
            Err(_) => Err(ParseAddressError::Form(text.to_owned())),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = ParseAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

impl JsonSchema for ListenAddress {
    fn schema_name() -> Cow<'static, str> {
        "ListenAddress".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "HOST:PORT with a numeric host, or unix:/PATH",
            "examples": ["127.0.0.1:8480", "[::1]:8480", "unix:/run/moneyer/management.sock"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in ["127.0.0.1:8480", "[::1]:0", "0.0.0.0:1", "unix:/run/a.sock"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "8480", ":8480", "localhost:80", "127.0.0.1", "127.0.0.1:65536", "[::1]"] {
            let refused = text.parse::<ListenAddress>();
            assert_eq!(refused, Err(ParseAddressError::Form(text.to_owned())));
        }
        for text in ["unix:", "unix:a.sock", "unix:/run/", "unix:/a\0b"] {
            let refused = text.parse::<ListenAddress>();
            assert_eq!(refused, Err(ParseAddressError::Path(text.to_owned())));
        }
    }
}
