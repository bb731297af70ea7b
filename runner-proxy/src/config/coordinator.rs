//! `[coordinator]`: which cluster this host belongs to.

use std::fmt;
use std::str::FromStr;

use moneyer_identity::spiffe::TrustDomain;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Which cluster this host belongs to, and where its coordinator is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorSection {
    /// The coordinator's gRPC address, `host:port`. Its name does not have to match its certificate:
    /// the coordinator is known by its SPIFFE ID. Default: `127.0.0.1:8482`.
    #[serde(default)]
    pub address: CoordinatorAddress,
    /// The cluster's trust domain, such as `id.prod-1.example.com`. Required.
    #[schemars(with = "String")]
    pub trust_domain: TrustDomain,
}

/// A host and a port to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CoordinatorAddress(String);

/// Why a text is no address to connect to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address to connect to; write host:port, such as moneyer.internal:8482")]
pub struct CoordinatorAddressError(String);

impl CoordinatorAddress {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for CoordinatorAddress {
    fn default() -> Self {
        Self("127.0.0.1:8482".to_owned())
    }
}

impl FromStr for CoordinatorAddress {
    type Err = CoordinatorAddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let authority = text.parse::<http::uri::Authority>().ok();
        let whole = authority.is_some_and(|authority| {
            !authority.host().is_empty()
                && authority.port_u16().is_some_and(|port| port != 0)
                && !text.contains('@')
        });
        if whole {
            Ok(Self(text.to_owned()))
        } else {
            Err(CoordinatorAddressError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for CoordinatorAddress {
    type Error = CoordinatorAddressError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<CoordinatorAddress> for String {
    fn from(address: CoordinatorAddress) -> Self {
        address.0
    }
}

impl fmt::Display for CoordinatorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for CoordinatorAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CoordinatorAddress".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "HOST:PORT",
            "examples": ["127.0.0.1:8482", "moneyer.internal:8482"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port() {
        for good in ["127.0.0.1:8482", "[::1]:8482", "moneyer.internal:1"] {
            assert_eq!(good.parse::<CoordinatorAddress>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "moneyer",
            ":8482",
            "moneyer:",
            "moneyer:0",
            "https://moneyer:8482",
            "a@b:1",
            "a b:1",
            "::1:8482",
        ] {
            bad.parse::<CoordinatorAddress>().unwrap_err();
        }
    }
}
