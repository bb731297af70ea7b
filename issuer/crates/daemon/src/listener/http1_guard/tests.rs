//! Verdicts on single requests, on streams of them, and on every way to split them.

use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;

use super::framing::Framing;
use super::head::Tunnels;
use super::*;

const MAX_HEAD: usize = 512;

/// What comes out, and the verdict, when the stream arrives in these pieces.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Result<(), Refusal>) {
    let (mut framing, mut out) = (Framing::new(MAX_HEAD, Tunnels::Refused), Vec::new());
    for piece in pieces {
        if let Err(refusal) = framing.take(piece, &mut out) {
            return (out, Err(refusal));
        }
    }
    (out, Ok(()))
}

fn verdict(stream: &str) -> Result<(), Refusal> {
    read([stream.as_bytes()]).1
}

#[test]
fn a_proxy_takes_tunnels_and_holds_back_what_follows() {
    let early = "GET /smuggled HTTP/1.1\r\nHost: b\r\n\r\n";
    for head in [
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: A\r\n\r\n",
        "CONNECT a:443 HTTP/1.0\r\n\r\n",
        "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nupgrade: x\r\n\r\n",
    ] {
        let (mut framing, mut out) = (Framing::new(MAX_HEAD, Tunnels::Served), Vec::new());
        for piece in [head, early, "\0\n"] {
            framing.take(piece.as_bytes(), &mut out).unwrap();
        }
        assert_eq!(String::from_utf8_lossy(&out), head);
        assert!(framing.is_held() && !framing.in_body() && framing.free_pass() == 0);
        assert_eq!(framing.into_early(), format!("{early}\0\n").into_bytes());
    }
}

#[test]
fn a_proxy_refuses_tunnels_that_are_not_exactly_in_form() {
    for (head, expected) in [
        ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
        ("CONNECT [::1] HTTP/1.1\r\nHost: [::1]\r\n\r\n", Refusal::Target),
        ("CONNECT a:0 HTTP/1.1\r\nHost: a:0\r\n\r\n", Refusal::Target),
        ("CONNECT a:99999 HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
        ("CONNECT u@a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Refusal::Target),
        ("CONNECT http://a:443/ HTTP/1.1\r\nHost: a:443\r\n\r\n", Refusal::Target),
        ("CONNECT /a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Refusal::Target),
        ("CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n\r\n", Refusal::HostMismatch),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:44\r\n\r\n", Refusal::HostMismatch),
        ("CONNECT ab:443 HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::HostMismatch),
        ("CONNECT a:443 HTTP/1.1\r\n\r\n", Refusal::HostCount),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 1\r\n\r\n", Refusal::TunnelBody),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n",
            Refusal::TunnelBody,
        ),
    ] {
        let (mut framing, mut out) = (Framing::new(MAX_HEAD, Tunnels::Served), Vec::new());
        assert_eq!(framing.take(head.as_bytes(), &mut out), Err(expected), "{head:?}");
    }
}

/// Requests that are refused, each with its reason.
const REFUSED: &[(&str, Refusal)] = &[
    ("GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::BareLf),
    ("GET / HTTP/1.1\r\nHost: a\n\r\n", Refusal::BareLf),
    ("GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::BareLf),
    ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", Refusal::BareCr),
    ("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Refusal::BareCr),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", Refusal::ControlByte),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \x0b\r\n\r\n", Refusal::ControlByte),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", Refusal::ControlByte),
    ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
    (" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
    ("GET /\t HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", Refusal::RequestLine),
    ("GET / http/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Refusal::RequestLine),
    ("GET /\r\nHost: a\r\n\r\n", Refusal::RequestLine),
    ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::RequestLine),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", Refusal::Tunnel),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n", Refusal::Target),
    ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::HostMismatch),
    ("GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::HostMismatch),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n  2\r\n\r\n", Refusal::Folded),
    ("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", Refusal::Folded),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refusal::FieldName),
    ("GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", Refusal::FieldName),
    ("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", Refusal::FieldName),
    ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", Refusal::FieldName),
    ("GET / HTTP/1.1\r\nHost: a\r\nX\u{e9}: b\r\n\r\n", Refusal::FieldName),
    ("GET / HTTP/1.1\r\n\r\n", Refusal::HostCount),
    ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Refusal::HostCount),
    ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: a:0\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: a:\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Refusal::Host),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", Refusal::ContentLength),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
        Refusal::ContentLength,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        Refusal::ContentLength,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        Refusal::TwoLengths,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
        Refusal::TwoLengths,
    ),
    ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::TransferEncoding),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        Refusal::TransferEncoding,
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \r\n\r\n", Refusal::TransferEncoding),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        Refusal::TransferEncoding,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n",
        Refusal::TransferEncoding,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        Refusal::TransferEncoding,
    ),
];

