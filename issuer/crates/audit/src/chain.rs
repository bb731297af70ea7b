//! The chain: what links a line to the one before it.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use moneyer_recording::Sequence;

/// Hexadecimal digits of a hash.
const DIGITS: usize = 64;

/// SHA-256 of a line's bytes, without its line end. Before the first line it is all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct LineHash([u8; 32]);

impl LineHash {
    /// Of a line without its line end.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, line).as_ref());
        Self(hash)
    }

    /// Reads lower-case hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() != DIGITS {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let &[high, low] = digits else { return None };
            *byte = nibble(high)? << 4 | nibble(low)?;
        }
        Some(Self(hash))
    }

    /// The digits, without an allocation.
    pub(crate) fn write_hex(&self, to: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        for byte in self.0 {
            for nibble in [byte >> 4, byte & 15] {
                to.extend(HEX.get(usize::from(nibble)));
            }
        }
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The end of a chain: the place and the hash of its last line. Kept elsewhere, it shows later that
/// nothing was cut off: `SEQ:HASH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The last line's place; zero for an empty log.
    pub sequence: Sequence,
    /// The last line's hash.
    pub hash: LineHash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

/// Why a text is no head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a head is a line's number, a colon, and the {DIGITS} hexadecimal digits of its hash")]
pub struct HeadError;

impl FromStr for Head {
    type Err = HeadError;

    fn from_str(text: &str) -> Result<Self, HeadError> {
        let (sequence, hash) = text.split_once(':').ok_or(HeadError)?;
        let sequence = sequence.parse().map_err(|_no_number| HeadError)?;
        let hash = LineHash::parse(hash).ok_or(HeadError)?;
        Ok(Self { sequence: Sequence(sequence), hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let head = Head { sequence: Sequence(7), hash: LineHash::of(b"abc") };
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(head.to_string(), format!("7:{abc}"));
        assert_eq!(head.to_string().parse(), Ok(head));
        let mut hex = Vec::new();
        head.hash.write_hex(&mut hex);
        assert_eq!(hex, abc.as_bytes());
        for bad in
            ["", "7", "7:", ":00", &format!("-1:{abc}"), &format!("7:{}", abc.to_uppercase())]
        {
            assert_eq!(bad.parse::<Head>(), Err(HeadError), "{bad}");
        }
    }
}
