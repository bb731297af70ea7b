//! Names in Vault's paths: parsed once, so that no request can leave its path.

use std::fmt;
use std::str::FromStr;

/// Longest mount, namespace or prefix in bytes.
const MAXIMUM_BYTES: usize = 256;

/// Why a text is no path of Vault's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {MAXIMUM_BYTES} bytes of letters, digits, `-`, `_` and `.`, in parts that are joined by \
     single slashes and are neither `.` nor `..`"
)]
pub struct NameError;

/// How many parts a path has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathSegments {
    /// One.
    One,
    /// One or more.
    Many,
}

/// A mount, a namespace or the name of a key: parts of letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultPath(String);

impl VaultPath {
    /// Reads a path; slashes at its ends, as Vault's own tools write them, do not count.
    pub fn parse(text: &str, segments: PathSegments) -> Result<Self, NameError> {
        let text = text.trim_matches('/');
        let is_part = |part: &str| {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(good)
        };
        let many = segments == PathSegments::Many || !text.contains('/');
        if text.len() <= MAXIMUM_BYTES && many && text.split('/').all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VaultPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for VaultPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::parse(text, PathSegments::Many)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_in_its_place() {
        for good in ["transit", "/team/transit/", "a.b-c_d", &"a".repeat(MAXIMUM_BYTES)] {
            assert!(good.parse::<VaultPath>().is_ok(), "{good}");
        }
        let long = "a".repeat(MAXIMUM_BYTES + 1);
        for bad in ["", "/", "..", "a/../b", "a//b", "a b", "a?b", "a%2fb", "a#b", "ä", &long] {
            assert_eq!(bad.parse::<VaultPath>(), Err(NameError), "{bad}");
        }
        assert!(VaultPath::parse("a/b", PathSegments::One).is_err());
    }
}
