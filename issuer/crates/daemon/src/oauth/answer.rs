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
use zeroize::Zeroizing;

use super::error::TokenEndpointError;

/// Most that is repeated of each part of an error, in characters.
const LONGEST_ERROR_PART: usize = 256;

/// Shortest word of a description that may be a token, in bytes: 96 random bits in base64url have 16.
const SHORTEST_TOKEN: usize = 16;

/// Life of a token whose answer says none.
const UNSAID_LIFE: Duration = Duration::from_secs(300);

/// Longest life that is believed.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

/// A token and how long it is good for.
pub struct Granted {
    /// The token.
    pub token: BearerToken,
    /// How long it is good for, from when the answer came.
    pub life: Duration,
    /// What the next one is asked for with, where the answer has it.
    pub refresh_token: Option<Zeroizing<String>>,
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted").field("life", &self.life).finish_non_exhaustive()
    }
}

impl Granted {
    /// A JWT that is a token by itself, until the end that it says; `None` where it says none or that has come.
    #[must_use]
    pub fn of_jwt(token: BearerToken, now: UnixTime) -> Option<Self> {
        let left = u64::try_from(own_end(token.expose())?.saturating_sub(now.0)).ok()?;
        let life = Duration::from_secs(left).min(LONGEST_LIFE);
        (!life.is_zero()).then_some(Self { token, life, refresh_token: None })
    }
}

/// What an OAuth error says: its code and its description, made fit for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthError {
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
pub struct AnswerFault {
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
    #[serde(default)]
    refresh_token: Option<String>,
}

/// RFC 6749 has a number; some servers write it as a text, or with a point and nothing behind it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(i64),
    Whole(#[serde(deserialize_with = "whole")] f64),
    Text(String),
}

impl Seconds {
    fn said(self) -> Option<u64> {
        match self {
            Self::Number(seconds) => u64::try_from(seconds).ok(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole seconds; what is too large or less than none is cut off"
            )]
            Self::Whole(seconds) => Some(seconds as u64),
            Self::Text(seconds) => seconds.parse().ok(),
        }
    }
}

fn whole<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let seconds = f64::deserialize(from)?;
    let is_whole = seconds.is_finite() && seconds.fract() == 0.0;
    if is_whole { Ok(seconds) } else { Err(serde::de::Error::custom("no whole number")) }
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

/// Reads an answer that came `now`.
pub(super) fn read(
    status: StatusCode,
    body: &[u8],
    now: UnixTime,
) -> Result<Granted, TokenEndpointError> {
    if !status.is_success() {
        return Err(TokenEndpointError::Refused { status, error: error_of(body) });
    }
    let success: Success = serde_json::from_slice(body)
        .map_err(|error| TokenEndpointError::Answer(AnswerFault::of(&error)))?;
    let refresh_token = success.refresh_token.map(Zeroizing::new);
    let token = BearerToken::parse(success.access_token).map_err(TokenEndpointError::Token)?;
    let said = success.expires_in.and_then(Seconds::said);
    let said = said.filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let mut life = said.map_or(UNSAID_LIFE, |said| said.min(LONGEST_LIFE));
    if let Some(end) = own_end(token.expose()) {
        let left = u64::try_from(end.saturating_sub(now.0)).unwrap_or(0);
        life = life.min(Duration::from_secs(left));
    }
    if life.is_zero() {
        return Err(TokenEndpointError::Expired);
    }
    Ok(Granted { token, life, refresh_token })
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
        code: error.as_deref().map(coded),
        description: error_description.as_deref().map(described),
    }
}

/// A code, which is of such letters wherever it is one (RFC 6749 section 5.2); prose in its place is a description.
fn coded(text: &str) -> String {
    let is_code = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { sanitised(text) } else { described(text) }
}

/// A description, without what may be the token that it is about: some servers quote what they refuse.
fn described(text: &str) -> String {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    let mut told = String::with_capacity(text.len().min(LONGEST_ERROR_PART));
    for word in text.split_inclusive(|c| !is_of_token(c)) {
        let token = word.trim_end_matches(|c| !is_of_token(c));
        if token.len() >= SHORTEST_TOKEN {
            told.push('\u{2026}');
            told.push_str(word.get(token.len()..).unwrap_or_default());
        } else {
            told.push_str(word);
        }
    }
    sanitised(&told)
}

