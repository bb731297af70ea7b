//! The one verifier (RFC 7519 section 7.2, RFC 8725).
//!
//! Order: size, shape, header, key by `kid`, algorithm of that key, signature, and only then the
//! claims. Every claim that is relied on is required and typed: `iss` one exact string, `aud` strings
//! among which the expected one stands, `exp`, `iat` and `nbf` integers in range, `sub` and `jti`
//! bounded visible text. Several audiences are refused unless allowed, since each could replay the
//! token at the others. The reason of a refusal is for the log; a caller is told one constant text.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::issuer_url::IssuerUrl;
use crate::key::KeySet;
use crate::strict_json;
use crate::token::unverified::UnverifiedToken;
use crate::token::verified::VerifiedToken;

/// Latest time a claim may name: 2^40 s, the year 36812, far from every integer's edge.
pub(crate) const LATEST: i64 = 1 << 40;

/// Longest `sub`, `jti` or audience in bytes that is taken from a token.
const MAXIMUM_TEXT_BYTES: usize = 2048;

/// Most audiences in one token.
pub(crate) const MAXIMUM_AUDIENCES: usize = 32;

/// Why a token is refused: for logs and audit records, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Longer than the limit.
    #[error("the token is longer than {} bytes", super::MAXIMUM_TOKEN_BYTES)]
    TooLong,
    /// Not three parts of base64url around JSON objects without duplicates.
    #[error("the token is not a well-formed JWT in compact serialisation")]
    Malformed,
    /// `alg` is missing or not one of ours.
    #[error("the token's algorithm is not one that is accepted")]
    Algorithm,
    /// The header is not exactly `alg`, `kid` and `typ` = `JWT`.
    #[error("the token's header is not exactly alg, kid and typ=JWT")]
    Header,
    /// No such key in the issuer's set.
    #[error("the token names a key that is not in the issuer's key set")]
    UnknownKey,
    /// The key is used with another algorithm.
    #[error("the token's algorithm is not that of its key")]
    KeyAlgorithm,
    /// The signature does not match.
    #[error("the token's signature does not match")]
    Signature,
    /// `iss` is missing, not a string, or another issuer.
    #[error("the token was not issued by the expected issuer")]
    Issuer,
    /// `aud` is missing, not all strings, or lacks the expected audience.
    #[error("the token is not meant for the expected audience")]
    Audience,
    /// Several audiences where one is expected.
    #[error("the token names several audiences where exactly one is expected")]
    SeveralAudiences,
    /// `exp`, `iat` or `nbf` is missing where required, not an integer, or out of range.
    #[error("a time in the token is missing, not an integer, or out of range")]
    Time,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `exp` lies further from `iat` than any token may live.
    #[error("the token lives longer than any token may")]
    LivesTooLong,
    /// `sub` or `jti` is missing, empty, too long or not plain text.
    #[error("the token's subject or id is missing or not plain text")]
    Text,
}

/// What a token has to say to be accepted.
#[derive(Debug, Clone)]
pub struct Expectations {
    /// The audience of whoever verifies.
    pub audience: Audience,
    /// Accept a token that names other audiences too. Off unless a relying party needs it.
    pub several_audiences: bool,
    /// Longest `exp` − `iat`.
    pub maximum_lifetime: Duration,
    /// Clock skew forgiven. Zero for our own tokens, at most 30 s for foreign ones.
    pub leeway: Duration,
}

impl Expectations {
    /// Exactly this audience, no leeway, at most 24 h of life.
    #[must_use]
    pub fn exactly(audience: Audience) -> Self {
        Self {
            audience,
            several_audiences: false,
            maximum_lifetime: Duration::from_secs(24 * 3600),
            leeway: Duration::ZERO,
        }
    }
}

/// Verifies tokens of one issuer, and of those it was before.
#[derive(Debug, Clone)]
pub struct Verifier {
    issuers: Vec<IssuerUrl>,
    keys: KeySet,
}

impl Verifier {
    /// A verifier for an issuer with these keys.
    #[must_use]
    pub fn new(issuer: IssuerUrl, keys: KeySet) -> Self {
        Self { issuers: vec![issuer], keys }
    }

