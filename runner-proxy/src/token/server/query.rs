//! The query of a request for a token.
//!
//! Strict: a parameter that is unknown, given twice, badly encoded or out of range is refused, never
//! ignored or clamped. The exception is `api-version`, which the clients of GitHub Actions' endpoint
//! send and which says nothing here.

use moneyer_identity::{
    Audience, AudienceError, Audiences, Lifetime, LifetimeError, LifetimeRange,
};

/// Most audiences looked at in one request; the coordinator's policy allows fewer (4 unless configured).
const MAXIMUM_AUDIENCES: usize = 16;

/// Why a query is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    /// `%` without two hex digits, or bytes that are not UTF-8.
    #[error("the query is not correctly percent-encoded")]
    Encoding,
    /// A name that means nothing here.
    #[error("the query has an unknown parameter; known are audience and ttl")]
    Unknown,
    /// `ttl` twice.
    #[error("ttl is given twice")]
    TtlRepeated,
    /// `ttl` is no lifetime that is allowed.
    #[error("ttl: {0}")]
    Ttl(LifetimeError),
    /// `audience` is none, or one too many.
    #[error("audience: {0}")]
    Audience(AudienceError),
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenQuery {
    /// None for the default audience.
    pub(super) audiences: Vec<Audience>,
    /// `None` for the audience's default.
    pub(super) lifetime: Option<Lifetime>,
}

impl TokenQuery {
    /// Reads the part of the target after the `?`.
    pub(super) fn parse(query: &str, lifetimes: LifetimeRange) -> Result<Self, QueryError> {
        let mut audiences = Vec::new();
        let mut lifetime = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            match name.as_str() {
                "audience" if audiences.len() == MAXIMUM_AUDIENCES => {
                    return Err(QueryError::Audience(AudienceError::TooMany(MAXIMUM_AUDIENCES)));
                }
                "audience" => {
                    audiences.push(Audience::parse(&value).map_err(QueryError::Audience)?);
                }
                "ttl" if lifetime.is_some() => return Err(QueryError::TtlRepeated),
                "ttl" => lifetime = Some(lifetimes.parse(&value).map_err(QueryError::Ttl)?),
                "api-version" => {}
                _ => return Err(QueryError::Unknown),
            }
        }
        if !audiences.is_empty() {
            let several = Audiences::several(audiences, MAXIMUM_AUDIENCES);
            audiences = several.map_err(QueryError::Audience)?.as_slice().to_vec();
        }
        Ok(Self { audiences, lifetime })
    }
}

/// `application/x-www-form-urlencoded` (WHATWG URL section 5.1), but strict.
fn decode(text: &str) -> Result<String, QueryError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
                let (high, low) = (digit(), digit());
                let value = high.zip(low).map(|(high, low)| high * 16 + low);
                value.and_then(|value| u8::try_from(value).ok()).ok_or(QueryError::Encoding)?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_unshown| QueryError::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lifetimes() -> LifetimeRange {
        let seconds = Lifetime::from_seconds;
        LifetimeRange::new(seconds(60), seconds(3600), seconds(86_400)).unwrap()
    }

    fn parse(query: &str) -> Result<TokenQuery, QueryError> {
        TokenQuery::parse(query, lifetimes())
    }

    #[test]
    fn reads_what_clients_send() {
        let two = parse("audience=a&audience=https%3A%2F%2Fb%2Fc&ttl=900&api-version=2.0").unwrap();
        let names: Vec<_> = two.audiences.iter().map(Audience::as_str).collect();
        assert_eq!(names, ["a", "https://b/c"]);
        assert_eq!(two.lifetime, Some(Lifetime::from_seconds(900)));
        assert_eq!(parse("").unwrap(), TokenQuery { audiences: vec![], lifetime: None });
        assert_eq!(parse("&audience=x&").unwrap().audiences.len(), 1);
        for edge in ["ttl=60", "ttl=86400"] {
            parse(edge).unwrap();
        }
    }

    #[test]
    fn refuses_the_rest() {
        let lifetime = |text| QueryError::Ttl(lifetimes().parse(text).unwrap_err());
        let audience = QueryError::Audience;
        let many = "audience=a&".repeat(17);
        for (query, why) in [
            ("ttl=59", lifetime("59")),
            ("ttl=86401", lifetime("86401")),
            ("ttl=abc", lifetime("abc")),
            ("ttl=", lifetime("")),
            ("ttl", lifetime("")),
            ("ttl=-60", lifetime("-60")),
            ("ttl=+60", lifetime(" 60")),
            ("ttl=60.0", lifetime("60.0")),
            ("ttl=99999999999", lifetime("99999999999")),
            ("ttl=60&ttl=60", QueryError::TtlRepeated),
            ("ttl=60&%74tl=61", QueryError::TtlRepeated),
            ("audience=", audience(AudienceError::Empty)),
            ("audience=a%20b", audience(AudienceError::Alphabet)),
            ("audience=a&audience=a", audience(AudienceError::Repeated)),
            (&many, audience(AudienceError::TooMany(16))),
            ("audience=%", QueryError::Encoding),
            ("audience=%f", QueryError::Encoding),
            ("audience=%u0041", QueryError::Encoding),
            ("audience=%ff", QueryError::Encoding),
            ("audience=%00", audience(AudienceError::Alphabet)),
            ("Audience=a", QueryError::Unknown),
            ("aud=a", QueryError::Unknown),
        ] {
            assert_eq!(parse(query).unwrap_err(), why, "{query}");
        }
        let range = parse("ttl=59").unwrap_err().to_string();
        assert!(range.contains("60") && range.contains("86400"), "{range}");
    }

    #[test]
    fn a_semicolon_separates_nothing() {
        let one = parse("audience=a;ttl=60").unwrap();
        assert_eq!(one.audiences[0].as_str(), "a;ttl=60");
        assert_eq!(one.lifetime, None);
    }

    proptest! {
        #[test]
        fn never_panics_and_keeps_audiences(query in "\\PC{0,60}") {
            parse(&query).ok();
        }

        #[test]
        fn an_encoded_audience_comes_back(text in "[!-~]{1,40}") {
            let encoded: String = text.bytes().flat_map(|b| format!("%{b:02X}").into_bytes()).map(char::from).collect();
            let query = parse(&format!("audience={encoded}")).unwrap();
            prop_assert_eq!(query.audiences[0].as_str(), text);
        }
    }
}
