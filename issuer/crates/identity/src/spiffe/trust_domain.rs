//! Trust domains (SPIFFE-ID section 2.1): 1 to 255 of `a-z 0-9 . - _`.
//!
//! No port, no user info, no upper case, no percent-encoding. A dotted IPv4 address is legal and
//! nothing special; an IPv6 address cannot be written in the alphabet.

use std::fmt;
use std::sync::Arc;

/// Longest trust domain in bytes (SPIFFE-ID section 2.3).
const MAXIMUM_TRUST_DOMAIN_BYTES: usize = 255;

/// Why a text is not a trust domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustDomainError {
    /// Empty.
    #[error("a trust domain is empty")]
    Empty,
    /// Longer than 255 bytes.
    #[error("a trust domain is longer than {MAXIMUM_TRUST_DOMAIN_BYTES} bytes")]
    TooLong,
    /// A character outside the alphabet.
    #[error("a trust domain may hold only lower-case letters, digits, '.', '-' and '_'")]
    Alphabet,
}

/// A trust domain. Compared by exact bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustDomain(Arc<str>);

impl TrustDomain {
    /// Parses the exact text, without the `spiffe://`.
    pub fn parse(text: &str) -> Result<Self, TrustDomainError> {
        if text.is_empty() {
            return Err(TrustDomainError::Empty);
        }
        if text.len() > MAXIMUM_TRUST_DOMAIN_BYTES {
            return Err(TrustDomainError::TooLong);
        }
        let legal =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
        if text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(TrustDomainError::Alphabet)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for TrustDomain {
    type Err = TrustDomainError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TrustDomain {
    type Error = TrustDomainError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<TrustDomain> for String {
    fn from(trust_domain: TrustDomain) -> Self {
        trust_domain.0.as_ref().to_owned()
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustDomain({})", self.0)
    }
}

impl schemars::JsonSchema for TrustDomain {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TrustDomain".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[a-z0-9._-]{1,255}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_and_the_limit() {
        for good in ["a", "id.example.com", "127.0.0.1", "a_b-c", &"x".repeat(255)] {
            assert_eq!(TrustDomain::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(TrustDomain::parse(""), Err(TrustDomainError::Empty));
        assert_eq!(TrustDomain::parse(&"x".repeat(256)), Err(TrustDomainError::TooLong));
        for bad in ["A", "a:1", "u@a", "[::1]", "a/b", "a%41", "a b", "a\n", "\u{430}", "a?", "a#"]
        {
            assert_eq!(TrustDomain::parse(bad), Err(TrustDomainError::Alphabet), "{bad:?}");
        }
    }
}
