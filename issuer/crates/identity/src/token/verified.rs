//! A token that passed every check, and what it says.

use serde_json::{Map, Value};

use crate::clock::UnixTime;
use crate::key::KeyId;

/// The claims of a token whose signature, issuer, audience and times were checked.
///
/// Only [`crate::Verifier`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedToken {
    pub(super) subject: String,
    pub(super) audiences: Vec<String>,
    pub(super) issued_at: UnixTime,
    pub(super) expires_at: UnixTime,
    pub(super) key_id: KeyId,
    pub(super) claims: Map<String, Value>,
}

impl VerifiedToken {
    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Every value of `aud`.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// `iat`.
    #[must_use]
    pub fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// `exp`.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// The key that signed it.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// A claim by name.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// Every claim.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}
