//! One header block (RFC 7541 section 6), its `:authority` exchanged.

/// What every authority becomes.
const LOCAL: &[u8] = b"localhost";

/// Bytes that as many digits as ours has can take in Huffman's code, of which the longest have 30 bits
/// (section 5.2): what takes more has more digits.
const LONGEST_CODED: usize = (LOCAL.len() * 30).div_ceil(8);

/// The index of `:authority` in the static table (RFC 7541 appendix A).
const AUTHORITY: usize = 1;

/// The block with another authority; `None` where there is nothing to exchange or something is not understood.
///
/// A value that could be shorter than ours is left alone: it is no path of a socket, and ours must not be the
/// longer one.
pub(super) fn localized(block: &[u8]) -> Option<Vec<u8>> {
    let mut rest = Reader(block);
    let mut written = Vec::with_capacity(block.len());
    let mut exchanged = false;
    while let Some(&first) = rest.0.first() {
        let field = rest.0;
        match first {
            0x80.. => drop(rest.integer(7)?),
            0x20..0x40 => drop(rest.integer(5)?),
            _ => {
                let name = rest.integer(if first >= 0x40 { 6 } else { 4 })?;
                let is_authority = match name {
                    0 => rest.string()? == b":authority",
                    index => index == AUTHORITY,
                };
                let head = field.get(..field.len() - rest.0.len())?;
                let is_coded = rest.0.first().is_some_and(|length| length & 0x80 != 0);
                let shortest = if is_coded { LONGEST_CODED } else { LOCAL.len() };
                if rest.string()?.len() > shortest && is_authority {
                    written.extend_from_slice(head);
                    // Not Huffman-coded, and shorter than 127.
                    written.push(u8::try_from(LOCAL.len()).ok()?);
                    written.extend_from_slice(LOCAL);
                    exchanged = true;
                    continue;
                }
            }
        }
        written.extend_from_slice(field.get(..field.len() - rest.0.len())?);
    }
    exchanged.then_some(written)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// An integer with a prefix of so many bits (section 5.1), up to what four more bytes hold.
    fn integer(&mut self, prefix: u32) -> Option<usize> {
        let (&first, mut rest) = self.0.split_first()?;
        let most = (1_usize << prefix) - 1;
        let mut value = usize::from(first) & most;
        if value == most {
            for shift in [0, 7, 14, 21] {
                let (&byte, after) = rest.split_first()?;
                rest = after;
                value += usize::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    self.0 = rest;
                    return Some(value);
                }
            }
            return None;
        }
        self.0 = rest;
        Some(value)
    }

    /// The bytes of a string as they are encoded (section 5.2).
    fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.integer(7)?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `:method POST`, `:scheme http`, a path, and an authority.
    fn block(authority: &[u8]) -> Vec<u8> {
        let mut block = vec![0x83, 0x86, 0x44, 2, b'/', b'a'];
        block.extend_from_slice(authority);
        block.extend_from_slice(&[0x40, 1, b'x', 1, b'y']);
        block
    }

    fn literal(head: &[u8], value: &[u8]) -> Vec<u8> {
        [head, &[u8::try_from(value.len()).unwrap()], value].concat()
    }

    #[test]
    fn a_path_becomes_localhost_however_it_is_written() {
        let path = b"tmp%2Frun%2Fworkload-api.sock";
        for head in [&[0x41][..], &[0x01], &[0x11], b"\x40\x0a:authority", b"\x00\x0a:authority"] {
            let expected = block(&literal(head, b"localhost"));
            assert_eq!(localized(&block(&literal(head, path))), Some(expected), "{head:?}");
        }
        // Huffman-coded, in more bytes than nine digits can take.
        let coded = [&[0x41, 0x80 | 0x23][..], &[0x18; 35]].concat();
        let expected = block(&literal(&[0x41], b"localhost"));
        assert_eq!(localized(&block(&coded)), Some(expected));
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for block in [
            block(&literal(&[0x41], b"localhost")),
            block(&literal(&[0x41], b"a")),
            // RFC 7541 appendix C.4.1, Huffman-coded: twelve bytes that could be three digits.
            block(b"\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"),
            // By a dynamic entry: it was exchanged when it was made.
            block(&[0xbe]),
            // A size of the table.
            block(&[0x3f, 0xe1, 0x1f]),
            Vec::new(),
        ] {
            assert_eq!(localized(&block), None, "{block:?}");
        }
    }

    #[test]
    fn what_is_cut_off_or_has_no_end_is_left_to_h2() {
        let whole = block(&literal(&[0x41], b"tmp%2Frun%2Fworkload-api.sock"));
        for length in 7..whole.len() - 5 {
            localized(&whole[..length]);
        }
        for block in [&[0x41, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff][..], &[0xff; 8], &[0x41, 0x05, 1]]
        {
            assert_eq!(localized(block), None, "{block:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_grow(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            if let Some(localized) = localized(&bytes) {
                proptest::prop_assert!(localized.len() < bytes.len());
            }
        }
    }
}
