//! What another issuer's token has to be to be accepted, and the check.
//!
//! Order: size, shape, header, issuer, key by `kid`, algorithm, signature, times, audience, subject. `kid` is required:
//! every issuer whose key set has more than one key sets it. `crit` is refused (RFC 7515 section 4.1.11), since
//! nothing it could name is known here; what else the header holds is not read. The reason of a refusal is for logs.
//!
//! [`ForeignTokenRules::examine`] is the same without the signature, for whoever asks the issuer itself: what fails
//! there is not worth the question.

use std::time::Duration;

use serde_json::{Map, Value};

use super::keys::ForeignKeys;
use super::verified::{ExaminedForeignToken, VerifiedForeignToken};
use crate::clock::UnixTime;
use crate::key::KeyId;
use crate::spiffe::{JwtSvidError, MAXIMUM_LEEWAY, SvidAlgorithm, token_audiences, token_times};
use crate::strict_json;
use crate::token::{Compact, CompactError, MAXIMUM_TOKEN_BYTES};

/// Longest `sub` in bytes that is taken: what OpenID Connect Core section 2 gives it.
const MAXIMUM_SUBJECT_BYTES: usize = 255;

/// Why another issuer's token is refused: for logs and audit records, never for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignTokenError {
    /// Longer than the limit.
    #[error("the token is longer than {MAXIMUM_TOKEN_BYTES} bytes")]
    TooLong,
    /// Not three parts of base64url around JSON objects without duplicates.
    #[error("the token is not a well-formed JWT in compact serialisation")]
    Malformed,
    /// The header has `crit`, or a `typ` that is not that of a JWT.
    #[error("the token's header asks for something that is not known, or is not that of a JWT")]
    Header,
    /// `kid` is missing or no key id.
    #[error("the token does not name its key")]
    NoKeyId,
    /// `alg` is missing, not known or not allowed.
    #[error("the token's algorithm is not one that is accepted")]
    Algorithm,
    /// `iss` is missing or another issuer's.
    #[error("the token was not issued by the expected issuer")]
    Issuer,
    /// The issuer has no such key. A newer key set may have it.
    #[error("the key set of {issuer} has no key {key_id}")]
    UnknownKey {
        /// Whose key set.
        issuer: String,
        /// The key that the token names.
        key_id: KeyId,
    },
    /// The key is not used with this algorithm.
    #[error("the token's algorithm is not one of its key's")]
    KeyAlgorithm,
    /// The signature does not match.
    #[error("the token's signature does not match")]
    Signature,
    /// A time or the audiences are not as they have to be.
    #[error(transparent)]
    Claims(JwtSvidError),
    /// None of the expected audiences is among them.
    #[error("the token is not meant for an expected audience")]
    Audience,
    /// `sub` is missing, too long or not visible ASCII.
    #[error(
        "the token's subject is missing, or not 1 to {MAXIMUM_SUBJECT_BYTES} visible ASCII characters"
    )]
    Subject,
}

/// What another issuer's token has to be to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignTokenRules {
    /// The value of `iss`, exactly.
    pub issuer: String,
    /// The audiences of which the token names one.
    pub audiences: Vec<String>,
    /// The algorithms it may have. Empty: every one that is known.
    pub algorithms: Vec<SvidAlgorithm>,
    /// How far its issuer's clock may be off, up to [`MAXIMUM_LEEWAY`].
    pub leeway: Duration,
}

impl ForeignTokenRules {
    /// Checks everything, in the order the module states.
    pub fn verify(
        &self,
        text: &str,
        keys: &ForeignKeys,
        now: UnixTime,
    ) -> Result<VerifiedForeignToken, ForeignTokenError> {
        let read = self.read(text)?;
        let key = keys.find(&read.key_id).ok_or_else(|| ForeignTokenError::UnknownKey {
            issuer: self.issuer.clone(),
            key_id: read.key_id.clone(),
        })?;
        if !key.verifies(read.algorithm) {
            return Err(ForeignTokenError::KeyAlgorithm);
        }
        let token = &read.token;
        if !key.signed(read.algorithm, token.signing_input.as_bytes(), &token.signature) {
            return Err(ForeignTokenError::Signature);
        }
        self.examined(read, now).map(VerifiedForeignToken)
    }

