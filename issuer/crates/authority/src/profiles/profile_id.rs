//! The name of a provider profile.

use std::fmt;
use std::sync::Arc;

/// Longest id in bytes, as long as a component.
pub const MAXIMUM_PROFILE_ID_BYTES: usize = 63;

/// The text is no id of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {MAXIMUM_PROFILE_ID_BYTES} lower-case letters and digits, with single dashes between them"
)]
pub struct ProfileIdError;

/// The id of a profile: words of lower-case letters and digits, with single dashes between them.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileId(Arc<str>);

impl ProfileId {
    /// Reads the exact text.
    pub fn parse(text: &str) -> Result<Self, ProfileIdError> {
        let word = |word: &str| {
            let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            !word.is_empty() && word.bytes().all(good)
        };
        if text.len() <= MAXIMUM_PROFILE_ID_BYTES && text.split('-').all(word) {
            Ok(Self(text.into()))
        } else {
            Err(ProfileIdError)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProfileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for ProfileId {
    type Err = ProfileIdError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ProfileId {
    type Error = ProfileIdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ProfileId> for String {
    fn from(id: ProfileId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl schemars::JsonSchema for ProfileId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProfileId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$",
            "maxLength": MAXIMUM_PROFILE_ID_BYTES
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_words_with_single_dashes_between_them() {
        let longest = "x".repeat(MAXIMUM_PROFILE_ID_BYTES);
        for good in ["a", "spiffe-token-grant-demo", "a-1", longest.as_str()] {
            assert_eq!(ProfileId::parse(good).unwrap().as_str(), good);
        }
        let longer = "x".repeat(MAXIMUM_PROFILE_ID_BYTES + 1);
        for bad in
            ["", "-", "a-", "-a", "a--b", "A", "a_b", "a.b", "a b", "\u{e9}", longer.as_str()]
        {
            assert_eq!(ProfileId::parse(bad), Err(ProfileIdError), "{bad}");
        }
    }
}
