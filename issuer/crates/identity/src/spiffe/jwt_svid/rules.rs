//! What a JWT-SVID has to be to be accepted, and the check.
//!
//! Order: size, shape, header, algorithm, subject, the bundle of the subject's own trust domain, key by
//! `kid`, signature, times, audience. The payload is read before the signature only for `sub`, which says
//! whose keys may have signed. `kid` is required, though the standard leaves it open: every issuer sets
//! it, and trying each key in turn multiplies an attacker's chances and our work. The reason of a refusal
//! is for logs; a caller is told one constant text.

use std::time::Duration;

use serde_json::{Map, Value};

use super::claims;
use super::verified::VerifiedJwtSvid;
use crate::clock::UnixTime;
use crate::key::KeyId;
use crate::spiffe::algorithm::SvidAlgorithm;
use crate::spiffe::{SpiffeIdError, TrustBundles, TrustDomain};
use crate::strict_json;
use crate::token::{Compact, CompactError, MAXIMUM_TOKEN_BYTES};

/// Most clock skew that can be forgiven: JWT-SVID section 3.3 allows a little, and hosts that keep time
/// are within a second.
pub const MAXIMUM_LEEWAY: Duration = Duration::from_secs(60);

/// Why a JWT-SVID is refused: for logs and audit records, never for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtSvidError {
    /// Longer than the limit.
    #[error("the token is longer than {MAXIMUM_TOKEN_BYTES} bytes")]
    TooLong,
    /// Not three parts of base64url around JSON objects without duplicates.
    #[error("the token is not a well-formed JWT in compact serialisation")]
    Malformed,
    /// The header has a member beside `alg`, `kid` and `typ`, or `typ` is neither JWT nor JOSE.
    #[error("the token's header has more than alg, kid and typ, or typ is neither JWT nor JOSE")]
    Header,
    /// `alg` is missing, or none that JWT-SVIDs have, or not allowed here.
    #[error("the token's algorithm is not one that is accepted")]
    Algorithm,
    /// `kid` is missing or no key id.
    #[error("the token does not name its key")]
    NoKeyId,
    /// `sub` is missing or not a text.
    #[error("the token has no subject")]
    NoSubject,
    /// `sub` is no SPIFFE ID.
    #[error("the token's subject is not a SPIFFE ID")]
    Subject(#[source] SpiffeIdError),
    /// `sub` is a trust domain's own id.
    #[error("the token's subject is a trust domain and not a workload")]
    NoWorkload,
    /// There is no bundle of the subject's trust domain.
    #[error("there is no bundle of the trust domain {0}")]
    UnknownTrustDomain(TrustDomain),
    /// The trust domain's bundle has no such key. A newer bundle may have it.
    #[error("the bundle of {trust_domain} has no key {key_id}")]
    UnknownKey {
        /// Whose bundle.
        trust_domain: TrustDomain,
        /// The key that the token names.
        key_id: KeyId,
    },
    /// The key is not used with this algorithm.
    #[error("the token's algorithm is not one of its key's")]
    KeyAlgorithm,
    /// The signature does not match.
    #[error("the token's signature does not match")]
    Signature,
    /// `exp` is missing, or a time is not a number in range.
    #[error("a time in the token is missing, not a number, or out of range")]
    Time,
    /// `exp` has come.
    #[error("the token has expired")]
    Expired,
    /// `nbf` lies ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `aud` is missing, or empty.
    #[error("the token names no audience")]
    NoAudience,
    /// `aud` is not texts, or too many.
    #[error("the token's audiences are not texts, too long or too many")]
    Audiences,
    /// None of the expected audiences is among them.
    #[error("the token is not meant for an expected audience")]
    OtherAudience,
}

/// Why rules are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No audience, or an empty one: a token for anybody would be accepted.
    #[error("at least one audience is needed, and none may be empty")]
    Audience,
    /// No algorithm.
    #[error("at least one algorithm is needed")]
    Algorithm,
    /// More skew than may be forgiven.
    #[error("the clock skew forgiven may be {} s at most", MAXIMUM_LEEWAY.as_secs())]
    Leeway,
}

/// What a JWT-SVID has to be to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtSvidRules {
    audiences: Vec<String>,
    algorithms: Vec<SvidAlgorithm>,
    leeway: Duration,
}

