//! Patterns of request paths.
//!
//! ```text
//! (empty), **, /**     every path
//! /v1/**               /v1 and everything below it
//! /v1/*/items          `*` and `?` stay inside one segment, `[a-f]` is one character
//! /v1/**/items         any number of segments between
//! /v1/[                a malformed glob: matches itself and nothing else
//! ```
//!
//! They are matched against a [`RequestTarget`](super::RequestTarget)'s path, which has one form only. A pattern
//! that is in another form matches nothing.

use super::glob::{Bytes, Glob, Piece};
use crate::text_value::text_value;

/// Longest pattern of a path in bytes.
pub const MAXIMUM_PATH_PATTERN_BYTES: usize = 1024;

/// How many `**` a pattern may have before its last segment: each doubles what has to be tried.
const MAXIMUM_INNER_STARS: usize = 3;

/// Why a text is no pattern of paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathPatternError {
    /// Longer than [`MAXIMUM_PATH_PATTERN_BYTES`].
    #[error("is longer than {MAXIMUM_PATH_PATTERN_BYTES} bytes")]
    TooLong,
    /// A blank, a control character or a letter outside ASCII.
    #[error("has a blank, a control character or a character outside ASCII: write it as %XX")]
    Alphabet,
    /// Neither empty nor `**`, and does not begin with a slash.
    #[error("must begin with '/', or be empty or '**' for every path")]
    Slash,
    /// More than three segments `**` before the last.
    #[error("has more than {MAXIMUM_INNER_STARS} segments '**' before its last")]
    InnerStars,
}

/// Matches the paths of requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPattern {
    text: String,
    /// A path matches if it matches one of these.
    globs: Vec<Glob>,
}

impl PathPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        if text.len() > MAXIMUM_PATH_PATTERN_BYTES {
            return Err(PathPatternError::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PathPatternError::Alphabet);
        }
        if matches!(text, "" | "**" | "/**") {
            return Ok(Self::of(text, vec![everything()]));
        }
        let rest = text.strip_prefix('/').ok_or(PathPatternError::Slash)?;
        let inner = rest.rsplit_once('/').map_or("", |(inner, _)| inner);
        if inner.split('/').filter(|segment| *segment == "**").count() > MAXIMUM_INNER_STARS {
            return Err(PathPatternError::InnerStars);
        }
        let globs = read_globs(rest).unwrap_or_else(|| vec![Glob::exactly(text)]);
        Ok(Self::of(text, globs))
    }

    /// Every path.
    #[must_use]
    pub fn every() -> Self {
        Self::of("", vec![everything()])
    }

    fn of(text: &str, globs: Vec<Glob>) -> Self {
        Self { text: text.to_owned(), globs }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches a path, without its query.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.globs.iter().any(|glob| glob.matches(path))
    }

    /// Whether some path matches both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.globs.iter().any(|one| other.globs.iter().any(|another| one.overlaps(another)))
    }

    /// How much it says: nothing for an empty one and `**`; else 1,000,000, and 1 for each character that stands for
    /// itself. So any selector of paths beats every selector of hosts.
    #[must_use]
    pub fn score(&self) -> i64 {
        if matches!(self.text.as_str(), "" | "**") {
            return 0;
        }
        let literal = |byte: &u8| !matches!(byte, b'*' | b'?' | b'[' | b']');
        let literals = self.text.bytes().filter(literal).count();
        1_000_000 + i64::try_from(literals).unwrap_or(i64::MAX)
    }
}

fn everything() -> Glob {
    let mut glob = Glob::default();
    glob.push(Piece::many(Bytes::ALL));
    glob
}

/// All the globs a pattern stands for; none where it is malformed.
fn read_globs(rest: &str) -> Option<Vec<Glob>> {
    let slash = Piece::one(Bytes::one(b'/'));
    let last = rest.split('/').count();
    let mut globs = vec![Glob::default()];
    for (number, segment) in rest.split('/').enumerate() {
        if segment == "**" {
            let longer: Vec<_> = globs.iter().map(|glob| below(glob, number + 1 < last)).collect();
            globs.extend(longer);
            continue;
        }
        let pieces = read_segment(segment)?;
        for glob in &mut globs {
            glob.push(slash);
            for piece in &pieces {
                glob.push(*piece);
            }
        }
    }
    Some(globs)
}

/// The glob and anything below it; `inner` where more follows, so that it ends with a segment.
fn below(glob: &Glob, inner: bool) -> Glob {
    let slash = Bytes::one(b'/');
    let mut longer = glob.clone();
    longer.push(Piece::one(slash));
    longer.push(Piece::many(Bytes::ALL));
    if inner {
        longer.push(Piece::one(Bytes::ALL.without(slash)));
    }
    longer
}

fn read_segment(segment: &str) -> Option<Vec<Piece>> {
    if segment.contains("**") {
        return None;
    }
    let inside = Bytes::ALL.without(Bytes::one(b'/'));
    let mut bytes = segment.bytes();
    let mut pieces = Vec::new();
    while let Some(byte) = bytes.next() {
        pieces.push(match byte {
            b'*' => Piece::many(inside),
            b'?' => Piece::one(inside),
            b'[' => Piece::one(read_class(&mut bytes)?),
            literal => Piece::one(Bytes::one(literal)),
        });
    }
    Some(pieces)
}

/// What stands between `[` and `]`: characters and ranges, after `!` or `^` all others. Never a slash.
fn read_class(bytes: &mut impl Iterator<Item = u8>) -> Option<Bytes> {
    let mut class = Vec::new();
    loop {
        match bytes.next()? {
            // One at the beginning stands for itself.
            b']' if !class.is_empty() && class != [b'!'] && class != [b'^'] => break,
            byte => class.push(byte),
        }
    }
    let (others, mut members) = match class.split_first() {
        Some((b'!' | b'^', rest)) => (true, rest),
        _ => (false, class.as_slice()),
    };
    let mut set = Bytes::ALL.without(Bytes::ALL);
    while let Some((first, rest)) = members.split_first() {
        if let [b'-', last, after @ ..] = rest {
            set = set.with(Bytes::range(*first, *last));
            members = after;
        } else {
            set = set.with(Bytes::one(*first));
            members = rest;
        }
    }
    let set = if others { Bytes::ALL.without(set) } else { set };
    Some(set.without(Bytes::one(b'/')))
}

text_value!(PathPattern, PathPatternError);

#[cfg(test)]
#[path = "tests/path.rs"]
mod tests;
