//! Lines of succession: keys that follow one another.
//!
//! A cluster has one line, or two of different algorithms: RS256 for whoever takes nothing else, and ES256,
//! which costs a fraction of it. Each line has its own turns and at most one key that signs; all lines
//! are published in one key set.

use moneyer_identity::{Algorithm, RelyingParty};
use serde::{Deserialize, Serialize};

use crate::signer::KeyKind;

/// Which line a key belongs to.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The one that every cluster has, and whose active key is published first.
    #[default]
    Primary,
    /// The one beside it.
    Second,
}

impl Line {
    /// Every line, in published order.
    pub const ALL: [Self; 2] = [Self::Primary, Self::Second];

    /// Whether it is the one that every cluster has.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        *self == Self::Primary
    }
}

/// What keys the lines are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyKinds {
    /// Of the line that every cluster has.
    pub primary: KeyKind,
    /// Of the line beside it, of another algorithm. `None`: there is none.
    pub second: Option<KeyKind>,
}

impl KeyKinds {
    /// One line alone.
    #[must_use]
    pub fn only(primary: KeyKind) -> Self {
        Self { primary, second: None }
    }

    /// What keys a line is made of, if there is one.
    #[must_use]
    pub fn of(self, line: Line) -> Option<KeyKind> {
        match line {
            Line::Primary => Some(self.primary),
            Line::Second => self.second,
        }
    }

    /// The lines, in published order.
    pub fn lines(self) -> impl Iterator<Item = Line> {
        Line::ALL.into_iter().filter(move |line| self.of(*line).is_some())
    }

    /// The algorithm that a line signs with, if there is one.
    #[must_use]
    pub fn algorithm(self, line: Line) -> Option<Algorithm> {
        self.of(line).map(KeyKind::algorithm)
    }

    /// The line of an algorithm, if there is one.
    #[must_use]
    pub fn line_of(self, algorithm: Algorithm) -> Option<Line> {
        self.lines().find(|line| self.algorithm(*line) == Some(algorithm))
    }

    /// The first line whose signatures a relying party takes.
    #[must_use]
    pub fn line_for(self, party: RelyingParty) -> Option<Line> {
        self.lines().find(|line| self.algorithm(*line).is_some_and(|signs| party.takes(signs)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_has_the_first_line_it_takes() {
        let both = KeyKinds { primary: KeyKind::P256, second: Some(KeyKind::Rsa2048) };
        assert_eq!(both.line_for(RelyingParty::Aws), Some(Line::Primary));
        assert_eq!(both.line_for(RelyingParty::Azure), Some(Line::Second));
        assert_eq!(both.line_of(Algorithm::RS256), Some(Line::Second));
        let one = KeyKinds::only(KeyKind::P256);
        assert_eq!(one.line_for(RelyingParty::Azure), None);
        assert_eq!(one.line_of(Algorithm::RS256), None);
        assert_eq!(one.lines().collect::<Vec<_>>(), [Line::Primary]);
    }
}
