//! HTTP/2 as only an attacker writes it, frame by frame (RFC 9113).

use moneyer_daemon::listener::Stream;
use moneyer_daemon::tls::WebAlpn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::fixtures::*;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Fields as literals that are in no table (RFC 7541 section 6.2.2).
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

fn request(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(fields))
}

/// What became of stream 1.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Refused(u16),
    Reset,
    Closed,
}

async fn fate(stream: &mut Box<dyn Stream>) -> Fate {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return Fate::Closed;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            return Fate::Closed;
        }
        match head[3] {
            RST_STREAM => return Fate::Reset,
            GOAWAY => return Fate::Closed,
            // `:status` is the first field: 8 is 200, 12 is 400, 9 and up literals.
            HEADERS => return Fate::Refused(read_status(&payload)),
            _ => {}
        }
    }
}

fn read_status(block: &[u8]) -> u16 {
    match block[0] {
        0x88 => 200,
        0x8c => 400,
        0x8d => 404,
        0x8e => 500,
        // Literals with the name from the table; digits in Huffman's code are of five or six bits.
        _ => 0,
    }
}

#[tokio::test]
async fn every_trick_in_http2_is_refused_before_any_token() {
    let world = World::encrypted().await;
    let authority = world.authority();
    let usual = |path: &str| {
        vec![
            (":method", "GET".to_owned()),
            (":scheme", "https".to_owned()),
            (":authority", authority.clone()),
            (":path", path.to_owned()),
        ]
    };
    let with = |more: &[(&'static str, &str)]| {
        let mut fields = usual("/");
        fields.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        fields
    };
    let replaced = |name: &str, value: Option<&str>| {
        let fields = usual("/").into_iter().filter_map(|(own, old)| match value {
            Some(value) if own == name => Some((own, value.to_owned())),
            None if own == name => None,
            _ => Some((own, old)),
        });
        fields.collect::<Vec<_>>()
    };
    let cases = [
        ("two authorities", with(&[(":authority", "evil.test")])),
        ("another authority", replaced(":authority", Some("evil.test"))),
        ("an authority with user", replaced(":authority", Some("u@api.test"))),
        ("host is another", with(&[("host", "evil.test")])),
        ("two hosts", with(&[("host", &authority), ("host", &authority)])),
        ("no path", replaced(":path", None)),
        ("absolute path", replaced(":path", Some("https://evil.test/"))),
        ("dots in the path", replaced(":path", Some("/a/../b"))),
        ("no scheme", replaced(":scheme", None)),
        ("scheme javascript", replaced(":scheme", Some("javascript"))),
        ("scheme http", replaced(":scheme", Some("http"))),
        ("method with a blank", replaced(":method", Some("GET /"))),
        ("TRACE", replaced(":method", Some("TRACE"))),
        ("pseudo after regular", {
            let mut fields = with(&[("x", "1")]);
            fields.push((":path", "/".to_owned()));
            fields
        }),
        ("unknown pseudo", with(&[(":x", "1")])),
        ("upper case", with(&[("Authorization", "x")])),
        ("transfer-encoding", with(&[("transfer-encoding", "chunked")])),
        ("connection", with(&[("connection", "close")])),
        ("upgrade", with(&[("upgrade", "websocket")])),
        ("te", with(&[("te", "gzip")])),
        ("line ends in a value", with(&[("x", "a\r\nauthorization: b")])),
        ("NUL in a value", with(&[("x", "a\0")])),
        ("line ends in a path", replaced(":path", Some("/ HTTP/1.1\r\nx: y"))),
        ("CONNECT", vec![(":method", "CONNECT".to_owned()), (":authority", authority.clone())]),
        ("extended CONNECT", {
            let mut fields = replaced(":method", Some("CONNECT"));
            fields.push((":protocol", "websocket".to_owned()));
            fields
        }),
    ];
    for (case, fields) in cases {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let fate = play(&world, &request(&fields)).await;
        assert_ne!(fate, Fate::Refused(200), "{case}");
        world.assert_untouched(case);
    }
}

#[tokio::test]
async fn frames_that_no_client_sends_end_the_connection() {
    let world = World::encrypted().await;
    let authority = world.authority();
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", authority.as_str()),
        (":path", "/"),
        ("content-length", "3"),
    ];
    let push = [&4_u32.to_be_bytes()[..], &block(&fields)].concat();
    let fate = play(&world, &frame(PUSH_PROMISE, END_HEADERS, 1, &push)).await;
    assert_eq!(fate, Fate::Closed);
    world.assert_untouched("a push from the client");
    // Ten thousand words on the order of nothing.
    let priority = frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16]);
    let connection = world.tunnel(WebAlpn::Either).await;
    let mut stream = connection.stream;
    let settings = frame(SETTINGS, 0, 0, &[]);
    stream.write_all(&[PREFACE, &settings].concat()).await.unwrap();
    stream.write_all(&priority.repeat(10_000)).await.ok();
    world.assert_untouched("priorities");
    // A body that is not as long as it says never ends well at the upstream.
    let head = frame(HEADERS, END_HEADERS, 1, &block(&fields));
    let data = frame(DATA, END_STREAM, 1, b"longer");
    let fate = play(&world, &[head, data].concat()).await;
    assert_ne!(fate, Fate::Refused(200));
    assert!(!world.upstream.received().contains("longer"), "{}", world.upstream.received());
}

async fn play(world: &World, frames: &[u8]) -> Fate {
    let connection = world.tunnel(WebAlpn::Either).await;
    assert!(connection.is_http2);
    let mut stream = connection.stream;
    let settings = frame(SETTINGS, 0, 0, &[]);
    stream.write_all(&[PREFACE, &settings, frames].concat()).await.unwrap();
    tokio::time::timeout(SOON, fate(&mut stream)).await.expect("nothing came of it")
}
