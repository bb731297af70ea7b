//! A token of another issuer that passed the checks, and what it says.

use std::ops::Deref;

use serde_json::{Map, Value};

use crate::clock::UnixTime;
use crate::key::KeyId;

/// The claims of another issuer's token, whose issuer, audience and times were checked, and whose signature was
/// not: anybody can write one. Its issuer may say whether it is one of its own.
///
/// Only [`super::ForeignTokenRules::examine`] makes one.
#[derive(Debug, Clone)]
pub struct ExaminedForeignToken {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) audiences: Vec<String>,
    pub(super) expires_at: UnixTime,
    pub(super) key_id: KeyId,
    pub(super) claims: Map<String, Value>,
}

/// The claims of another issuer's token, whose signature, issuer, audience and times were checked.
///
/// Only [`super::ForeignTokenRules::verify`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedForeignToken(pub(super) ExaminedForeignToken);

impl Deref for VerifiedForeignToken {
    type Target = ExaminedForeignToken;

    fn deref(&self) -> &ExaminedForeignToken {
        &self.0
    }
}

impl ExaminedForeignToken {
    /// `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `sub`: visible ASCII.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Every value of `aud`.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// `exp`.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// The key that it names.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Every claim, as it stands in the token.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }
}