fn sanitised(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST_ERROR_PART).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn ok(body: &str) -> Result<Granted, TokenEndpointError> {
        read(StatusCode::OK, body.as_bytes(), NOW)
    }

    fn life(body: &str) -> u64 {
        ok(body).unwrap().life.as_secs()
    }

    #[test]
    fn a_life_is_what_is_said_within_limits() {
        assert_eq!(life(r#"{"access_token":"a","expires_in":60,"token_type":"x","scope":1}"#), 60);
        assert_eq!(life(r#"{"access_token":"a","expires_in":86400}"#), 3600);
        for unsaid in ["", r#","expires_in":0"#, r#","expires_in":-1"#, r#","expires_in":null"#] {
            assert_eq!(life(&format!(r#"{{"access_token":"a"{unsaid}}}"#)), 300, "{unsaid}");
        }
    }

    #[test]
    fn a_token_that_says_its_own_end_is_not_kept_past_it() {
        let jwt = |exp: i64| {
            let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#));
            ok(&format!(r#"{{"access_token":"e30.{claims}.c2ln","expires_in":300}}"#))
        };
        assert_eq!(jwt(NOW.0 + 10).unwrap().life, Duration::from_secs(10));
        assert_eq!(jwt(NOW.0 + 1000).unwrap().life, Duration::from_secs(300));
        for past in [NOW.0, NOW.0 - 1, 0, i64::MIN] {
            assert!(matches!(jwt(past), Err(TokenEndpointError::Expired)), "{past}");
        }
    }

    #[test]
    fn a_jwt_that_is_the_token_lives_as_long_as_it_says() {
        let of = |claims: &str| {
            let text = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
            let granted = Granted::of_jwt(BearerToken::parse(text).unwrap(), NOW);
            granted.map(|granted| granted.life.as_secs())
        };
        let until = |seconds: i64| of(&format!(r#"{{"exp":{}}}"#, NOW.0 + seconds));
        assert_eq!((until(1), until(300), until(7200)), (Some(1), Some(300), Some(3600)));
        assert_eq!((until(0), until(-1), of("{}"), of("x")), (None, None, None, None));
        assert!(Granted::of_jwt(BearerToken::parse("opaque".to_owned()).unwrap(), NOW).is_none());
    }

    #[test]
    fn what_cannot_stand_on_a_request_is_no_token() {
        for token in ["", "=", "a b", r"a\r\nX: y", r"a\u0000", "a,b", "\u{e9}", "a=b"] {
            let refused = ok(&format!(r#"{{"access_token":"{token}"}}"#));
            assert!(matches!(refused, Err(TokenEndpointError::Token(_))), "{token}");
        }
        for body in ["", "{}", "[]", "null", r#"{"access_token":1}"#, r#"{"access_token":"a""#] {
            assert!(matches!(ok(body), Err(TokenEndpointError::Answer(_))), "{body}");
        }
    }

    #[test]
    fn what_is_no_token_response_is_told_without_a_word_of_it() {
        let canary = "eyJhbGciOiJSUzI1NiJ9";
        for body in [
            format!(r#""{canary}""#),
            canary.to_owned(),
            format!(r#"[["{canary}"]]"#),
            format!(r#"{{"access_token":["{canary}"]}}"#),
            format!(r#"{{"access_token":"a","access_token":"{canary}"}}"#),
            format!(r#"{{"access_token":"a","expires_in":["{canary}"]}}"#),
        ] {
            let error = ok(&body).unwrap_err();
            assert!(matches!(error, TokenEndpointError::Answer(_)), "{body}");
            let told = format!("{error:?} {}", moneyer_identity::error_chain(&error));
            assert!(!told.contains(canary) && !told.contains("eyJ"), "{told}");
        }
    }

    #[test]
    fn a_life_may_be_written_as_a_text() {
        assert_eq!(life(r#"{"access_token":"a","expires_in":"60"}"#), 60);
        assert_eq!(life(r#"{"access_token":"a","expires_in":"soon"}"#), 300);
    }

    #[test]
    fn a_life_may_be_written_with_a_point_and_nothing_behind_it() {
        for (said, seconds) in [("60.0", 60), ("6e1", 60), ("3600.0", 3600), ("1e300", 3600)] {
            assert_eq!(life(&format!(r#"{{"access_token":"a","expires_in":{said}}}"#)), seconds);
        }
        assert_eq!(life(r#"{"access_token":"a","expires_in":-60.0}"#), 300);
        for odd in ["60.5", "true", "{}"] {
            let refused = ok(&format!(r#"{{"access_token":"a","expires_in":{odd}}}"#));
            assert!(matches!(refused, Err(TokenEndpointError::Answer(_))), "{odd}");
        }
    }

    #[test]
    fn an_error_is_repeated_only_where_it_is_one_and_made_fit_for_a_log() {
        let told = |body: &str| {
            read(StatusCode::BAD_REQUEST, body.as_bytes(), NOW).unwrap_err().to_string()
        };
        let says = "the token endpoint answered 400 Bad Request: ";
        assert_eq!(told(r#"{"error":"invalid_client"}"#), format!("{says}invalid_client"));
        let quoted = r#"{"error":"invalid_grant","error_description":"token 'canary-of-a-user.x' is expired"}"#;
        assert_eq!(told(quoted), format!("{says}invalid_grant (token '\u{2026}' is expired)"));
        let prose = r#"{"error":"token canary-of-a-user.x is not active"}"#;
        assert_eq!(told(prose), format!("{says}token \u{2026} is not active"));
        let both = r#"{"error":"a\u001b[31m\r\nb","error_description":"c\u0000d"}"#;
        assert_eq!(told(both), format!("{says}a [31m  b (c d)"));
        let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(300));
        assert_eq!(told(&long).len(), says.len() + 256);
        for body in
            ["<html>secret</html>", "", r#""secret""#, r#"{"secret":1}"#, r#"{"error":["secret"]}"#]
        {
            assert_eq!(told(body), format!("{says}no OAuth error"), "{body}");
        }
    }
}
