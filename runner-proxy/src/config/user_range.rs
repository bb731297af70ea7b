//! Users by their numbers.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One user, `1000`, or a range of them with both ends, `100000-165535`, as a user namespace maps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserRange {
    first: u32,
    last: u32,
}

/// Why a text is not a [`UserRange`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no users; write a number such as 1000, or a range such as 100000-165535")]
pub struct UserRangeError(String);

impl UserRange {
    /// Whether this user is one of them.
    #[must_use]
    pub fn contains(&self, uid: u32) -> bool {
        (self.first..=self.last).contains(&uid)
    }
}

impl FromStr for UserRange {
    type Err = UserRangeError;

    fn from_str(text: &str) -> Result<Self, UserRangeError> {
        let number = |text: &str| {
            let is_plain = text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|_: &u32| is_plain)
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(UserRangeError(text.to_owned())),
        }
    }
}

impl fmt::Display for UserRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl TryFrom<String> for UserRange {
    type Error = UserRangeError;

    fn try_from(text: String) -> Result<Self, UserRangeError> {
        text.parse()
    }
}

impl From<UserRange> for String {
    fn from(range: UserRange) -> Self {
        range.to_string()
    }
}

impl JsonSchema for UserRange {
    fn schema_name() -> Cow<'static, str> {
        "UserRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]+(-[0-9]+)?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_belong_to_it_and_odd_texts_are_refused() {
        for (text, inside, outside) in
            [("1000", [1000, 1000], [999, 1001]), ("10-20", [10, 20], [9, 21])]
        {
            let range: UserRange = text.parse().unwrap();
            assert!(inside.iter().all(|uid| range.contains(*uid)), "{text}");
            assert!(!outside.iter().any(|uid| range.contains(*uid)), "{text}");
            assert_eq!(range.to_string(), text);
        }
        for odd in ["", "-", "1-", "-1", "+1", "20-10", "1-2-3", "4294967296", "root", " 1"] {
            odd.parse::<UserRange>().unwrap_err();
        }
    }
}
