//! All that is wrong with the settings, together.

use std::fmt;

use super::Position;

/// One mistake and its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SettingsError {
    position: Position,
    message: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.position, self.message)
    }
}

/// Every mistake found, from the top of the file to the bottom, then the environment.
///
/// Displays one a line, such as
/// `moneyer.toml:12:1: tokens.default_lifetme: unknown key; did you mean default_lifetime?`
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettingsErrors {
    errors: Vec<SettingsError>,
}

impl SettingsErrors {
    /// No mistakes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn one(position: Position, message: impl Into<String>) -> Self {
        let mut errors = Self::new();
        errors.push(position, message);
        errors
    }

    /// Adds a mistake; saying the same twice adds nothing.
    pub fn push(&mut self, position: Position, message: impl Into<String>) {
        let error = SettingsError { position, message: message.into() };
        if let Err(at) = self.errors.binary_search(&error) {
            self.errors.insert(at, error);
        }
    }

    /// Adds the mistakes of another check.
    pub fn append(&mut self, other: Self) {
        for error in other.errors {
            self.push(error.position, error.message);
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The mistakes in order.
    pub fn iter(&self) -> std::slice::Iter<'_, SettingsError> {
        self.errors.iter()
    }

    /// `value` if there is no mistake.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl<'a> IntoIterator for &'a SettingsErrors {
    type Item = &'a SettingsError;
    type IntoIter = std::slice::Iter<'a, SettingsError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for SettingsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsErrors {}
