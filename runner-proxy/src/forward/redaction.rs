//! The tokens of a request, taken out of its answer where an endpoint says `redact_echo`.
//!
//! An upstream that shows what it was sent, on a page of headers or of an error, shows a sandbox its token. Found are
//! the token's exact bytes, in headers, body and trailers, however the body comes in pieces; each of them becomes an
//! asterisk, so that lengths stay. Held back are the last bytes alone, and only where they are the beginning of a token
//! and more of it than [`SHOWN_BYTES`]: what ends in a letter that a token happens to begin with goes on at once. What is
//! encoded, or cut, is not found: so the answer is asked for whole and uncompressed, and one that is neither all the same
//! is passed to nobody.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, IF_RANGE, RANGE,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body, Frame, SizeHint};
use moneyer_identity::grant::BearerToken;

use super::refusal::Refusal;

/// What stands where a byte of a token stood.
const BLANK: u8 = b'*';

/// Most bytes of a token that may show, where just these are the last of a piece: hardly any text ends with more of them by
/// chance, and the beginning of a JWT is its header, which is no secret.
const SHOWN_BYTES: usize = 7;

/// Asks for an answer in which a token would be found.
pub(super) fn ask_in_the_open(headers: &mut HeaderMap) {
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
    // An older name of the first, which Apache's server goes by still.
    headers.remove("request-range");
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
}

/// Refuses an answer in which a token would not be found: compressed, or a part of one that is asked for in parts.
pub(super) fn check_in_the_open(status: StatusCode, headers: &HeaderMap) -> Result<(), Refusal> {
    let in_parts = headers.get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes().to_ascii_lowercase();
        [&b"multipart/byteranges"[..], b"multipart/x-byteranges"]
            .iter()
            .any(|one| kind.starts_with(one))
    });
    let is_part = matches!(status, StatusCode::PARTIAL_CONTENT | StatusCode::IM_USED);
    if is_part || in_parts || headers.contains_key(CONTENT_RANGE) {
        return Err(Refusal::Partial);
    }
    let says = |name, plain: &str| {
        let mut values = headers.get_all(name).iter();
        values.all(|value| value.as_bytes().eq_ignore_ascii_case(plain.as_bytes()))
    };
    let in_the_open = says(CONTENT_ENCODING, "identity") && says(TRANSFER_ENCODING, "chunked");
    if in_the_open { Ok(()) } else { Err(Refusal::Compressed) }
}

/// The tokens that are taken out of one answer.
pub(super) struct Redaction(Scan);

impl Redaction {
    /// Takes these out.
    pub(super) fn of<'t>(tokens: impl Iterator<Item = &'t Arc<BearerToken>>) -> Self {
        Self(Scan { needles: tokens.map(Needle::new).collect(), held: Vec::new() })
    }

    /// Takes them out of headers.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        self.0.headers(headers);
    }

    /// A body without them.
    pub(super) fn body<B>(self, body: B) -> Redacted<B> {
        Redacted { body, scan: self.0, trailers: None }
    }
}

/// A body out of which tokens are taken.
pub(super) struct Redacted<B> {
    body: B,
    scan: Scan,
    /// What comes after the bytes that were held back.
    trailers: Option<HeaderMap>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Redacted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let own = self.get_mut();
        if let Some(trailers) = own.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        loop {
            let Some(frame) = ready!(Pin::new(&mut own.body).poll_frame(cx)).transpose()? else {
                return Poll::Ready(own.scan.rest().map(|rest| Ok(Frame::data(rest))));
            };
            match frame.into_data() {
                Ok(piece) => {
                    let shown = own.scan.next(&piece);
                    if !shown.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(shown))));
                    }
                }
                Err(frame) => {
                    let Ok(mut trailers) = frame.into_trailers() else { continue };
                    own.scan.headers(&mut trailers);
                    let Some(rest) = own.scan.rest() else {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    };
                    own.trailers = Some(trailers);
                    return Poll::Ready(Some(Ok(Frame::data(rest))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream() && self.scan.held.is_empty() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let (held, hint) = (self.scan.held.len() as u64, self.body.size_hint());
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + held);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + held);
        }
        whole
    }
}

/// Where in a stream of bytes tokens stand.
#[derive(Clone)]
struct Scan {
    needles: Vec<Needle>,
    /// The last bytes, which may be the beginning of one.
    held: Vec<u8>,
}

impl Scan {
    /// What may be shown after another piece.
    fn next(&mut self, piece: &[u8]) -> Bytes {
        let mut shown = std::mem::take(&mut self.held);
        shown.reserve(piece.len());
        for byte in piece {
            shown.push(*byte);
            for needle in &mut self.needles {
                if needle.ends_with(*byte) {
                    shown.iter_mut().rev().take(needle.bytes().len()).for_each(|at| *at = BLANK);
                }
            }
        }
        let begun = self.needles.iter().map(Needle::held).max().unwrap_or(0);
        self.held = shown.split_off(shown.len().saturating_sub(begun));
        shown.into()
    }

    /// What was held back and turned out to be no token, since nothing comes after it.
    fn rest(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.held);
        (!rest.is_empty()).then(|| rest.into())
    }

    fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let mut scan = Self { held: Vec::new(), needles: self.needles.clone() };
            scan.needles.iter_mut().for_each(|needle| needle.matched = 0);
            let shown = scan.next(value.as_bytes());
            let shown = [shown, scan.rest().unwrap_or_default()].concat();
            // As long as before, with asterisks for what were bytes of a token.
            if let Ok(shown) = HeaderValue::from_bytes(&shown)
                && shown != *value
            {
                *value = shown;
            }
        }
    }
}

