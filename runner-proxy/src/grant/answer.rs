//! What a token endpoint answers (RFC 6749 sections 5.1 and 5.2).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use moneyer_identity::UnixTime;
use moneyer_identity::grant::BearerToken;
use serde::Deserialize;
use serde_json::error::Category;

use super::error::GrantError;

/// Most that is repeated of each part of an error, in characters.
const LONGEST_ERROR_PART: usize = 256;

/// Life of a token whose answer says none.
const UNSAID_LIFE: Duration = Duration::from_secs(300);

/// Longest life that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

/// A token and how long it is good for.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) token: BearerToken,
    /// From when the answer came.
    pub(super) life: Duration,
}

/// What an OAuth error says: its code and its description, made fit for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OAuthError {
    code: Option<String>,
    description: Option<String>,
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.description) {
            (None, _) => f.write_str("no OAuth error"),
            (Some(code), None) => f.write_str(code),
            (Some(code), Some(description)) => write!(f, "{code} ({description})"),
        }
    }
}

/// Where an answer is no token response. The parser's own words quote what it found there, which may be the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line}, column {column}")]
pub(crate) struct AnswerFault {
    what: &'static str,
    line: usize,
    column: usize,
}

impl AnswerFault {
    fn of(error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            Category::Eof => "it ends too early",
            Category::Data => "something else stands",
            Category::Io | Category::Syntax => "no JSON stands",
        };
        Self { what, line: error.line(), column: error.column() }
    }
}

/// `token_type` and `scope` are not looked at.
#[derive(Deserialize)]
struct Success {
    access_token: String,
    #[serde(default)]
    expires_in: Option<Seconds>,
}

/// RFC 6749 has a number; some servers write it as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(i64),
    Text(String),
}

impl Seconds {
    fn said(self) -> Option<u64> {
        match self {
            Self::Number(seconds) => u64::try_from(seconds).ok(),
            Self::Text(seconds) => seconds.parse().ok(),
        }
    }
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

/// Reads an answer that came `now`.
pub(super) fn read(status: StatusCode, body: &[u8], now: UnixTime) -> Result<Granted, GrantError> {
    if !status.is_success() {
        return Err(GrantError::Refused { status, error: error_of(body) });
    }
    let success: Success = serde_json::from_slice(body)
        .map_err(|error| GrantError::Answer(AnswerFault::of(&error)))?;
    let token = BearerToken::parse(success.access_token).map_err(GrantError::Token)?;
    let said = success.expires_in.and_then(Seconds::said);
    let said = said.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let mut life = said.map_or(UNSAID_LIFE, |said| said.min(LONGEST_LIFE));
    if let Some(end) = own_end(token.expose()) {
        let left = u64::try_from(end.saturating_sub(now.0)).unwrap_or(0);
        life = life.min(Duration::from_secs(left));
    }
    if life.is_zero() { Err(GrantError::Expired) } else { Ok(Granted { token, life }) }
}

/// The end that a JWT says of itself. Nothing is verified: it can only shorten the time for which the token is kept.
fn own_end(token: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let mut parts = token.split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let exp = serde_json::from_slice::<Claims>(&claims).ok()?.exp;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole seconds; what is too large is cut off"
    )]
    exp.is_finite().then_some(exp as i64)
}

fn error_of(body: &[u8]) -> OAuthError {
    let failure = serde_json::from_slice(body).ok();
    let Failure { error, error_description } =
        failure.unwrap_or(Failure { error: None, error_description: None });
    OAuthError {
        code: error.as_deref().map(sanitised),
        description: error_description.as_deref().map(sanitised),
    }
}

fn sanitised(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST_ERROR_PART).map(shown).collect()
}
