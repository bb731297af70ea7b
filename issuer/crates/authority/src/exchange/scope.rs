//! Scopes, and the claims they stand for.
//!
//! A claim that this coordinator sets is never one of a scope: whoever writes scopes would say who somebody is.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::context::ParticipantContext;
use crate::store::{Collection, Record};

/// Longest name of a scope in bytes: dozens of them fit a request.
const MAXIMUM_SCOPE_BYTES: usize = 256;

/// Longest claims of a scope in bytes, as JSON: with those of several scopes they still fit a token of 8 KiB.
pub const MAXIMUM_CLAIMS_BYTES: usize = 4096;

/// Claims that are set by the coordinator alone (RFC 7519 section 4.1, RFC 8693 section 4, `docs/claims.md`).
pub const RESERVED_CLAIMS: [&str; 23] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "act",
    "may_act",
    "cnf",
    "organization_id",
    "cluster_id",
    "app",
    "app_uid",
    "sandbox_id",
    "runner_id",
    "identity_type",
    "system_workload",
    "role",
    "spiffe_id",
    "policies",
    "participant_context",
    "kubernetes.io",
];

/// Why a text is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeNameError {
    /// Empty, or too long.
    #[error("a scope has 1 to {MAXIMUM_SCOPE_BYTES} characters")]
    Length,
    /// A character that RFC 6749 section 3.3 does not have.
    #[error("a scope is of visible ASCII characters without a quote and a backslash")]
    Alphabet,
}

/// A scope (RFC 6749 section 3.3).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeName(Arc<str>);

impl ScopeName {
    /// Reads the exact text.
    pub fn parse(text: &str) -> Result<Self, ScopeNameError> {
        if text.is_empty() || text.len() > MAXIMUM_SCOPE_BYTES {
            return Err(ScopeNameError::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')) {
            return Err(ScopeNameError::Alphabet);
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScopeName({})", self.0)
    }
}

impl std::str::FromStr for ScopeName {
    type Err = ScopeNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ScopeName {
    type Error = ScopeNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ScopeName> for String {
    fn from(scope: ScopeName) -> Self {
        scope.0.as_ref().to_owned()
    }
}

/// Which scope mapping: of a scope for everyone, or for one participant context.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeKey {
    /// The scope.
    pub scope: ScopeName,
    /// For this context alone.
    pub context: Option<ParticipantContext>,
}

/// Why what is said is no scope mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeMappingError {
    /// A claim is the coordinator's.
    #[error("the claim {0} is set by the coordinator alone")]
    Reserved(String),
    /// The claims are too long.
    #[error("the claims of a scope take more than {MAXIMUM_CLAIMS_BYTES} bytes")]
    TooLong,
}

/// The claims that a scope stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeMapping {
    /// The scope.
    pub scope: ScopeName,
    /// The claims.
    pub claims: Map<String, Value>,
    /// For this participant context alone, in which it stands in the place of that for everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant_context: Option<ParticipantContext>,
}

impl ScopeMapping {
    /// Which it is.
    #[must_use]
    pub fn key(&self) -> ScopeKey {
        ScopeKey { scope: self.scope.clone(), context: self.participant_context.clone() }
    }

    /// The same, if it can be kept.
    pub(super) fn checked(self) -> Result<Self, ScopeMappingError> {
        if let Some(reserved) = self.claims.keys().find(|name| is_reserved(name)) {
            return Err(ScopeMappingError::Reserved(reserved.clone()));
        }
        // A map of JSON values is always written.
        let bytes = serde_json::to_vec(&self.claims).map_or(usize::MAX, |bytes| bytes.len());
        if bytes > MAXIMUM_CLAIMS_BYTES {
            return Err(ScopeMappingError::TooLong);
        }
        Ok(self)
    }
}

/// Whether a claim is the coordinator's alone.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED_CLAIMS.contains(&name)
}

impl Record for ScopeMapping {
    const COLLECTION: Collection = Collection::Scopes;

    /// Names may be longer than an id, so their digest stands for them.
    fn id(&self) -> String {
        let context = self.participant_context.as_ref().map_or("", ParticipantContext::as_str);
        // No name has a blank in it.
        let named = format!("{} {context}", self.scope);
        URL_SAFE_NO_PAD.encode(digest(&SHA256, named.as_bytes()))
    }
}

impl schemars::JsonSchema for ScopeName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ScopeName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "RFC 6749 section 3.3.",
            "pattern": r"^[!#-\[\]-~]{1,256}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_of_the_characters_of_rfc_6749() {
        let longest = "x".repeat(MAXIMUM_SCOPE_BYTES);
        for good in ["read", "urn:x:read", "a'b", longest.as_str()] {
            assert!(ScopeName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", &format!("{longest}x")] {
            assert_eq!(ScopeName::parse(bad), Err(ScopeNameError::Length), "{bad}");
        }
        for bad in ["a b", "a\"b", "a\\b", "\u{e9}", "a\n"] {
            assert_eq!(ScopeName::parse(bad), Err(ScopeNameError::Alphabet), "{bad}");
        }
    }
}
