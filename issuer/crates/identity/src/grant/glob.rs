//! Globs over ASCII, as host and path patterns are made of: whether one matches a text, and whether two match
//! a text in common.
//!
//! A glob is a row of pieces, each a set of bytes taken once or as often as it goes. So matching is a walk over
//! the states of a small automaton, never backtracking: its cost is the length of the text times that of the glob,
//! whatever either holds. A byte outside ASCII is in no set.

/// A set of ASCII bytes, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Bytes(u128);

impl Bytes {
    /// All of ASCII.
    pub(super) const ALL: Self = Self(u128::MAX);

    pub(super) const fn one(byte: u8) -> Self {
        if byte < 128 { Self(1 << byte) } else { Self(0) }
    }

    pub(super) fn range(first: u8, last: u8) -> Self {
        (first..=last).fold(Self(0), |set, byte| set.with(Self::one(byte)))
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    const fn has(self, byte: u8) -> bool {
        self.meets(Self::one(byte))
    }
}

/// Bytes of a set: one of them, or any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Piece {
    pub(super) set: Bytes,
    pub(super) many: bool,
}

impl Piece {
    pub(super) const fn one(set: Bytes) -> Self {
        Self { set, many: false }
    }

    pub(super) const fn many(set: Bytes) -> Self {
        Self { set, many: true }
    }
}

/// A row of pieces.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Glob(Vec<Piece>);

impl Glob {
    /// Exactly this text.
    pub(super) fn exactly(text: &str) -> Self {
        Self(text.bytes().map(|byte| Piece::one(Bytes::one(byte))).collect())
    }

    pub(super) fn push(&mut self, piece: Piece) {
        self.0.push(piece);
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut states = vec![false; self.0.len() + 1];
        if let Some(first) = states.first_mut() {
            *first = true;
        }
        self.skip(&mut states);
        let mut next = vec![false; states.len()];
        for byte in text.bytes() {
            next.fill(false);
            for (at, (piece, active)) in self.0.iter().zip(&states).enumerate() {
                if *active && piece.set.has(byte) {
                    let to = if piece.many { at } else { at + 1 };
                    if let Some(state) = next.get_mut(to) {
                        *state = true;
                    }
                }
            }
            self.skip(&mut next);
            std::mem::swap(&mut states, &mut next);
        }
        states.last().copied().unwrap_or(false)
    }

    /// Steps past every piece that may be taken no times.
    fn skip(&self, states: &mut [bool]) {
        let mut carried = false;
        let pieces = self.0.iter().map(|piece| piece.many).chain(std::iter::once(false));
        for (state, many) in states.iter_mut().zip(pieces) {
            *state |= carried;
            carried = *state && many;
        }
    }

    /// Whether there is a text that both match.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        // Row by row: which states of `other` are reached together with this state of ours. No step goes back.
        let mut row = vec![false; other.0.len() + 1];
        if let Some(first) = row.first_mut() {
            *first = true;
        }
        for piece in &self.0 {
            row = step(*piece, &other.0, row);
        }
        other.skip(&mut row);
        row.last().copied().unwrap_or(false)
    }
}

/// The states of `other` that are reached after this piece of ours, from those reached before it.
fn step(ours: Piece, other: &[Piece], mut row: Vec<bool>) -> Vec<bool> {
    let mut after = vec![false; row.len()];
    for (at, theirs) in other.iter().enumerate() {
        if !row.get(at).copied().unwrap_or(false) {
            continue;
        }
        let both = ours.set.meets(theirs.set);
        let mut reach = |in_after: bool, to: usize| {
            let states = if in_after { &mut after } else { &mut row };
            if let Some(state) = states.get_mut(to) {
                *state = true;
            }
        };
        if theirs.many {
            reach(false, at + 1);
        }
        match (ours.many, theirs.many) {
            (false, false) if both => reach(true, at + 1),
            (false, true) if both => reach(true, at),
            (true, false) if both => reach(false, at + 1),
            _ => {}
        }
    }
    if ours.many {
        after = row;
    }
    after
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn glob(text: &str) -> Glob {
        let mut glob = Glob::default();
        for byte in text.bytes() {
            glob.push(match byte {
                b'*' => Piece::many(Bytes::range(b'a', b'c')),
                b'?' => Piece::one(Bytes::range(b'a', b'c')),
                literal => Piece::one(Bytes::one(literal)),
            });
        }
        glob
    }

    fn texts(longest: u32) -> impl Iterator<Item = String> {
        (0..=longest).flat_map(|length| {
            (0..3_u32.pow(length)).map(move |mut number| {
                let letter = |_| {
                    let letter = ['a', 'b', 'c'][number as usize % 3];
                    number /= 3;
                    letter
                };
                (0..length).map(letter).collect()
            })
        })
    }

    #[test]
    fn a_long_row_of_stars_costs_no_backtracking() {
        let many = glob(&"*a".repeat(200));
        assert!(!many.matches(&"b".repeat(8192)));
        assert!(many.matches(&"a".repeat(8192)));
        assert!(many.overlaps(&glob(&"a*".repeat(200))));
    }

    #[test]
    fn a_byte_outside_ascii_matches_nothing() {
        let mut any = Glob::default();
        any.push(Piece::many(Bytes::ALL));
        assert!(any.matches("abc") && any.matches(""));
        assert!(!any.matches("\u{e9}"));
    }

    proptest! {
        #[test]
        fn two_globs_overlap_exactly_where_a_text_matches_both(
            one in "[abc*?]{0,4}", other in "[abc*?]{0,4}",
        ) {
            let (one, other) = (glob(&one), glob(&other));
            // Two globs of four pieces that have a text in common have one of at most eight.
            let common = texts(8).any(|text| one.matches(&text) && other.matches(&text));
            prop_assert_eq!(one.overlaps(&other), common);
            prop_assert_eq!(other.overlaps(&one), common);
        }
    }
}
