//! What a provider holds: secrets of users, for the coordinator alone.

use std::collections::BTreeSet;
use std::fmt;

use moneyer_identity::UnixTime;
use moneyer_identity::grant::{OAuthClientId, TokenEndpoint};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Longest value in bytes: that of a bearer token.
pub const MAXIMUM_CREDENTIAL_BYTES: usize = 16 * 1024;

/// A secret. Wiped when dropped; sealed where it is stored; it has no text for people.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialValue(Zeroizing<String>);

impl CredentialValue {
    /// Takes it over.
    #[must_use]
    pub fn new(value: Zeroizing<String>) -> Self {
        Self(value)
    }

    /// The secret, for the token service. Never for a log, a runner or an answer.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is one that a token service takes: visible ASCII, and not too much of it.
    pub(super) fn is_sound(&self) -> bool {
        let visible = self.0.bytes().all(|byte| byte.is_ascii_graphic());
        visible && !self.0.is_empty() && self.0.len() <= MAXIMUM_CREDENTIAL_BYTES
    }
}

impl fmt::Debug for CredentialValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialValue(redacted)")
    }
}

impl Serialize for CredentialValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CredentialValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A credential that an operator hands over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCredential {
    /// The secret.
    pub value: CredentialValue,
    /// When it ends, if that is known.
    pub expires_at: Option<UnixTime>,
    /// By what it is renewed, if it is.
    pub refresh: Option<StoredRefresh>,
}

/// By what a user's token is renewed (RFC 6749 section 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRefresh {
    /// The refresh token.
    pub token: CredentialValue,
    /// The public client it was given to; none where it was given to the coordinator, which shows its assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<OAuthClientId>,
}

/// A credential that a provider holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCredential {
    /// The secret.
    pub value: CredentialValue,
    /// When it ends, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixTime>,
    /// By what it is renewed, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<StoredRefresh>,
    /// When it was handed over.
    pub stored_at: UnixTime,
    /// Where the profile would have sent it when it was handed over. It is sent nowhere else, whatever the profile
    /// says later.
    pub for_endpoints: BTreeSet<TokenEndpoint>,
}

impl StoredCredential {
    /// Whether it has ended by this time, as far as its end is known.
    #[must_use]
    pub fn has_ended(&self, now: UnixTime) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let value = CredentialValue::new(Zeroizing::new("canary".to_owned()));
        let credential = NewCredential { value, expires_at: None, refresh: None };
        let shown = format!("{credential:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}