    /// Checks everything but the signature, so that nothing is proved.
    pub fn examine(
        &self,
        text: &str,
        now: UnixTime,
    ) -> Result<ExaminedForeignToken, ForeignTokenError> {
        self.examined(self.read(text)?, now)
    }

    /// Size, shape, header and issuer.
    fn read<'t>(&self, text: &'t str) -> Result<Read<'t>, ForeignTokenError> {
        let token = compact(text)?;
        let algorithm = self.check_header(&token.header)?;
        let key_id = token.header.get("kid").and_then(Value::as_str).and_then(KeyId::parse);
        let key_id = key_id.ok_or(ForeignTokenError::NoKeyId)?;
        let claims = payload(&token)?;
        if claims.get("iss").and_then(Value::as_str) != Some(self.issuer.as_str()) {
            return Err(ForeignTokenError::Issuer);
        }
        Ok(Read { token, algorithm, key_id, claims })
    }

    /// Times, audience and subject.
    fn examined(
        &self,
        read: Read<'_>,
        now: UnixTime,
    ) -> Result<ExaminedForeignToken, ForeignTokenError> {
        let Read { key_id, claims, .. } = read;
        let leeway = self.leeway.min(MAXIMUM_LEEWAY);
        let expires_at = token_times(&claims, leeway, now).map_err(ForeignTokenError::Claims)?;
        let audiences = token_audiences(&claims).map_err(ForeignTokenError::Claims)?;
        if !audiences.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(ForeignTokenError::Audience);
        }
        let (issuer, subject) = (self.issuer.clone(), subject(&claims)?);
        Ok(ExaminedForeignToken { issuer, subject, audiences, expires_at, key_id, claims })
    }

    fn check_header(
        &self,
        header: &Map<String, Value>,
    ) -> Result<SvidAlgorithm, ForeignTokenError> {
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        // RFC 9068 section 4 writes `at+jwt`; case does not count (RFC 7515 section 4.1.9).
        let typed = header.get("typ").is_none()
            || text("typ").is_some_and(|typ| {
                ["JWT", "at+jwt", "application/at+jwt"]
                    .iter()
                    .any(|one| one.eq_ignore_ascii_case(typ))
            });
        if header.contains_key("crit") || !typed {
            return Err(ForeignTokenError::Header);
        }
        text("alg")
            .and_then(SvidAlgorithm::from_name)
            .filter(|one| self.algorithms.is_empty() || self.algorithms.contains(one))
            .ok_or(ForeignTokenError::Algorithm)
    }
}

/// A token, as far as it was read.
struct Read<'t> {
    token: Compact<'t>,
    algorithm: SvidAlgorithm,
    key_id: KeyId,
    claims: Map<String, Value>,
}

/// The `iss` that a token claims: it says which rules it has to meet, and proves nothing.
pub fn claimed_issuer(text: &str) -> Result<String, ForeignTokenError> {
    let claims = payload(&compact(text)?)?;
    let issuer = claims.get("iss").and_then(Value::as_str);
    issuer.map(str::to_owned).ok_or(ForeignTokenError::Issuer)
}

fn compact(text: &str) -> Result<Compact<'_>, ForeignTokenError> {
    Compact::parse(text).map_err(|error| match error {
        CompactError::TooLong => ForeignTokenError::TooLong,
        CompactError::Malformed => ForeignTokenError::Malformed,
    })
}

fn payload(token: &Compact<'_>) -> Result<Map<String, Value>, ForeignTokenError> {
    strict_json::object(&token.payload).map_err(|_not_json| ForeignTokenError::Malformed)
}

fn subject(claims: &Map<String, Value>) -> Result<String, ForeignTokenError> {
    let text = claims.get("sub").and_then(Value::as_str).ok_or(ForeignTokenError::Subject)?;
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.is_empty() || text.len() > MAXIMUM_SUBJECT_BYTES || !visible {
        return Err(ForeignTokenError::Subject);
    }
    Ok(text.to_owned())
}