/// One token, and how much of it the bytes so far end with (Knuth, Morris and Pratt's search).
#[derive(Clone)]
struct Needle {
    token: Arc<BearerToken>,
    /// For each beginning of the token, by its length less one, how much of its end is a beginning again.
    borders: Arc<[usize]>,
    matched: usize,
}

impl Needle {
    fn new(token: &Arc<BearerToken>) -> Self {
        let mut own = Self { token: Arc::clone(token), borders: Arc::default(), matched: 0 };
        let mut borders = vec![0];
        // The search for a token in the token itself, from its second byte on.
        for byte in token.expose().bytes().skip(1) {
            own.step(byte, &borders);
            borders.push(own.matched);
        }
        Self { borders: borders.into(), matched: 0, ..own }
    }

    fn bytes(&self) -> &[u8] {
        self.token.expose().as_bytes()
    }

    /// How many of the last bytes are held back. Of a short token fewer may show.
    fn held(&self) -> usize {
        let shown = SHOWN_BYTES.min(self.bytes().len() / 8);
        if self.matched > shown { self.matched } else { 0 }
    }

    /// Whether the token ends with this byte.
    fn ends_with(&mut self, byte: u8) -> bool {
        let borders = Arc::clone(&self.borders);
        self.step(byte, &borders);
        let ends = self.matched == self.bytes().len();
        if ends {
            self.matched = border(&borders, self.matched);
        }
        ends
    }

    fn step(&mut self, byte: u8, borders: &[usize]) {
        while self.matched > 0 && self.bytes().get(self.matched) != Some(&byte) {
            self.matched = border(borders, self.matched);
        }
        self.matched += usize::from(self.bytes().get(self.matched) == Some(&byte));
    }
}

fn border(borders: &[usize], matched: usize) -> usize {
    matched.checked_sub(1).and_then(|at| borders.get(at)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redaction(tokens: &[&str]) -> Redaction {
        let parse = |text: &&str| Arc::new(BearerToken::parse((*text).to_owned()).unwrap());
        Redaction::of(tokens.iter().map(parse).collect::<Vec<_>>().iter())
    }

    /// The text in pieces of this size.
    fn shown(tokens: &[&str], text: &str, size: usize) -> String {
        let mut scan = redaction(tokens).0;
        let mut all = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            all.extend_from_slice(&scan.next(piece));
        }
        all.extend_from_slice(&scan.rest().unwrap_or_default());
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn a_token_becomes_asterisks_however_it_comes_in_pieces() {
        for size in 1..40 {
            let text = "x eyJ.eyJ.abc eyJ.eyJ.ab eyJ.eyJ.eyJ.abc";
            let expected = "x *********** eyJ.eyJ.ab eyJ.***********";
            let shown_of = shown(&["eyJ.eyJ.abc"], text, size);
            assert_eq!(shown_of.replace(" e*", " **").replace(".e*", ".**"), expected, "{size}");
            assert_eq!(shown(&["aba", "ab-c"], "ababa ab-c ab-", size), "***** **** ab-", "{size}");
        }
    }

    #[test]
    fn what_waits_is_more_of_a_token_than_any_text_ends_with() {
        let token = format!("eyJhbGci{}", "x".repeat(100));
        let mut scan = redaction(&[&token]).0;
        assert_eq!(scan.next(b"data: one\n\n"), "data: one\n\n");
        assert_eq!(scan.next(b"Alice"), "Alice");
        assert_eq!(scan.next(b" eyJhbGc"), " eyJhbGc");
        assert_eq!(scan.next(b" eyJhbGci"), " ");
        assert_eq!(scan.next(b"s"), "eyJhbGcis");
        assert_eq!(scan.next(&token.as_bytes()[..SHOWN_BYTES]), "eyJhbGc");
        assert_eq!(scan.next(&token.as_bytes()[SHOWN_BYTES..]), "*".repeat(101));
        assert_eq!(scan.rest(), None);
    }

    #[test]
    fn headers_and_what_is_asked_for() {
        let mut headers = HeaderMap::new();
        headers.insert("x-seen", HeaderValue::from_static("Bearer canary, Bearer canar"));
        redaction(&["canary"]).headers(&mut headers);
        assert_eq!(headers["x-seen"], "Bearer ******, Bearer canar");
        headers.insert(RANGE, HeaderValue::from_static("bytes=0-5"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, br"));
        ask_in_the_open(&mut headers);
        assert!(headers.get(RANGE).is_none() && headers[ACCEPT_ENCODING] == "identity");
    }

    proptest! {
        #[test]
        fn it_is_what_replacing_in_the_whole_text_would_be(
            token in "[ab]{1,6}", text in "[ab-]{0,60}", size in 1_usize..9,
        ) {
            let mut expected = text.clone().into_bytes();
            for (at, part) in text.as_bytes().windows(token.len()).enumerate() {
                if part == token.as_bytes() {
                    expected[at..at + token.len()].fill(BLANK);
                }
            }
            let expected = String::from_utf8(expected).unwrap();
            prop_assert_eq!(shown(&[&token], &text, size), &*expected);
            prop_assert_eq!(shown(&[&token], &text, text.len().max(1)), &*expected);
        }
    }
}
