//! The bytes of a connection, cut into frames (RFC 9113 section 4.1).

use bytes::{Buf as _, BytesMut};
use tokio::io::ReadBuf;

use super::block;

/// Before the first frame (RFC 9113 section 3.4).
const PREFACE_BYTES: usize = 24;

/// Length, type, flags, stream.
const HEAD_BYTES: usize = 9;

/// Longest frame that is looked into: the longest that a peer may send who was not told otherwise
/// (RFC 9113 section 4.2). Longer ones go on as they come.
const MAXIMUM_FRAME_BYTES: usize = 16 * 1024;

const HEADERS: u8 = 1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Stream and weight.
const PRIORITY_BYTES: usize = 5;

/// What came and what goes on.
pub(super) struct Frames {
    /// Bytes that go on as they come.
    untouched: usize,
    came: BytesMut,
    goes_on: BytesMut,
}

impl Default for Frames {
    fn default() -> Self {
        Self { untouched: PREFACE_BYTES, came: BytesMut::new(), goes_on: BytesMut::new() }
    }
}

impl Frames {
    /// Takes the next bytes of the connection.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.came.extend_from_slice(bytes);
        loop {
            let untouched = self.untouched.min(self.came.len());
            self.goes_on.extend_from_slice(&self.came.split_to(untouched));
            self.untouched -= untouched;
            let Some(head) = self.came.first_chunk::<HEAD_BYTES>() else { return };
            let [a, b, c, kind, flags, ..] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let is_whole_block = kind == HEADERS && flags & END_HEADERS != 0;
            if !is_whole_block || length > MAXIMUM_FRAME_BYTES {
                self.untouched = HEAD_BYTES + length;
                continue;
            }
            if self.came.len() < HEAD_BYTES + length {
                return;
            }
            let frame = self.came.split_to(HEAD_BYTES + length);
            match localized(&frame, flags) {
                Some(other) => self.goes_on.extend_from_slice(&other),
                None => self.goes_on.extend_from_slice(&frame),
            }
        }
    }

    /// Nothing more comes: half a frame goes on as it is.
    pub(super) fn end(&mut self) {
        self.goes_on.extend_from_slice(&self.came.split());
    }

    /// Gives what goes on, and whether there was anything.
    pub(super) fn give(&mut self, to: &mut ReadBuf<'_>) -> bool {
        let length = self.goes_on.len().min(to.remaining());
        to.put_slice(self.goes_on.get(..length).unwrap_or_default());
        self.goes_on.advance(length);
        length > 0
    }
}

/// The same frame with another authority in its block.
fn localized(frame: &[u8], flags: u8) -> Option<Vec<u8>> {
    let (head, payload) = frame.split_at_checked(HEAD_BYTES)?;
    let padding = if flags & PADDED == 0 { None } else { payload.first() };
    let before =
        usize::from(padding.is_some()) + if flags & PRIORITY == 0 { 0 } else { PRIORITY_BYTES };
    let after = padding.copied().map_or(0, usize::from);
    let block = payload.get(before..payload.len().checked_sub(after)?)?;
    let block = block::localized(block)?;
    let length = u32::try_from(before + block.len() + after).ok()?.to_be_bytes();
    let mut written = Vec::with_capacity(frame.len());
    written.extend_from_slice(length.get(1..)?);
    written.extend_from_slice(head.get(3..)?);
    written.extend_from_slice(payload.get(..before)?);
    written.extend_from_slice(&block);
    written.extend_from_slice(payload.get(payload.len() - after..)?);
    Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &[u8] = b"\x41\x12tmp%2Fa%2Fb%2Fc.sk";
    const LOCAL: &[u8] = b"\x41\x09localhost";

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frames.concat()].concat()
    }

    /// What goes on of bytes that come in pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut frames = Frames::default();
        let mut read = Vec::new();
        let mut give = |frames: &mut Frames| {
            let mut buffer = [0; 7];
            let mut into = ReadBuf::new(&mut buffer);
            while frames.give(&mut into) {
                read.extend_from_slice(into.filled());
                into.clear();
            }
        };
        for piece in bytes.chunks(piece) {
            frames.take(piece);
            give(&mut frames);
        }
        frames.end();
        give(&mut frames);
        read
    }

    #[test]
    fn headers_are_written_anew_and_nothing_else_however_they_come() {
        let padded = |block: &[u8]| [&[3][..], block, &[0, 0, 0]].concat();
        let prioritized = |block: &[u8]| [&[0, 0, 0, 0, 16][..], block].concat();
        let of = |block: &[u8]| {
            connection(&[
                frame(4, 0, &[0, 4, 0, 0, 255, 255]),
                frame(HEADERS, END_HEADERS, block),
                frame(HEADERS, END_HEADERS | PADDED, &padded(block)),
                frame(HEADERS, END_HEADERS | PRIORITY, &prioritized(block)),
                // Data that looks like a block.
                frame(0, 1, PATH),
            ])
        };
        for piece in [1, 2, 9, 10, 1000] {
            assert_eq!(read(&of(PATH), piece), of(LOCAL), "{piece}");
        }
    }

    #[test]
    fn what_is_not_whole_too_long_or_malformed_goes_on_as_it_came() {
        let too_long = [PATH, &vec![0x82; MAXIMUM_FRAME_BYTES]].concat();
        for bytes in [
            connection(&[frame(HEADERS, 0, PATH), frame(9, END_HEADERS, &[0x82])]),
            connection(&[frame(HEADERS, END_HEADERS, &too_long)]),
            connection(&[frame(HEADERS, END_HEADERS | PADDED, &[200, 0x82])]),
            connection(&[frame(HEADERS, END_HEADERS | PADDED, &[])]),
            connection(&[frame(HEADERS, END_HEADERS, PATH)])[..40].to_vec(),
        ] {
            for piece in [1, 1000] {
                assert_eq!(read(&bytes, piece), bytes);
            }
        }
    }
}
