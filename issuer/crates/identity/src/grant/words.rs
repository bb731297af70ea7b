//! The words of a rule: closed lists, each with its text in a profile and on the wire.

use serde::{Deserialize, Serialize};

use super::method::Method;

/// The text is none of the words there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is none of the words there are")]
pub struct UnknownWord;

/// Gives each variant its word.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// Its word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord),
                }
            }
        }
    };
}

/// What is spoken at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Bytes that nobody looks into.
    #[default]
    Tcp,
    /// A database's own protocol: bytes, too.
    Sql,
    /// HTTP requests.
    Rest,
    /// HTTP requests that may become a WebSocket.
    Websocket,
    /// HTTP requests that carry GraphQL.
    Graphql,
    /// HTTP requests of the Model Context Protocol.
    Mcp,
    /// HTTP requests that carry JSON-RPC.
    JsonRpc,
}

impl Protocol {
    /// Whether it is HTTP, so that requests can be looked at.
    #[must_use]
    pub fn is_http(self) -> bool {
        !matches!(self, Self::Tcp | Self::Sql)
    }
}

/// A preset of methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// GET, HEAD and OPTIONS.
    ReadOnly,
    /// POST, PUT and PATCH besides; not DELETE.
    ReadWrite,
    /// Any.
    Full,
}

impl Access {
    pub(super) fn permits(self, method: &Method) -> bool {
        let reads = matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let writes = matches!(method.as_str(), "POST" | "PUT" | "PATCH");
        match self {
            Self::ReadOnly => reads,
            Self::ReadWrite => reads || writes,
            Self::Full => true,
        }
    }
}

/// What happens to a request that no rule permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforcement {
    /// It passes and is written down.
    #[default]
    Audit,
    /// It is refused.
    Enforce,
}

/// What happens to TLS at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// It is ended and begun again where it is spoken.
    #[default]
    Terminate,
    /// It passes as it is: nothing is looked at and nothing put on a request.
    Skip,
}

words!(Protocol {
    Tcp = "tcp",
    Sql = "sql",
    Rest = "rest",
    Websocket = "websocket",
    Graphql = "graphql",
    Mcp = "mcp",
    JsonRpc = "json-rpc",
});
words!(Access { ReadOnly = "read-only", ReadWrite = "read-write", Full = "full" });
words!(Enforcement { Audit = "audit", Enforce = "enforce" });
words!(TlsMode { Terminate = "terminate", Skip = "skip" });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_is_written_and_as_serde_has_it() {
        for word in ["tcp", "sql", "rest", "websocket", "graphql", "mcp", "json-rpc"] {
            let protocol: Protocol = word.parse().unwrap();
            assert_eq!(protocol.as_str(), word);
            assert_eq!(serde_json::to_value(protocol).unwrap(), word);
        }
        for word in ["read-only", "read-write", "full"] {
            let access: Access = word.parse().unwrap();
            assert_eq!(serde_json::to_value(access).unwrap(), access.as_str());
        }
        for word in ["audit", "enforce"] {
            let enforcement: Enforcement = word.parse().unwrap();
            assert_eq!(serde_json::to_value(enforcement).unwrap(), enforcement.as_str());
        }
        assert_eq!("skip".parse::<TlsMode>().unwrap().as_str(), "skip");
        assert_eq!("REST".parse::<Protocol>(), Err(UnknownWord));
    }
}
