//! Audiences: the values of `aud` (RFC 7519 section 4.1.3).
//!
//! An audience is compared by exact bytes: no trimming, no case folding, no trailing slash, no
//! default port. A token names one audience unless several were asked for; [`Audiences`] writes one
//! as a string and several as an array, as relying parties expect.

use std::fmt;
use std::sync::Arc;

/// Longest audience in bytes. AWS takes 255 and Azure 600; Google's provider names stay under 256.
pub const MAXIMUM_AUDIENCE_BYTES: usize = 512;

/// Why an audience, or a list of them, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AudienceError {
    /// An empty audience.
    #[error("an audience is empty")]
    Empty,
    /// Longer than [`MAXIMUM_AUDIENCE_BYTES`].
    #[error("an audience is longer than {MAXIMUM_AUDIENCE_BYTES} bytes")]
    TooLong,
    /// A blank, control character or non-ASCII byte.
    #[error("an audience has a blank, a control character or a character outside ASCII")]
    Alphabet,
    /// The same audience twice.
    #[error("an audience is named twice")]
    Repeated,
    /// No audience at all.
    #[error("at least one audience is needed")]
    None,
    /// More than allowed.
    #[error("at most {0} audiences may be asked for")]
    TooMany(usize),
}

/// One audience: 1 to 512 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Audience(Arc<str>);

impl Audience {
    /// Parses the exact text.
    pub fn parse(text: &str) -> Result<Self, AudienceError> {
        if text.is_empty() {
            return Err(AudienceError::Empty);
        }
        if text.len() > MAXIMUM_AUDIENCE_BYTES {
            return Err(AudienceError::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(AudienceError::Alphabet);
        }
        Ok(Self(text.into()))
    }

    /// Takes a piece of a URL that was checked and is no longer than an audience.
    pub(crate) fn of_url(checked: &str) -> Self {
        Self(checked.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Audience {
    type Err = AudienceError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Audience {
    type Error = AudienceError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Audience> for String {
    fn from(audience: Audience) -> Self {
        audience.0.as_ref().to_owned()
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audience({})", self.0)
    }
}

impl schemars::JsonSchema for Audience {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Audience".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[!-~]{1,512}$" })
    }
}

/// One or several distinct audiences, in the order they were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Audiences(Vec<Audience>);

impl Audiences {
    /// The audience of almost every token.
    #[must_use]
    pub fn one(audience: Audience) -> Self {
        Self(vec![audience])
    }

    /// Distinct audiences, at least one and at most `maximum`.
    pub fn several(audiences: Vec<Audience>, maximum: usize) -> Result<Self, AudienceError> {
        if audiences.is_empty() {
            return Err(AudienceError::None);
        }
        if audiences.len() > maximum {
            return Err(AudienceError::TooMany(maximum));
        }
        let mut sorted: Vec<_> = audiences.iter().collect();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(AudienceError::Repeated);
        }
        Ok(Self(audiences))
    }

    /// The audiences.
    #[must_use]
    pub fn as_slice(&self) -> &[Audience] {
        &self.0
    }
}

impl serde::Serialize for Audiences {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Audiences {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            One(Audience),
            Several(Vec<Audience>),
        }
        let audiences = match Either::deserialize(deserializer)? {
            Either::One(one) => vec![one],
            Either::Several(several) => several,
        };
        Self::several(audiences, usize::MAX).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_text_only() {
        assert!(Audience::parse(&"a".repeat(512)).is_ok());
        assert_eq!(Audience::parse(&"a".repeat(513)), Err(AudienceError::TooLong));
        assert_eq!(Audience::parse(""), Err(AudienceError::Empty));
        for bad in [" ", "a b", "a\n", "a\0", "\u{430}", "a\u{200d}"] {
            assert_eq!(Audience::parse(bad), Err(AudienceError::Alphabet), "{bad:?}");
        }
        assert_ne!(Audience::parse("https://a"), Audience::parse("https://a/"));
    }

    #[test]
    fn one_is_a_string_and_several_are_an_array() {
        let a = Audience::parse("a").unwrap();
        let b = Audience::parse("b").unwrap();
        assert_eq!(serde_json::to_string(&Audiences::one(a.clone())).unwrap(), r#""a""#);
        let both = Audiences::several(vec![a.clone(), b.clone()], 2).unwrap();
        assert_eq!(serde_json::to_string(&both).unwrap(), r#"["a","b"]"#);
        assert_eq!(Audiences::several(vec![a.clone(), b], 1), Err(AudienceError::TooMany(1)));
        assert_eq!(Audiences::several(vec![a.clone(), a], 9), Err(AudienceError::Repeated));
        assert_eq!(Audiences::several(vec![], 9), Err(AudienceError::None));
    }

    #[test]
    fn every_member_must_be_a_string() {
        for bad in [r#"["me",5]"#, "5", "null", "[]", r#"[""]"#, r#"[["me"]]"#, "{}"] {
            assert!(serde_json::from_str::<Audiences>(bad).is_err(), "{bad}");
        }
    }
}
