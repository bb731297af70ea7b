//! The law, for whatever proptest makes of the corpus and of its pieces.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::Stand;
use crate::forward::tests::corpus::inputs;

const METHODS: [&str; 8] = ["GET", "POST", "PUT", "HEAD", "DELETE", "get", "CONNECT", "TRACE"];
const TARGETS: [&str; 13] = [
    "http://{A}",
    "http://API.test:{P}",
    "",
    "http://evil.test",
    "http://evil.test:{P}",
    "https://{A}",
    "http://u@{A}",
    "//{A}",
    "http://{A}@evil.test",
    "http://evil.test@{A}",
    "http://{A}.",
    "http://127.0.0.1:{P}",
    "http://api.test",
];
const SEGMENTS: [&str; 18] = [
    "/open", "/open/", "/shut", "/", "//", "/..", "/%2e%2e", "/%2E", "/a", "/%41", "/;x", "/..;/",
    "%2f", "%5c", "%25", "?a=b", "?/../", "#x",
];
const LINES: [&str; 23] = [
    "Host: {A}",
    "Host: evil.test",
    "Host: evil.test:{P}",
    "Host: {A}, evil.test",
    "host:{A}",
    "Host : {A}",
    "Authorization: own",
    "authorization : own",
    "Connection: authorization",
    "Connection: close",
    "Content-Length: 0",
    "Content-Length: 5",
    "Content-Length: 5, 5",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: identity",
    "Upgrade: websocket",
    "Expect: 100-continue",
    "X-HTTP-Method-Override: DELETE",
    "X: a\r\n b",
    "X: \u{e9}",
    "TE: trailers",
    "Proxy-Connection: keep-alive",
    "Authorization_: own",
];
const ENDS: [&str; 6] = [
    "",
    "hello",
    "0\r\n\r\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "5;x\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "\n",
];

/// One of these, and mostly the first.
fn mostly(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(texts[0]), select(texts)]
}

/// A head that is somewhat like one, and what follows it.
fn message() -> impl Strategy<Value = String> {
    let path = prop::collection::vec(select(&SEGMENTS[..]), 0..3);
    let path =
        (mostly(&["/open", ""]), path).prop_map(|(begin, rest)| begin.to_owned() + &rest.concat());
    let lines = prop::collection::vec(mostly(&LINES), 1..3).prop_map(|lines| lines.join("\r\n"));
    let version = mostly(&["HTTP/1.1", "HTTP/1.0", "HTTP/2"]);
    let target = prop_oneof![mostly(&TARGETS), Just("")];
    let line = (mostly(&METHODS), target, path, version);
    (line, lines, mostly(&ENDS)).prop_map(|((method, target, path, version), lines, end)| {
        format!("{method} {target}{path} {version}\r\n{lines}\r\n\r\n{end}")
    })
}

fn kind() -> impl Strategy<Value = char> {
    select(&['P', 'T'][..])
}

/// Tries so many, of which some have to pass: a law about refusals alone is soon kept.
fn tried(cases: u32, some: usize, inputs: impl Strategy<Value = Vec<u8>>) {
    let (stand, passed) = (Stand::new(), Cell::new(0));
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let tried = TestRunner::new_with_rng(config, rng).run(&inputs, |input| {
        passed.set(passed.get() + usize::from(stand.hold(&input) > 0));
        Ok(())
    });
    tried.unwrap();
    assert!(passed.get() >= some, "{} of {cases} passed", passed.get());
}

/// Requests that pass.
const HONEST: [&str; 5] = [
    "PGET http://{A}/open/%41?x HTTP/1.1\r\nHost: {A}\r\n\r\n",
    "PPOST http://{A}/open/a/b HTTP/1.1\r\nHost: {A}\r\nContent-Length: 5\r\n\r\nhelloGET http://{A}/open HTTP/1.1\r\nHost: {A}\r\n\r\n",
    "TPOST /open/a HTTP/1.1\r\nHost: {A}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /open/ HTTP/1.1\r\nHost: {A}\r\n\r\n",
    "TGET http://{A}/open/a HTTP/1.1\r\nHost: {A}\r\nAuthorization: own\r\nConnection: authorization\r\n\r\n",
    "PGET http://api.test:{P}/open/x HTTP/1.1\r\nHost: {A}\r\nTE: trailers\r\nX_HTTP_Method: DELETE\r\n\r\n",
];

#[test]
fn the_law_holds_for_the_corpus_and_honest_requests_pass() {
    let stand = Stand::new();
    for (case, input) in inputs() {
        assert_eq!(stand.hold(&input), 0, "{case}");
    }
    for honest in HONEST {
        let answers = stand.exchange(honest.as_bytes()).unwrap().answers;
        let answers = String::from_utf8_lossy(&answers).into_owned();
        assert!(stand.hold(honest.as_bytes()) > 0, "{honest}{answers}");
    }
}

#[test]
fn the_fuzzer_begins_with_the_corpus() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../issuer/fuzz/seeds/forward/");
    let honest = HONEST.iter().zip(1..);
    let honest =
        honest.map(|(text, number)| (format!("honest {number}"), text.as_bytes().to_vec()));
    for (case, input) in inputs().into_iter().chain(honest) {
        let file = case.to_lowercase().replace(' ', "_");
        let seed = std::fs::read(format!("{seeds}{file}")).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&seed), String::from_utf8_lossy(&input), "{file}");
    }
}

/// What the fuzzer found, and how many requests of it pass.
const FOUND: [(&str, usize); 2] = [
    // Permitted by its head, and broken off in its trailers: a token, and nothing sent.
    (
        "TPOST /open/a HTTP/1.1\r\nHost: {A}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nhello\r\n0\r\n\r\nGET /open] HTTP/1.1\r\nHost: {A}\r\n\r\n",
        0,
    ),
    // Another address in the query, which is none of the target's.
    ("TPOST /open/a?p://b/ HTTP/1.1\r\nHost: {A}\r\n\r\n5\r\nhe", 1),
];

#[test]
fn the_law_holds_for_what_was_found() {
    let stand = Stand::new();
    for (found, passed) in FOUND {
        assert_eq!(stand.hold(found.as_bytes()), passed, "{found}");
    }
}

#[test]
fn the_law_holds_for_requests_that_are_put_together_from_odd_parts() {
    let messages = (kind(), prop::collection::vec(message(), 1..4));
    tried(
        1000,
        50,
        messages.prop_map(|(kind, messages)| format!("{kind}{}", messages.concat()).into_bytes()),
    );
}

#[test]
fn the_law_holds_for_what_the_corpus_and_honest_requests_are_turned_into() {
    let tricks: Vec<_> = inputs().into_iter().map(|(_, input)| input).collect();
    let honest = HONEST.map(|text| text.as_bytes().to_vec()).to_vec();
    let inputs = prop_oneof![select(tricks), select(honest)];
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    let changed = (inputs, prop::collection::vec(change, 0..4), any::<bool>());
    let changed = changed.prop_map(|(mut input, changes, honest)| {
        if honest {
            let text = String::from_utf8(input).unwrap();
            input = text.replacen("{A}/ ", "{A}/open/ ", 1).into_bytes();
        }
        for (at, byte, how) in changes {
            let at = at.index(input.len());
            match how {
                0 => input[at] = byte,
                1 => input.insert(at, byte),
                2 => {
                    let text = String::from_utf8_lossy(&input);
                    input = text.replacen("Host: {A}", "Host: evil.test:{P}", 1).into_bytes();
                }
                _ => drop(input.remove(at)),
            }
            if input.is_empty() {
                break;
            }
        }
        input
    });
    tried(1000, 50, changed);
}
