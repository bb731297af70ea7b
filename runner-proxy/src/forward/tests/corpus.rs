//! Every trick that is known against a proxy: refused, without a token and without a byte for the upstream.

use std::net::IpAddr;

use tokio::io::AsyncWriteExt as _;

use super::fixtures::*;
use moneyer_daemon::tls::WebAlpn;

/// Requests in plain HTTP: what is wrong with each, its bytes (`{A}` is the upstream's authority, `{P}` its port, `{C}`
/// the sandbox's credentials), and the answer.
const PLAIN: &[(&str, &str, &str)] = &[
    // 128: where a message ends.
    (
        "CL and TE",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "TE and CL",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "two equal CL",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "400",
    ),
    (
        "two CL",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "400",
    ),
    (
        "signed CL",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length: +5\r\n\r\nhello",
        "400",
    ),
    (
        "list CL",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length: 5,5\r\n\r\nhello",
        "400",
    ),
    (
        "hex CL",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length: 0x5\r\n\r\nhello",
        "400",
    ),
    (
        "huge CL",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length: 18446744073709551616\r\n\r\n",
        "400",
    ),
    (
        "TE xchunked",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "TE list",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "TE with a control",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "two TE",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "TE reversed",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "TE identity",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Transfer-Encoding: identity\r\n\r\n",
        "400",
    ),
    (
        "TE twice in a line",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "TE in quotes",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
        "400",
    ),
    (
        "negative CL",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length: -1\r\n\r\n",
        "400",
    ),
    ("empty CL", "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length:\r\n\r\n", "400"),
    (
        "blank in CL",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length: 5 5\r\n\r\nhello",
        "400",
    ),
    // 130: HTTP/1.0.
    (
        "1.0 with TE",
        "POST http://{A}/ HTTP/1.0\r\nHost: {A}\r\n{C}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    ("1.0 without Host", "GET http://{A}/ HTTP/1.0\r\n{C}X: 1\r\nHost\r\n\r\n", "400"),
    ("version 1.2", "GET http://{A}/ HTTP/1.2\r\nHost: {A}\r\n{C}\r\n", "400"),
    ("version 2.0 in text", "GET http://{A}/ HTTP/2.0\r\nHost: {A}\r\n{C}\r\n", "400"),
    // 133: what is no head.
    ("bare LF", "GET http://{A}/ HTTP/1.1\nHost: {A}\n{C}\n", "400"),
    ("bare CR", "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}X: a\rb\r\n\r\n", "400"),
    ("folded", "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}X: a\r\n b\r\n\r\n", "400"),
    (
        "blank before colon",
        "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Authorization : x\r\n\r\n",
        "400",
    ),
    ("NUL", "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}X: \0\r\n\r\n", "400"),
    ("empty name", "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}: x\r\n\r\n", "400"),
    (
        "byte of no character in a name",
        "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}X\u{e9}: x\r\n\r\n",
        "400",
    ),
    ("tab before colon", "GET http://{A}/ HTTP/1.1\r\nHost\t: {A}\r\n{C}\r\n", "400"),
    ("no colon", "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Authorization\r\n\r\n", "400"),
    ("tab in the line", "GET\thttp://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    ("two blanks in the line", "GET  http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    // 134: Host.
    ("no Host", "GET http://{A}/ HTTP/1.1\r\n{C}\r\n", "400"),
    ("two Hosts", "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\nHost: {A}\r\n{C}\r\n", "400"),
    ("Host with path", "GET http://{A}/ HTTP/1.1\r\nHost: {A}/x\r\n{C}\r\n", "400"),
    ("Host with user", "GET http://{A}/ HTTP/1.1\r\nHost: u@{A}\r\n{C}\r\n", "400"),
    ("Host list", "GET http://{A}/ HTTP/1.1\r\nHost: {A}, b\r\n{C}\r\n", "400"),
    ("port 0", "GET http://api.test:0/ HTTP/1.1\r\nHost: api.test:0\r\n{C}\r\n", "400"),
    ("port 99999", "GET http://api.test:99999/ HTTP/1.1\r\nHost: api.test:99999\r\n{C}\r\n", "400"),
    ("trailing dot", "GET http://api.test.:{P}/ HTTP/1.1\r\nHost: api.test.:{P}\r\n{C}\r\n", "400"),
    // 135, 136: whose request it is.
    ("Host of another", "GET http://{A}/ HTTP/1.1\r\nHost: evil.test\r\n{C}\r\n", "400"),
    ("origin form", "GET / HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    ("asterisk form", "OPTIONS * HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    ("https in absolute form", "GET https://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    ("user info", "GET http://u:p@{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    ("two at signs", "GET http://u:p@{A}@evil.test/ HTTP/1.1\r\nHost: evil.test\r\n{C}\r\n", "400"),
    ("fragment", "GET http://{A}#@evil.test/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    ("backslash", "GET http://{A}\\@evil.test/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    (
        "escaped NUL",
        "GET http://api.test%00.evil:{P}/ HTTP/1.1\r\nHost: api.test%00.evil:{P}\r\n{C}\r\n",
        "400",
    ),
    ("other scheme", "GET ftp://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    // 137: names that look like it.
    (
        "suffix",
        "GET http://api.test.evil:{P}/ HTTP/1.1\r\nHost: api.test.evil:{P}\r\n{C}\r\n",
        "403",
    ),
    ("prefix", "GET http://evilapi.test:{P}/ HTTP/1.1\r\nHost: evilapi.test:{P}\r\n{C}\r\n", "403"),
    ("other port", "GET http://api.test:1/ HTTP/1.1\r\nHost: api.test:1\r\n{C}\r\n", "403"),
    (
        "punycode that looks like it",
        "GET http://xn--pi-yia.test:{P}/ HTTP/1.1\r\nHost: xn--pi-yia.test:{P}\r\n{C}\r\n",
        "403",
    ),
    (
        "letter outside ASCII",
        "GET http://ap\u{456}.test:{P}/ HTTP/1.1\r\nHost: ap\u{456}.test:{P}\r\n{C}\r\n",
        "400",
    ),
    (
        "full-width dot",
        "GET http://api\u{ff0e}test:{P}/ HTTP/1.1\r\nHost: api\u{ff0e}test:{P}\r\n{C}\r\n",
        "400",
    ),
    ("two dots", "GET http://api..test:{P}/ HTTP/1.1\r\nHost: api..test:{P}\r\n{C}\r\n", "400"),
    ("dot before", "GET http://.api.test:{P}/ HTTP/1.1\r\nHost: .api.test:{P}\r\n{C}\r\n", "400"),
    // 138: addresses.
    (
        "decimal address",
        "GET http://2130706433:{P}/ HTTP/1.1\r\nHost: 2130706433:{P}\r\n{C}\r\n",
        "400",
    ),
    (
        "octal address",
        "GET http://0177.0.0.1:{P}/ HTTP/1.1\r\nHost: 0177.0.0.1:{P}\r\n{C}\r\n",
        "400",
    ),
    ("hex address", "GET http://0x7f.1:{P}/ HTTP/1.1\r\nHost: 0x7f.1:{P}\r\n{C}\r\n", "400"),
    ("short address", "GET http://127.1:{P}/ HTTP/1.1\r\nHost: 127.1:{P}\r\n{C}\r\n", "400"),
    ("address", "GET http://127.0.0.1:{P}/ HTTP/1.1\r\nHost: 127.0.0.1:{P}\r\n{C}\r\n", "403"),
    (
        "mapped address",
        "GET http://[::ffff:127.0.0.1]:{P}/ HTTP/1.1\r\nHost: [::ffff:127.0.0.1]:{P}\r\n{C}\r\n",
        "403",
    ),
    (
        "zone",
        "GET http://[fe80::1%25eth0]:{P}/ HTTP/1.1\r\nHost: [fe80::1%25eth0]:{P}\r\n{C}\r\n",
        "400",
    ),
    (
        "metadata",
        "GET http://169.254.169.254/latest HTTP/1.1\r\nHost: 169.254.169.254\r\n{C}\r\n",
        "403",
    ),
    (
        "metadata name",
        "GET http://metadata.google.internal/ HTTP/1.1\r\nHost: metadata.google.internal\r\n{C}\r\n",
        "403",
    ),
    ("no address", "GET http://0.0.0.0:{P}/ HTTP/1.1\r\nHost: 0.0.0.0:{P}\r\n{C}\r\n", "403"),
    (
        "broadcast",
        "GET http://255.255.255.255:{P}/ HTTP/1.1\r\nHost: 255.255.255.255:{P}\r\n{C}\r\n",
        "403",
    ),
    (
        "metadata in IPv6",
        "GET http://[fd00:ec2::254]:{P}/ HTTP/1.1\r\nHost: [fd00:ec2::254]:{P}\r\n{C}\r\n",
        "403",
    ),
    ("loopback in IPv6", "GET http://[::1]:{P}/ HTTP/1.1\r\nHost: [::1]:{P}\r\n{C}\r\n", "403"),
    (
        "long IPv6",
        "GET http://[0:0:0:0:0:0:0:1]:{P}/ HTTP/1.1\r\nHost: [0:0:0:0:0:0:0:1]:{P}\r\n{C}\r\n",
        "403",
    ),
    (
        "address with a dot behind",
        "GET http://127.0.0.1.:{P}/ HTTP/1.1\r\nHost: 127.0.0.1.:{P}\r\n{C}\r\n",
        "400",
    ),
    // 140: paths.
    ("dots", "GET http://{A}/a/../b HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("escaped dots", "GET http://{A}/a/%2e%2E/b HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("parameter dots", "GET http://{A}/a/..;/b HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("escaped slash", "GET http://{A}/a%2fb HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("two slashes", "GET http://{A}//a HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("twice escaped", "GET http://{A}/%252e%252e/a HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("backslash in path", "GET http://{A}/a\\b HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("single dot", "GET http://{A}/a/./b HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("dots at the end", "GET http://{A}/a/.. HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("escaped single dot", "GET http://{A}/a/%2e/b HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    (
        "dots behind a parameter",
        "GET http://{A}/a;x=1/../b HTTP/1.1\r\nHost: {A}\r\n{C}\r\n",
        "403",
    ),
    ("escaped backslash", "GET http://{A}/a%5c..%5cb HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("escaped NUL in path", "GET http://{A}/a%00b HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("escape that is none", "GET http://{A}/a%zz HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("half an escape", "GET http://{A}/a%2 HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    // 141: methods.
    ("lower case", "get http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("TRACE", "TRACE http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("DELETE", "DELETE http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    ("unknown", "BREW http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "403"),
    // 145: upgrades.
    (
        "h2c",
        "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
        "400",
    ),
    ("h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "closed"),
    (
        "old WebSocket",
        "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: x\r\n\r\n",
        "400",
    ),
    (
        "POST WebSocket",
        "POST http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
        "400",
    ),
    (
        "two upgrades",
        "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n{C}Connection: Upgrade\r\nUpgrade: websocket, h2c\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
        "400",
    ),
    (
        "denied WebSocket",
        "GET http://evil.test/ HTTP/1.1\r\nHost: evil.test\r\n{C}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
        "403",
    ),
    // CONNECT.
    (
        "CONNECT to another",
        "CONNECT evil.test:{P} HTTP/1.1\r\nHost: evil.test:{P}\r\n{C}\r\n",
        "403",
    ),
    (
        "CONNECT to an address",
        "CONNECT 127.0.0.1:{P} HTTP/1.1\r\nHost: 127.0.0.1:{P}\r\n{C}\r\n",
        "403",
    ),
    ("CONNECT with another Host", "CONNECT {A} HTTP/1.1\r\nHost: evil.test\r\n{C}\r\n", "400"),
    ("CONNECT without a port", "CONNECT api.test HTTP/1.1\r\nHost: api.test\r\n{C}\r\n", "400"),
    ("CONNECT with a path", "CONNECT {A}/ HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    (
        "CONNECT with a body",
        "CONNECT {A} HTTP/1.1\r\nHost: {A}\r\n{C}Content-Length: 3\r\n\r\nabc",
        "400",
    ),
    ("CONNECT with user", "CONNECT u@{A} HTTP/1.1\r\nHost: {A}\r\n{C}\r\n", "400"),
    (
        "CONNECT to a trailing dot",
        "CONNECT api.test.:{P} HTTP/1.1\r\nHost: api.test.:{P}\r\n{C}\r\n",
        "400",
    ),
];

/// Requests inside of a tunnel with TLS to the upstream.
const INSIDE: &[(&str, &str, &str)] = &[
    ("another Host", "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", "403"),
    ("another port", "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n", "403"),
    ("trailing dot", "GET / HTTP/1.1\r\nHost: api.test.:{P}\r\n\r\n", "403"),
    (
        "absolute form of another",
        "GET https://evil.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        "403",
    ),
    (
        "absolute form and another Host",
        "GET https://{A}/ HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        "400",
    ),
    ("another scheme", "GET http://{A}/ HTTP/1.1\r\nHost: {A}\r\n\r\n", "403"),
    ("no Host", "GET / HTTP/1.1\r\n\r\n", "400"),
    ("two Hosts", "GET / HTTP/1.1\r\nHost: {A}\r\nHost: evil.test\r\n\r\n", "400"),
    (
        "CL and TE",
        "POST / HTTP/1.1\r\nHost: {A}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "400",
    ),
    ("a tunnel in the tunnel", "CONNECT {A} HTTP/1.1\r\nHost: {A}\r\n\r\n", "403"),
    ("a path that is not its own", "GET /a/..;/b HTTP/1.1\r\nHost: {A}\r\n\r\n", "403"),
    ("a method that is not permitted", "DELETE / HTTP/1.1\r\nHost: {A}\r\n\r\n", "403"),
    ("h2c", "GET / HTTP/1.1\r\nHost: {A}\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "400"),
    ("h2 without ALPN", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "closed"),
];

/// Both as inputs of the fuzzer: their names, and what is sent.
pub(in crate::forward) fn inputs() -> Vec<(String, Vec<u8>)> {
    let input = |kind: char, (case, text, _): &(&str, &str, &str)| {
        (format!("{kind} {case}"), format!("{kind}{text}").into_bytes())
    };
    let plain = PLAIN.iter().map(|case| input('P', case));
    plain.chain(INSIDE.iter().map(|case| input('T', case))).collect()
}

fn fill(world: &World, text: &str) -> String {
    let (authority, port) = (world.authority(), world.port().to_string());
    text.replace("{A}", &authority).replace("{P}", &port).replace("{C}", &world.credentials_line())
}

#[tokio::test]
async fn every_trick_in_plain_http_is_refused_before_any_token() {
    let world = World::plain().await;
    for (case, text, expected) in PLAIN {
        let answer = world.exchange(&fill(&world, text)).await;
        assert_eq!(status(&answer), *expected, "{case}: {answer}");
        world.assert_untouched(case);
    }
    assert_eq!(status(&world.get("/", "").await), "200", "and an honest request passes");
}

#[tokio::test]
async fn every_trick_inside_of_a_tunnel_is_refused_before_any_token() {
    let world = World::encrypted().await;
    for (case, text, expected) in INSIDE {
        let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
        stream.write_all(fill(&world, text).as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert_eq!(status(&answer), *expected, "{case}: {answer}");
        world.assert_untouched(case);
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_431() {
    let world = World::plain().await;
    let long = "a".repeat(64 * 1024);
    let (authority, credentials) = (world.authority(), world.credentials_line());
    for text in [
        format!("GET http://{authority}/{long} HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n"),
        format!(
            "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}X: {long}\r\n\r\n"
        ),
        format!("{long} http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n"),
    ] {
        assert_eq!(status(&world.exchange(&text).await), "431");
    }
    let many = "X: 1\r\n".repeat(10_000 / 10);
    let text =
        format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}{many}\r\n");
    assert_eq!(status(&world.exchange(&text).await), "431");
    world.assert_untouched("long heads");
}

#[tokio::test]
async fn bytes_after_a_head_that_asks_for_a_tunnel_are_no_request() {
    let world = World::plain().await;
    let (authority, credentials) = (world.authority(), world.credentials_line());
    let smuggled =
        format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n");
    for head in [
        format!("CONNECT evil.test:1 HTTP/1.1\r\nHost: evil.test:1\r\n{credentials}\r\n"),
        format!(
            "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}Connection: Upgrade\r\nUpgrade: x\r\n\r\n"
        ),
    ] {
        let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        stream.write_all(format!("{head}{smuggled}").as_bytes()).await.unwrap();
        let answers = read_to_close(stream).await;
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
        world.assert_untouched(&head);
    }
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused() {
    let world = World::plain().await;
    for address in ["10.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "0.0.0.0", "127.0.0.2"] {
        *world.names.leads_to.lock().unwrap() = vec![address.parse::<IpAddr>().unwrap()];
        let answer = world.get("/", "").await;
        assert!(
            status(&answer) == "403" && answer.contains("destination_address_denied"),
            "{address}: {answer}"
        );
        let refused = world.connect(&world.authority()).await.unwrap_err();
        assert_eq!(status(&refused), "403", "{address}");
    }
    *world.names.leads_to.lock().unwrap() = vec![];
    assert_eq!(status(&world.get("/", "").await), "403");
    world.assert_untouched("private addresses");
}

#[tokio::test]
async fn an_address_of_this_host_itself_is_refused_though_a_range_holds_it() {
    let world = World::plain().await;
    let own: IpAddr = "10.43.0.7".parse().unwrap();
    *world.names.leads_to.lock().unwrap() = vec![own];
    world.names.own.lock().unwrap().push(own);
    let mut grants = grants("1", world.port());
    grants.endpoints[0].allowed_ips = vec!["10.43.0.0/16".parse().unwrap()];
    world.permissions.set("s", grants.clone());
    let answer = world.get("/", "").await;
    assert!(answer.contains("destination_address_denied"), "{answer}");
    assert_eq!(status(&world.connect(&world.authority()).await.unwrap_err()), "403");
    world.assert_untouched("this host");
    // Loopback, too, has to be meant.
    *world.names.leads_to.lock().unwrap() = vec![IpAddr::from([127, 0, 0, 1])];
    grants.endpoints[0].allowed_ips = vec!["0.0.0.0/0".parse().unwrap()];
    world.permissions.set("s", grants.clone());
    assert_eq!(status(&world.get("/", "").await), "403");
    world.assert_untouched("loopback in a wide range");
    grants.endpoints[0].allowed_ips = vec!["127.0.0.0/8".parse().unwrap()];
    world.permissions.set("s", grants);
    assert_eq!(status(&world.get("/", "").await), "200");
}

#[tokio::test]
async fn a_grant_for_every_host_is_for_no_address_and_no_metadata_service() {
    let world = World::plain().await;
    let mut every = grants("1", world.port());
    every.endpoints[0].host = "**".parse().unwrap();
    every.endpoints[0].allowed_ips = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    every.bindings[0].host = "**".parse().unwrap();
    world.permissions.set("s", every);
    let port = world.port();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0.0.0.0",
        "255.255.255.255",
        "169.254.169.254",
        "100.100.100.200",
        "metadata.google.internal",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[fd00:ec2::254]",
        "[64:ff9b::a9fe:a9fe]",
    ] {
        let (authority, credentials) = (format!("{host}:{port}"), world.credentials_line());
        let head =
            format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n");
        let answer = world.exchange(&head).await;
        assert!(matches!(status(&answer), "400" | "403"), "{host}: {answer}");
        let refused = world.connect(&authority).await.unwrap_err();
        assert!(matches!(status(&refused), "400" | "403"), "{host}: {refused}");
        world.assert_untouched(host);
    }
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_dialled() {
    let world = World::encrypted().await;
    let tunnel = world.connect(&world.authority()).await.unwrap();
    let asked = world.names.asked.load(std::sync::atomic::Ordering::SeqCst);
    // The name leads elsewhere from now on.
    *world.names.leads_to.lock().unwrap() = vec!["169.254.169.254".parse().unwrap()];
    let mut stream = world.trusting().connect(HOST, tunnel, WebAlpn::Http1).await.unwrap().stream;
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", world.authority());
    stream.write_all(get.as_bytes()).await.unwrap();
    assert_eq!(status(&read_answer(&mut stream).await), "200");
    assert_eq!(world.names.asked.load(std::sync::atomic::Ordering::SeqCst), asked);
}

#[tokio::test]
async fn tls_for_another_host_than_the_tunnels_ends_it() {
    let world = World::encrypted().await;
    let tunnel = world.connect(&world.authority()).await.unwrap();
    // The client trusts the proxy's authority, but what it is shown is for the tunnel's host.
    assert!(world.trusting().connect("evil.test", tunnel, WebAlpn::Http1).await.is_err());
    world.assert_untouched("another server name");
}

#[tokio::test]
async fn no_token_travels_unencrypted_to_port_443() {
    let world = World::plain().await;
    world.permissions.set("s", grants("1", 443));
    let credentials = world.credentials_line();
    let head =
        format!("GET http://api.test:443/ HTTP/1.1\r\nHost: api.test:443\r\n{credentials}\r\n");
    assert_eq!(status(&world.exchange(&head).await), "403");
    let mut tunnel = world.connect("api.test:443").await.unwrap();
    tunnel.write_all(b"GET / HTTP/1.1\r\nHost: api.test:443\r\n\r\n").await.unwrap();
    assert_eq!(status(&read_answer(&mut tunnel).await), "403");
    world.assert_untouched("plain HTTP to port 443");
}