    /// Accepts tokens that name a previous issuer of the same cluster too, whose keys are the same.
    #[must_use]
    pub fn with_previous(mut self, previous: impl IntoIterator<Item = IssuerUrl>) -> Self {
        self.issuers.extend(previous);
        self
    }

    /// Checks everything, in the order the module states.
    pub fn verify(
        &self,
        text: &str,
        expectations: &Expectations,
        now: UnixTime,
    ) -> Result<VerifiedToken, VerifyError> {
        let token = UnverifiedToken::parse(text)?;
        let key = self.keys.find(token.key_id()).ok_or(VerifyError::UnknownKey)?;
        if key.algorithm() != token.algorithm() {
            return Err(VerifyError::KeyAlgorithm);
        }
        if !key.signed(token.signing_input.as_bytes(), &token.signature) {
            return Err(VerifyError::Signature);
        }
        let claims =
            strict_json::object(&token.payload).map_err(|_not_json| VerifyError::Malformed)?;
        let issuer = claims.get("iss").and_then(Value::as_str);
        if !self.issuers.iter().any(|accepted| issuer == Some(accepted.as_str())) {
            return Err(VerifyError::Issuer);
        }
        let audiences = check_audience(&claims, expectations)?;
        let (issued_at, expires_at) = check_times(&claims, expectations, now)?;
        let subject = check_text(&claims, "sub")?;
        check_text(&claims, "jti")?;
        Ok(VerifiedToken {
            subject,
            audiences,
            issued_at,
            expires_at,
            key_id: key.key_id().clone(),
            claims,
        })
    }
}

fn check_audience(
    claims: &Map<String, Value>,
    expectations: &Expectations,
) -> Result<Vec<String>, VerifyError> {
    let text = |value: &Value| match value.as_str() {
        Some(text) if !text.is_empty() && text.len() <= MAXIMUM_TEXT_BYTES => Ok(text.to_owned()),
        _ => Err(VerifyError::Audience),
    };
    let audiences = match claims.get("aud") {
        Some(Value::Array(several)) if several.len() <= MAXIMUM_AUDIENCES => {
            several.iter().map(text).collect::<Result<Vec<_>, _>>()?
        }
        Some(one) => vec![text(one)?],
        None => return Err(VerifyError::Audience),
    };
    if !audiences.iter().any(|audience| audience == expectations.audience.as_str()) {
        return Err(VerifyError::Audience);
    }
    if audiences.len() > 1 && !expectations.several_audiences {
        return Err(VerifyError::SeveralAudiences);
    }
    Ok(audiences)
}

fn check_times(
    claims: &Map<String, Value>,
    expectations: &Expectations,
    now: UnixTime,
) -> Result<(UnixTime, UnixTime), VerifyError> {
    let time = |name: &str| match claims.get(name).and_then(Value::as_i64) {
        Some(seconds) if (0..LATEST).contains(&seconds) => Ok(UnixTime(seconds)),
        _ => Err(VerifyError::Time),
    };
    let (expires_at, issued_at, not_before) = (time("exp")?, time("iat")?, time("nbf")?);
    if expires_at <= issued_at || expires_at <= not_before {
        return Err(VerifyError::Time);
    }
    if expires_at.plus(expectations.leeway) <= now {
        return Err(VerifyError::Expired);
    }
    let latest_start = now.plus(expectations.leeway);
    if not_before > latest_start || issued_at > latest_start {
        return Err(VerifyError::NotYetValid);
    }
    if expires_at.since(issued_at) > expectations.maximum_lifetime {
        return Err(VerifyError::LivesTooLong);
    }
    Ok((issued_at, expires_at))
}

fn check_text(claims: &Map<String, Value>, name: &str) -> Result<String, VerifyError> {
    let text = claims.get(name).and_then(Value::as_str).ok_or(VerifyError::Text)?;
    let plain = text.bytes().all(|b| b.is_ascii_graphic());
    if text.is_empty() || text.len() > MAXIMUM_TEXT_BYTES || !plain {
        return Err(VerifyError::Text);
    }
    Ok(text.to_owned())
}
