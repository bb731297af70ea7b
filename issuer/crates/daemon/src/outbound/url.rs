//! Addresses that may be asked.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use moneyer_identity::grant::TokenEndpoint;
use reqwest::Url;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::policy::OutboundError;

/// An address that an outbound client may ask: https, or http on this machine, with nobody's name and password
/// in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OutboundUrl(Url);

impl OutboundUrl {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, OutboundError> {
        let url = Url::parse(text).map_err(|_not_a_url| OutboundError::Url)?;
        let host = url.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let loopback = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        let nobody = url.username().is_empty() && url.password().is_none();
        let permitted = nobody && (url.scheme() == "https" || (url.scheme() == "http" && loopback));
        if permitted { Ok(Self(url)) } else { Err(OutboundError::Scheme) }
    }

    /// The address of a token endpoint, which passed a rule of its own: plain http also to a service of the cluster
    /// that this host is in.
    pub fn of_token_endpoint(endpoint: &TokenEndpoint) -> Result<Self, OutboundError> {
        Url::parse(endpoint.as_str()).map(Self).map_err(|_not_a_url| OutboundError::Url)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it has neither query nor fragment, so that a path can be appended.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.query().is_none() && self.0.fragment().is_none()
    }

    /// The host, an IPv6 address in brackets.
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The address as the type that URL libraries share.
    #[must_use]
    pub fn into_url(self) -> Url {
        self.0
    }
}

impl fmt::Display for OutboundUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for OutboundUrl {
    type Error = OutboundError;

    fn try_from(text: String) -> Result<Self, OutboundError> {
        Self::parse(&text)
    }
}

impl From<OutboundUrl> for String {
    fn from(url: OutboundUrl) -> Self {
        url.0.into()
    }
}

impl JsonSchema for OutboundUrl {
    fn schema_name() -> Cow<'static, str> {
        "OutboundUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uri" })
    }
}
