//! A token whose signature nobody has checked yet.
//!
//! Parsing is where malformed text ends: the shape ([`Compact`]), then a header of exactly `alg`, `kid`
//! and `typ`. Every other header member is refused, `crit`, `jku`, `jwk`, `x5c`, `x5u`, `zip` and `cty`
//! among them (RFC 8725 sections 3.1 and 3.10): our tokens have none, and a closed set cannot be
//! talked into a fetch. Nothing of the payload is read here.

use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::key::KeyId;
use crate::strict_json;
use crate::token::compact::{Compact, CompactError};
use crate::token::verifier::VerifyError;

/// A token of the right shape. Yields only what is needed to choose a verifier and a key.
pub struct UnverifiedToken<'a> {
    pub(super) signing_input: &'a str,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
    algorithm: Algorithm,
    key_id: KeyId,
}

impl<'a> UnverifiedToken<'a> {
    /// Parses the exact text: nothing is trimmed.
    pub fn parse(text: &'a str) -> Result<Self, VerifyError> {
        let compact = Compact::parse(text)?;
        let (algorithm, key_id) = check_header(&compact.header)?;
        let Compact { signing_input, payload, signature, .. } = compact;
        Ok(Self { signing_input, payload, signature, algorithm, key_id })
    }

    /// The `alg` the token claims; the key decides.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` the token claims.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// The `iss` the token claims, for choosing a verifier and for nothing else.
    #[must_use]
    pub fn issuer(&self) -> Option<String> {
        let claims = strict_json::object(&self.payload).ok()?;
        claims.get("iss")?.as_str().map(str::to_owned)
    }
}

impl From<CompactError> for VerifyError {
    fn from(error: CompactError) -> Self {
        match error {
            CompactError::TooLong => Self::TooLong,
            CompactError::Malformed => Self::Malformed,
        }
    }
}

fn check_header(header: &Map<String, Value>) -> Result<(Algorithm, KeyId), VerifyError> {
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let algorithm = text("alg").and_then(Algorithm::from_name).ok_or(VerifyError::Algorithm)?;
    let key_id = text("kid").and_then(KeyId::parse).ok_or(VerifyError::Header)?;
    if text("typ") != Some("JWT") || header.len() != 3 {
        return Err(VerifyError::Header);
    }
    Ok((algorithm, key_id))
}
