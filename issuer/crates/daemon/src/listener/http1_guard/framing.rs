//! Following the framing of a stream of requests, in whatever pieces it arrives.
//!
//! Bytes are let out when nothing after them can make them wrong: a head when it is whole
//! and checked, body bytes at once. The verdict never depends on how the bytes were split.

use super::Refusal;
use super::chunked::Chunked;
use super::head::{self, BodyFraming, Tunnels, is_token};

/// Where in the stream the reader is.
#[derive(Debug)]
enum Place {
    /// Before or in a head.
    Head,
    /// In a body with this many bytes to come.
    Length(u64),
    /// In a chunked body.
    Chunked(Chunked),
    /// After a head that asks for a tunnel: nothing passes until it is answered, and nothing after.
    Held,
}

/// The state of one connection's inbound stream.
#[derive(Debug)]
pub(super) struct Framing {
    place: Place,
    /// The part of the current head that has arrived.
    head: Vec<u8>,
    /// Bytes of the current line of the head, to find the empty line.
    line: usize,
    max_head: usize,
    tunnels: Tunnels,
    /// What came after a head that asks for a tunnel, before anything was answered.
    early: Vec<u8>,
}

impl Framing {
    pub(super) fn new(max_head: usize, tunnels: Tunnels) -> Self {
        let (head, early) = (Vec::new(), Vec::new());
        Self { place: Place::Head, head, line: 0, max_head, tunnels, early }
    }

    /// Whether the last head that was let out asks for a tunnel.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.place, Place::Held)
    }

    /// What came early, if the stream becomes a tunnel.
    pub(super) fn into_early(self) -> Vec<u8> {
        self.early
    }

    /// Whether part of a head has arrived.
    pub(super) fn in_head(&self) -> bool {
        !self.head.is_empty()
    }

    /// Whether a head was let out whose body is not yet whole.
    pub(super) fn in_body(&self) -> bool {
        !matches!(self.place, Place::Head | Place::Held)
    }

    /// Body bytes that may pass without being looked at.
    pub(super) fn free_pass(&self) -> u64 {
        match self.place {
            Place::Length(left) | Place::Chunked(Chunked::Data { left }) => left,
            _ => 0,
        }
    }

    /// Notes that this many bytes of the free pass were used.
    pub(super) fn passed(&mut self, count: u64) {
        match &mut self.place {
            Place::Length(left) => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.place = Place::Head;
                }
            }
            Place::Chunked(Chunked::Data { left }) => {
                *left = left.saturating_sub(count);
                if *left == 0 {
                    self.place = Place::Chunked(Chunked::DataCr);
                }
            }
            _ => {}
        }
    }

    /// Takes all of `input` and appends to `out` what may pass.
    ///
    /// After a refusal the stream is at its end: nothing more may be taken.
    pub(super) fn take(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        while !input.is_empty() {
            let free = usize::try_from(self.free_pass()).unwrap_or(usize::MAX).min(input.len());
            if free > 0 {
                let (body, rest) = input.split_at(free);
                out.extend_from_slice(body);
                self.passed(body.len() as u64);
                input = rest;
                continue;
            }
            input = match self.place {
                Place::Held => {
                    self.early.extend_from_slice(input);
                    &[]
                }
                Place::Chunked(chunked) => self.take_chunk_line(chunked, input, out)?,
                _ => self.take_head(input, out)?,
            };
        }
        Ok(())
    }

    fn take_chunk_line<'a>(
        &mut self,
        mut chunked: Chunked,
        input: &'a [u8],
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], Refusal> {
        let mut rest = input;
        while let Some((byte, after)) = rest.split_first() {
            chunked = chunked.step(*byte)?;
            out.push(*byte);
            rest = after;
            if matches!(chunked, Chunked::Data { .. } | Chunked::Done) {
                break;
            }
        }
        self.place = if chunked == Chunked::Done { Place::Head } else { Place::Chunked(chunked) };
        Ok(rest)
    }

    fn take_head<'a>(&mut self, input: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], Refusal> {
        let mut previous = self.head.last().copied();
        for (at, byte) in input.iter().copied().enumerate() {
            check_byte(previous, byte)?;
            if self.head.len() + at >= self.max_head {
                return Err(Refusal::HeadTooLarge);
            }
            previous = Some(byte);
            self.line += 1;
            if byte == b'\n' {
                // An empty line is CR LF: two bytes.
                if self.line == 2 {
                    let (head, rest) = input.split_at(at + 1);
                    self.head.extend_from_slice(head);
                    self.finish_head(out)?;
                    return Ok(rest);
                }
                self.line = 0;
            }
        }
        self.head.extend_from_slice(input);
        Ok(&[])
    }

    fn finish_head(&mut self, out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.place = match head::check(&self.head, self.tunnels)? {
            BodyFraming::Length(0) => Place::Head,
            BodyFraming::Length(length) => Place::Length(length),
            BodyFraming::Chunked => Place::Chunked(Chunked::START),
            BodyFraming::Held => Place::Held,
        };
        out.append(&mut self.head);
        self.line = 0;
        Ok(())
    }
}

/// Checks one byte of a head against the one before.
fn check_byte(previous: Option<u8>, byte: u8) -> Result<(), Refusal> {
    match (previous, byte) {
        (Some(b'\r'), b'\n') => Ok(()),
        (Some(b'\r'), _) => Err(Refusal::BareCr),
        (_, b'\n') => Err(Refusal::BareLf),
        // What follows a whole message must be a method: bytes left over are not waited for.
        (None, _) if !is_token(byte) => Err(Refusal::RequestLine),
        (_, b'\r' | b'\t') => Ok(()),
        (_, byte) if byte.is_ascii_control() => Err(Refusal::ControlByte),
        _ => Ok(()),
    }
}
