//! SPIFFE IDs (SPIFFE-ID section 2): `spiffe://<trust domain>/<segment>/…`.
//!
//! Segments are non-empty, of `A-Z a-z 0-9 . - _`, and neither `.` nor `..`. There is no query, no
//! fragment and no trailing slash, not even an empty one. The trust domain's own id has no path.

use std::fmt;
use std::sync::Arc;

use super::trust_domain::{TrustDomain, TrustDomainError};

/// Longest SPIFFE ID in bytes that is accepted, and the longest that is made (section 2.3).
const MAXIMUM_SPIFFE_ID_BYTES: usize = 2048;

/// Why a text is not a SPIFFE ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpiffeIdError {
    /// Not `spiffe://`, in lower case.
    #[error("a SPIFFE ID begins with spiffe://")]
    Scheme,
    /// Longer than 2048 bytes.
    #[error("a SPIFFE ID is longer than {MAXIMUM_SPIFFE_ID_BYTES} bytes")]
    TooLong,
    /// The trust domain is not one.
    #[error("the trust domain is not legal")]
    TrustDomain(#[source] TrustDomainError),
    /// A segment is empty, `.`, `..` or has a character outside the alphabet.
    #[error(
        "a path segment is empty, relative, or has a character other than letters, digits, '.', '-' and '_'"
    )]
    Segment,
}

/// A SPIFFE ID. Compared by exact bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    text: Arc<str>,
    trust_domain: TrustDomain,
}

impl SpiffeId {
    /// Parses the exact text.
    pub fn parse(text: &str) -> Result<Self, SpiffeIdError> {
        if text.len() > MAXIMUM_SPIFFE_ID_BYTES {
            return Err(SpiffeIdError::TooLong);
        }
        let rest = text.strip_prefix("spiffe://").ok_or(SpiffeIdError::Scheme)?;
        let (domain, path) = match rest.split_once('/') {
            Some((domain, path)) => (domain, Some(path)),
            None => (rest, None),
        };
        let trust_domain = TrustDomain::parse(domain).map_err(SpiffeIdError::TrustDomain)?;
        if path.is_some_and(|path| !path.split('/').all(is_segment)) {
            return Err(SpiffeIdError::Segment);
        }
        Ok(Self { text: text.into(), trust_domain })
    }

    /// The id of these segments in a trust domain.
    pub fn of(trust_domain: &TrustDomain, segments: &[&str]) -> Result<Self, SpiffeIdError> {
        let mut text = format!("spiffe://{trust_domain}");
        for segment in segments {
            // Before joining: `a/b` handed in as one segment would come out as two.
            if !is_segment(segment) {
                return Err(SpiffeIdError::Segment);
            }
            text.push('/');
            text.push_str(segment);
        }
        Self::parse(&text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The path segments, none for the trust domain's own id.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        let start = "spiffe://".len() + self.trust_domain.as_str().len();
        let path = self.text.get(start..).unwrap_or_default();
        path.strip_prefix('/').into_iter().flat_map(|path| path.split('/'))
    }
}

/// Whether a text is one legal segment (section 2.2).
pub(super) fn is_segment(segment: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    !segment.is_empty() && !matches!(segment, "." | "..") && segment.bytes().all(legal)
}

impl TryFrom<String> for SpiffeId {
    type Error = SpiffeIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.text.as_ref().to_owned()
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpiffeId({})", self.text)
    }
}

impl schemars::JsonSchema for SpiffeId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SpiffeId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "maxLength": MAXIMUM_SPIFFE_ID_BYTES,
            "pattern": "^spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)*$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_ids() {
        for (text, segments) in [
            ("spiffe://example.org", vec![]),
            ("spiffe://127.0.0.1/a", vec!["a"]),
            (
                "spiffe://example.org/app/Web.1/sandbox/x_y-z",
                vec!["app", "Web.1", "sandbox", "x_y-z"],
            ),
        ] {
            let id = SpiffeId::parse(text).unwrap();
            assert_eq!(id.segments().collect::<Vec<_>>(), segments);
        }
        let limit = format!("spiffe://a/{}", "x".repeat(2048 - 11));
        assert!(SpiffeId::parse(&limit).is_ok());
        assert_eq!(SpiffeId::parse(&format!("{limit}x")), Err(SpiffeIdError::TooLong));
    }

    #[test]
    fn a_joined_segment_stays_one_segment() {
        let domain = TrustDomain::parse("example.org").unwrap();
        let id = SpiffeId::of(&domain, &["app", "web"]).unwrap();
        assert_eq!(id.as_str(), "spiffe://example.org/app/web");
        assert_eq!(SpiffeId::of(&domain, &[]).unwrap().segments().count(), 0);
        for bad in ["a/b", "", ".", "..", "a?", "%2e", "a/"] {
            assert_eq!(SpiffeId::of(&domain, &["app", bad]), Err(SpiffeIdError::Segment), "{bad}");
        }
        let (half, long) = ("x".repeat(1000), "x".repeat(1027));
        assert!(SpiffeId::of(&domain, &[&half, &long]).is_err());
    }

    #[test]
    fn refuses_what_the_standard_refuses() {
        for text in [
            "",
            "example.org",
            "SPIFFE://example.org/a",
            "spiffe:///a",
            "spiffe://",
            "spiffe://Example.org/a",
            "spiffe://example.org:443/a",
            "spiffe://user@example.org/a",
            "spiffe://[::1]/a",
            "spiffe://ex%61mple.org/a",
            "spiffe://example.org/",
            "spiffe://example.org/a/",
            "spiffe://example.org//a",
            "spiffe://example.org/a/./b",
            "spiffe://example.org/a/../b",
            "spiffe://example.org/%2e",
            "spiffe://example.org/a?",
            "spiffe://example.org/a#",
            "spiffe://example.org/a b",
            "spiffe://example.org/~a",
            "spiffe://example.org/a:b",
            "spiffe://example.org/\u{430}",
        ] {
            assert!(SpiffeId::parse(text).is_err(), "{text}");
        }
        assert!(SpiffeId::parse(&format!("spiffe://{}/a", "x".repeat(256))).is_err());
    }
}