impl JwtSvidRules {
    /// Any of these audiences, every algorithm, no leeway.
    pub fn for_audiences<T: Into<String>>(
        audiences: impl IntoIterator<Item = T>,
    ) -> Result<Self, RuleError> {
        let audiences: Vec<String> = audiences.into_iter().map(Into::into).collect();
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            return Err(RuleError::Audience);
        }
        Ok(Self { audiences, algorithms: SvidAlgorithm::ALL.to_vec(), leeway: Duration::ZERO })
    }

    /// These algorithms and no other.
    pub fn with_algorithms(mut self, algorithms: Vec<SvidAlgorithm>) -> Result<Self, RuleError> {
        if algorithms.is_empty() {
            return Err(RuleError::Algorithm);
        }
        self.algorithms = algorithms;
        Ok(self)
    }

    /// Forgives a clock that is this far off, up to [`MAXIMUM_LEEWAY`].
    pub fn with_leeway(mut self, leeway: Duration) -> Result<Self, RuleError> {
        if leeway > MAXIMUM_LEEWAY {
            return Err(RuleError::Leeway);
        }
        self.leeway = leeway;
        Ok(self)
    }

    /// Checks everything, in the order the module states.
    pub fn verify(
        &self,
        text: &str,
        bundles: &TrustBundles,
        now: UnixTime,
    ) -> Result<VerifiedJwtSvid, JwtSvidError> {
        let token = compact(text)?;
        let algorithm = self.check_header(&token.header)?;
        let claims = payload(&token)?;
        let id = claims::subject(&claims)?;
        let trust_domain = id.trust_domain();
        let bundle = bundles
            .find(trust_domain)
            .ok_or_else(|| JwtSvidError::UnknownTrustDomain(trust_domain.clone()))?;
        let key_id = key_id(&token.header)?;
        let authority = bundle.jwt_authority(&key_id).ok_or_else(|| JwtSvidError::UnknownKey {
            trust_domain: trust_domain.clone(),
            key_id: key_id.clone(),
        })?;
        if !authority.verifies(algorithm) {
            return Err(JwtSvidError::KeyAlgorithm);
        }
        if !authority.signed(algorithm, token.signing_input.as_bytes(), &token.signature) {
            return Err(JwtSvidError::Signature);
        }
        let expires_at = claims::times(&claims, self.leeway, now)?;
        let audiences = claims::audiences(&claims)?;
        if !audiences.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(JwtSvidError::OtherAudience);
        }
        Ok(VerifiedJwtSvid { id, audiences, expires_at, key_id, claims })
    }

    fn check_header(&self, header: &Map<String, Value>) -> Result<SvidAlgorithm, JwtSvidError> {
        let known = |name: &String| matches!(name.as_str(), "alg" | "kid" | "typ");
        let typed = header
            .get("typ")
            .is_none_or(|value| value.as_str().is_some_and(|typ| matches!(typ, "JWT" | "JOSE")));
        if !header.keys().all(known) || !typed {
            return Err(JwtSvidError::Header);
        }
        header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(SvidAlgorithm::from_name)
            .filter(|algorithm| self.algorithms.contains(algorithm))
            .ok_or(JwtSvidError::Algorithm)
    }
}

/// Whose JWT-SVID this claims to be: it says which rules it has to meet, and proves nothing.
pub fn claimed_trust_domain(text: &str) -> Result<TrustDomain, JwtSvidError> {
    let id = claims::subject(&payload(&compact(text)?)?)?;
    Ok(id.trust_domain().clone())
}

fn compact(text: &str) -> Result<Compact<'_>, JwtSvidError> {
    Compact::parse(text).map_err(|error| match error {
        CompactError::TooLong => JwtSvidError::TooLong,
        CompactError::Malformed => JwtSvidError::Malformed,
    })
}

fn payload(token: &Compact<'_>) -> Result<Map<String, Value>, JwtSvidError> {
    strict_json::object(&token.payload).map_err(|_not_json| JwtSvidError::Malformed)
}

fn key_id(header: &Map<String, Value>) -> Result<KeyId, JwtSvidError> {
    header.get("kid").and_then(Value::as_str).and_then(KeyId::parse).ok_or(JwtSvidError::NoKeyId)
}
