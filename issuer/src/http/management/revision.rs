//! Revisions as entity tags (RFC 9110 sections 8.8.3 and 13.1): what is read has one, and a change may say which one
//! it is about.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use moneyer_authority::store::Generation;

use crate::http::error::Problem;

/// The revision that a change is about; `None` for any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IfMatch(pub(super) Option<Generation>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut values = parts.headers.get_all(header::IF_MATCH).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(Self(None)),
            (Some(value), None) => {
                let revision = value.to_str().ok().and_then(parse);
                revision.ok_or_else(|| Problem::invalid("If-Match: is one ETag of this API, or *"))
            }
            (Some(_), Some(_)) => Err(Problem::invalid("If-Match: is given once")),
        }
    }
}

fn parse(text: &str) -> Option<IfMatch> {
    if text == "*" {
        return Some(IfMatch(None));
    }
    let digits = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(IfMatch(Some(Generation(digits.parse().ok()?))))
}

/// The header of an answer.
pub(super) fn etag(revision: Generation) -> [(HeaderName, HeaderValue); 1] {
    // Digits in quotes are always a header's value.
    let value = HeaderValue::from_str(&format!("\"{revision}\""));
    [(header::ETAG, value.unwrap_or_else(|_| HeaderValue::from_static("\"0\"")))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_revision_in_quotes() {
        assert_eq!(parse("\"7\""), Some(IfMatch(Some(Generation(7)))));
        assert_eq!(parse("*"), Some(IfMatch(None)));
        for bad in ["7", "W/\"7\"", "\"\"", "\"x\"", "\"7\", \"8\"", ""] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        let [(name, value)] = etag(Generation(7));
        assert_eq!((name, value.to_str().unwrap()), (header::ETAG, "\"7\""));
    }
}