/// Chunked bodies that are refused, each with its reason.
const REFUSED_CHUNKS: &[(&str, Refusal)] = &[
    ("0x5\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    ("+5\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (" 5\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    ("5 \r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    ("5;ext\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    ("\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    ("10000000000000000\r\n", Refusal::ChunkSize),
    ("5\nhello\r\n0\r\n\r\n", Refusal::BareLf),
    ("5\r\nhello\n0\r\n\r\n", Refusal::BareLf),
    ("5\r\nhello\r\n0\n\r\n", Refusal::BareLf),
    ("5\r\nhello\r\n0\r\n\n", Refusal::BareLf),
    ("5\rhello\r\n0\r\n\r\n", Refusal::BareCr),
    ("5\r\nhello!\r\n0\r\n\r\n", Refusal::ChunkEnd),
    ("5\r\nhello0\r\n\r\n", Refusal::ChunkEnd),
    ("0\r\nAuthorization: x\r\n\r\n", Refusal::Trailer),
    ("0\r\n\r\n\r\n", Refusal::RequestLine),
];

/// Streams of good requests.
const ACCEPTED: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /?a=b HTTP/1.0\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: [::1]:8480\r\n\r\n",
    "GET http://A.example:8480/x HTTP/1.1\r\nHost: a.example:8480\r\n\r\n",
    "GET https://a HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel\0o",
    "POST / HTTP/1.1\r\nHost: a\r\ncontent-length:\t5 \r\n\r\n\nello",
    "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
     5\r\nhel\r\n\r\n0A\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nX: \u{e9}\r\n\r\n",
];

fn chunked(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

#[test]
fn every_odd_form_is_refused_for_its_reason() {
    for (stream, why) in REFUSED {
        assert_eq!(verdict(stream), Err(*why), "{stream:?}");
    }
    for (body, why) in REFUSED_CHUNKS {
        assert_eq!(verdict(&chunked(body)), Err(*why), "{body:?}");
    }
}

#[test]
fn good_requests_pass_unchanged() {
    for stream in ACCEPTED {
        let (out, verdict) = read([stream.as_bytes()]);
        assert_eq!((out.as_slice(), verdict), (stream.as_bytes(), Ok(())), "{stream:?}");
    }
}

#[test]
fn bytes_left_over_are_refused_and_the_request_before_them_is_not() {
    let good = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let (out, verdict) = read([format!("{good}\r\n").as_bytes()]);
    assert_eq!((out.as_slice(), verdict), (good.as_bytes(), Err(Refusal::RequestLine)));
}

#[test]
fn a_head_may_have_its_limit_and_not_one_byte_more() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    let fill = |total: usize| format!("{start}{}\r\n\r\n", "x".repeat(total - start.len() - 4));
    assert_eq!(verdict(&fill(MAX_HEAD)), Ok(()));
    assert_eq!(verdict(&fill(MAX_HEAD + 1)), Err(Refusal::HeadTooLarge));
}

#[test]
fn nothing_of_a_refused_head_comes_out() {
    for (stream, _) in REFUSED {
        assert_eq!(read([stream.as_bytes()]).0, b"", "{stream:?}");
    }
}

fn streams() -> impl Iterator<Item = String> {
    let refused = REFUSED.iter().map(|(stream, _)| (*stream).to_owned());
    let chunks = REFUSED_CHUNKS.iter().map(|(body, _)| chunked(body));
    refused.chain(chunks).chain(ACCEPTED.iter().map(|stream| (*stream).to_owned()))
}

#[test]
fn a_split_at_any_place_changes_nothing() {
    for stream in streams() {
        let (bytes, whole) = (stream.as_bytes(), read([stream.as_bytes()]));
        for at in 0..=bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(read([first, second]), whole, "{stream:?} at {at}");
        }
        assert_eq!(read(bytes.chunks(1)), whole, "{stream:?} byte by byte");
    }
}

proptest! {
    #[test]
    fn no_bytes_in_no_pieces_change_the_verdict(
        parts in prop::collection::vec(prop_oneof![
            Just("GET / HTTP/1.1\r\n"), Just("Host: a\r\n"), Just("\r\n"), Just("\n"), Just("\r"),
            Just("POST / HTTP/1.1\r\n"), Just("Content-Length: 3\r\n"), Just("abc"), Just(" "),
            Just("Transfer-Encoding: chunked\r\n"), Just("3\r\n"), Just("0\r\n\r\n"), Just("\0"),
        ], 0..24),
        sizes in prop::collection::vec(1_usize..9, 1..40),
    ) {
        let stream = parts.concat();
        let mut rest = stream.as_bytes();
        let mut pieces = Vec::new();
        for size in sizes {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(read(pieces), read([stream.as_bytes()]));
    }

    #[test]
    fn what_follows_a_head_that_asks_for_a_tunnel_is_held_back_in_whatever_pieces(
        parts in prop::collection::vec(prop_oneof![
            Just("GET / HTTP/1.1\r\n"), Just("CONNECT a:1 HTTP/1.1\r\n"), Just("Host: a:1\r\n"),
            Just("Upgrade: x\r\n"), Just("\r\n"), Just("\n"), Just("Content-Length: 3\r\n"),
            Just("abc"), Just("Transfer-Encoding: chunked\r\n"), Just("0\r\n\r\n"), Just("\0"),
        ], 0..24),
        sizes in prop::collection::vec(1_usize..9, 1..40),
    ) {
        let stream = parts.concat();
        let take = |sizes: &[usize]| {
            let (mut framing, mut out) = (Framing::new(MAX_HEAD, Tunnels::Served), Vec::new());
            let mut rest = stream.as_bytes();
            for size in sizes.iter().copied().chain([usize::MAX]) {
                let (piece, after) = rest.split_at(size.min(rest.len()));
                if let Err(refusal) = framing.take(piece, &mut out) {
                    return (out, Err(refusal));
                }
                rest = after;
            }
            let held = framing.is_held();
            (out, Ok((held, framing.into_early())))
        };
        let (out, verdict) = take(&sizes);
        prop_assert_eq!(&(out.clone(), verdict.clone()), &take(&[]));
        if let Ok((true, early)) = verdict {
            prop_assert_eq!([out, early].concat(), stream.as_bytes());
        }
    }
}

#[tokio::test]
async fn the_layer_hands_out_good_bytes_in_small_reads_too() {
    for stream in ACCEPTED {
        let mut guard = Guard::new(stream.as_bytes(), MAX_HEAD);
        let mut out = Vec::new();
        let mut byte = [0; 3];
        loop {
            let count = guard.read(&mut byte).await.unwrap();
            if count == 0 {
                break;
            }
            out.extend_from_slice(&byte[..count]);
        }
        assert_eq!(out, stream.as_bytes());
    }
}

#[tokio::test]
async fn the_layer_ends_a_refused_stream() {
    let mut out = Vec::new();
    let stream = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\n".as_slice();
    Guard::new(stream, MAX_HEAD).read_to_end(&mut out).await.unwrap();
    assert_eq!(out, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\0\r\n\r\n");

    let stream = chunked("5;ext\r\n");
    let error = Guard::new(stream.as_bytes(), MAX_HEAD).read_to_end(&mut out).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);

    let stream = "x".repeat(MAX_HEAD + 1);
    let mut filler = vec![0; 4 * MAX_HEAD];
    Guard::new(stream.as_bytes(), MAX_HEAD).read_exact(&mut filler).await.unwrap();
}
