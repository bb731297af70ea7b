//! What is wrong with a store, in words: the first of it one by one, the rest by its number.

use std::fmt;

/// Most findings that are told one by one.
const TOLD: usize = 20;

/// What is wrong with a store, record by record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    texts: Vec<String>,
    more: usize,
}

impl Findings {
    pub(crate) fn add(&mut self, text: impl FnOnce() -> String) {
        if self.texts.len() < TOLD {
            self.texts.push(text());
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Each finding, as far as they are told one by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.texts.join("; "))?;
        if self.more > 0 { write!(f, "; and {} more", self.more) } else { Ok(()) }
    }
}
