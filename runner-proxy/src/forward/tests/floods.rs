//! Floods of HTTP/2 inside of a tunnel: each ends its connection, after bounded work and with no token asked for.

use moneyer_daemon::listener::Stream;
use moneyer_daemon::tls::WebAlpn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};

use super::fixtures::*;
use super::frames::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, block, frame,
};

const CONTINUATION: u8 = 9;

/// Most bytes that a flood goes on for: one that is cut off comes to a thousandth of them.
const ENDLESS: usize = 256 * 1024 * 1024;

/// A flood's piece of a number.
type Flood = Box<dyn Fn(u32) -> Vec<u8> + Send + Sync>;

fn request(path: &str, stream: u32, flags: u8) -> Vec<u8> {
    let fields = [(":method", "POST"), (":scheme", "https"), (":authority", HOST), (":path", path)];
    frame(HEADERS, flags, stream, &block(&fields))
}

/// Writes a flood until its connection is closed, and says how many bytes it came to.
async fn pour(stream: Box<dyn Stream>, flood: &Flood) -> usize {
    let (mut read, mut write) = split(stream);
    // Whoever does not read is stopped by his own window, and floods nobody.
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while read.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    });
    let mut written = 0;
    write.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    for number in 0.. {
        let piece = flood(number);
        written += piece.len();
        if written > ENDLESS || reading.is_finished() || write.write_all(&piece).await.is_err() {
            break;
        }
    }
    written
}

#[tokio::test]
async fn a_flood_ends_its_connection_and_nobody_elses() {
    let reset = |number: u32| {
        let stream = number * 2 + 1;
        let cancel = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        [request("/", stream, END_HEADERS), cancel].concat()
    };
    let headless = |number: u32| match number {
        0 => request("/", 1, 0),
        _ => frame(CONTINUATION, 0, 1, &block(&[("x", &"x".repeat(100))]).repeat(100)),
    };
    let empty_headless = |number: u32| match number {
        0 => request("/", 1, 0),
        _ => frame(CONTINUATION, 0, 1, &[]).repeat(100),
    };
    let empty = |number: u32| match number {
        0 => request("/", 1, END_HEADERS),
        _ => frame(DATA, 0, 1, &[]).repeat(100),
    };
    // A field of 4,000 bytes in the table, and then named 16,000 times with a byte each.
    let bomb = |number: u32| {
        let value = "x".repeat(4000);
        let long = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], value.as_bytes()].concat();
        let named = [long, vec![0xbe; 12_000]].concat();
        frame(HEADERS, END_HEADERS | END_STREAM, number * 2 + 1, &named)
    };
    let floods: [(&str, Flood); 5] = [
        ("resets", Box::new(reset)),
        ("headers without end", Box::new(headless)),
        ("empty pieces of headers", Box::new(empty_headless)),
        ("empty data", Box::new(empty)),
        ("a bomb in the table", Box::new(bomb)),
    ];
    let world = World::encrypted().await;
    let mut denied = grants("1", world.port());
    denied.endpoints[0].access = None;
    world.permissions.set("s", denied);
    for (case, flood) in &floods {
        let other = world.tunnel(WebAlpn::Http1).await;
        let flooded = world.tunnel(WebAlpn::Either).await;
        let pouring = tokio::time::timeout(SOON, pour(flooded.stream, flood));
        let written = pouring.await.unwrap_or_else(|_over| panic!("{case}: it goes on"));
        assert!(written < ENDLESS, "{case}: nothing stops it");
        world.assert_untouched(case);
        let mut stream = other.stream;
        let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", world.authority());
        stream.write_all(get.as_bytes()).await.unwrap();
        assert_eq!(status(&read_answer(&mut stream).await), "403", "{case}");
    }
}
