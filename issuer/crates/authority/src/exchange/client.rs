//! Clients, as their proofs name them.
//!
//! A Kubernetes service account is `system:serviceaccount:<namespace>:<name>`; one of a cluster beside the first has
//! the name of its cluster and a slash before that. In a mapping the name alone may be `*`, for every service account
//! of a namespace. A namespace may not: whoever makes namespaces would choose who is meant.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest client identifier in bytes: namespace and name have 63 and 253, the subject of an OIDC token 255.
const MAXIMUM_CLIENT_BYTES: usize = 512;

/// What stands before namespace and name.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Why a text is no client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdentifierError {
    /// Empty, or longer than a client may be.
    #[error("a client has 1 to {MAXIMUM_CLIENT_BYTES} characters")]
    Length,
    /// A blank, a control character or one outside ASCII.
    #[error("a client is of visible ASCII characters")]
    Alphabet,
    /// A `*` that does not stand for the name of a service account.
    #[error(
        "a * stands for the whole name of a service account and for nothing else, as in \
         system:serviceaccount:NAMESPACE:*"
    )]
    Star,
}

/// A client, or in a mapping every service account of a namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientIdentifier(Arc<str>);

impl ClientIdentifier {
    /// Reads the exact text.
    pub fn parse(text: &str) -> Result<Self, ClientIdentifierError> {
        if text.is_empty() || text.len() > MAXIMUM_CLIENT_BYTES {
            return Err(ClientIdentifierError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ClientIdentifierError::Alphabet);
        }
        if text.contains('*') {
            let stem = text.strip_suffix('*').filter(|stem| !stem.contains('*'));
            let is_of_a_namespace = stem.and_then(namespace).is_some_and(|ns| !ns.is_empty());
            if !is_of_a_namespace {
                return Err(ClientIdentifierError::Star);
            }
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for a namespace. A proof never names such a client.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.0.ends_with('*')
    }

    /// What stands for its namespace in a mapping, if it is a service account.
    #[must_use]
    pub fn namespace_pattern(&self) -> Option<Self> {
        let (stem, name) = self.0.rsplit_once(':')?;
        let stem = format!("{stem}:");
        namespace(&stem).filter(|ns| !ns.is_empty() && !name.is_empty())?;
        Some(Self(format!("{stem}*").into()))
    }
}

/// The namespace of `[cluster/]system:serviceaccount:<namespace>:`.
fn namespace(stem: &str) -> Option<&str> {
    let account = stem.split_once('/').map_or(stem, |(_, account)| account);
    let namespace = account.strip_prefix(SERVICE_ACCOUNT)?.strip_suffix(':')?;
    (!namespace.contains([':', '/'])).then_some(namespace)
}

impl fmt::Display for ClientIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentifier({})", self.0)
    }
}

impl std::str::FromStr for ClientIdentifier {
    type Err = ClientIdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ClientIdentifier {
    type Error = ClientIdentifierError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ClientIdentifier> for String {
    fn from(client: ClientIdentifier) -> Self {
        client.0.as_ref().to_owned()
    }
}

impl schemars::JsonSchema for ClientIdentifier {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ClientIdentifier".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "`system:serviceaccount:NAMESPACE:NAME`, with `*` for the name for all of a namespace; of \
                            another issuer its name, a slash and the subject.",
            "pattern": r"^([!-)+-~]{1,512}|system:serviceaccount:[!-)+-9;-~]{1,63}:\*)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_the_whole_name_of_a_service_account() {
        for good in [
            "system:serviceaccount:ns:name",
            "system:serviceaccount:ns:*",
            "west/system:serviceaccount:ns:*",
            "spiffe://other.example/a",
            "x",
        ] {
            assert!(ClientIdentifier::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "system:serviceaccount:*:name",
            "system:serviceaccount:*:*",
            "system:serviceaccount::*",
            "system:serviceaccount:ns:na*",
            "system:serviceaccount:ns:x:*",
            "system:serviceaccount:ns/x:*",
            "spiffe://other.example/*",
            "west/east/system:serviceaccount:ns:*",
        ] {
            assert_eq!(ClientIdentifier::parse(bad), Err(ClientIdentifierError::Star), "{bad}");
        }
        assert_eq!(ClientIdentifier::parse(""), Err(ClientIdentifierError::Length));
        let longest = "x".repeat(MAXIMUM_CLIENT_BYTES);
        assert!(ClientIdentifier::parse(&longest).is_ok());
        assert!(ClientIdentifier::parse(&format!("{longest}x")).is_err());
        assert_eq!(ClientIdentifier::parse("a b"), Err(ClientIdentifierError::Alphabet));
    }

    #[test]
    fn the_pattern_of_a_namespace_is_that_of_its_service_accounts() {
        let pattern = |text: &str| {
            let pattern = ClientIdentifier::parse(text).unwrap().namespace_pattern();
            pattern.map(String::from)
        };
        let of = |text| pattern(text).unwrap_or_default();
        assert_eq!(of("system:serviceaccount:ns:name"), "system:serviceaccount:ns:*");
        assert_eq!(of("west/system:serviceaccount:ns:name"), "west/system:serviceaccount:ns:*");
        for other in
            ["system:node:n1", "spiffe://other.example/a", "x", "system:serviceaccount:ns:"]
        {
            assert_eq!(pattern(other), None, "{other}");
        }
    }
}
