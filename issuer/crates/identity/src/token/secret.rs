//! A minted token as a secret.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A signed token. Wiped when dropped; shown only by [`Token::expose`].
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Token(String);

impl Token {
    /// Takes over the compact serialisation.
    #[must_use]
    pub fn new(compact: String) -> Self {
        Self(compact)
    }

    /// The text, for handing it to its sandbox. Never for a log.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let shown = format!("{:?}", Token::new("canary".to_owned()));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
