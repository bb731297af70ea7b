//! Bodies that two readers could end at different places, and requests behind them.
//!
//! A body is passed on as it comes, so that its request is at the upstream before anything is wrong with it. What is wrong
//! is never passed on, and never ends the request there.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::fixtures::*;

/// What stands in place of chunks, and would be read as a request by whoever reads it otherwise.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: api.test\r\n\r\n";

/// Bodies in chunks that are none.
const CHUNKS: [(&str, &str); 10] = [
    ("hex with a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
    ("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
    ("a negative length", "-1\r\nhello\r\n0\r\n\r\n"),
    ("a length past 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("no line end behind a chunk", "5\r\nhello0\r\n\r\n"),
    ("line feeds alone", "5\nhello\n0\n\n"),
    ("no length", "\r\nhello\r\n0\r\n\r\n"),
    ("a blank before the length", " 5\r\nhello\r\n0\r\n\r\n"),
    ("a blank behind the length", "5 \r\nhello\r\n0\r\n\r\n"),
    ("a line feed in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
];

#[tokio::test]
async fn chunks_that_are_none_never_end_a_request_at_the_upstream() {
    for (case, chunks) in CHUNKS {
        let world = World::plain().await;
        let (authority, credentials) = (world.authority(), world.credentials_line());
        let head = format!(
            "POST http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}Transfer-Encoding: chunked\r\n\r\n"
        );
        let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        stream.write_all(format!("{head}{chunks}{SMUGGLED}").as_bytes()).await.unwrap();
        let answers = read_to_close(stream).await;
        assert!(answers.matches("HTTP/1.1 ").count() <= 1, "{case}: {answers}");
        let received = world.upstream.received();
        assert!(received.matches(" HTTP/1.1\r\n").count() <= 1, "{case}: {received}");
        assert!(
            !received.contains("smuggled") && !received.ends_with("0\r\n\r\n"),
            "{case}: {received}"
        );
        assert!(world.tokens.asked.lock().unwrap().len() <= 1, "{case}");
    }
}

#[tokio::test]
async fn trailers_bring_no_header() {
    let world = World::plain().await;
    let (authority, credentials) = (world.authority(), world.credentials_line());
    for trailer in ["Authorization: evil", "Host: evil.test", "Content-Length: 5", "X: evil"] {
        let request = format!(
            "POST http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}Transfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\n{trailer}\r\n\r\n"
        );
        world.upstream.forget();
        let answer = world.exchange(&request).await;
        assert!(matches!(status(&answer), "200" | "400" | "502"), "{trailer}: {answer}");
        let received = world.upstream.received();
        assert!(
            !received.contains("evil") && !received.contains("Length: 5"),
            "{trailer}: {received}"
        );
        assert!(received.to_lowercase().matches("authorization:").count() <= 1, "{received}");
    }
}

#[tokio::test]
async fn a_body_is_the_requests_whatever_its_method_and_the_next_request_is_the_next() {
    for (method, expect) in [
        ("GET", ""),
        ("OPTIONS", ""),
        ("POST", ""),
        ("POST", "Expect: 100-continue\r\n"),
        ("GET", "Expect: 100-continue\r\n"),
    ] {
        let world = World::plain().await;
        let (authority, credentials) = (world.authority(), world.credentials_line());
        let head = |method: &str, path: &str, lines: &str| {
            format!(
                "{method} http://{authority}{path} HTTP/1.1\r\nHost: {authority}\r\n{credentials}{lines}\r\n"
            )
        };
        // In it stands what looks like a request.
        let inside = "GET /inside HTTP/1.1\r\n";
        let lines = format!("{expect}Content-Length: {}\r\n", inside.len());
        let both = format!("{}{inside}{}", head(method, "/one", &lines), head("GET", "/two", ""));
        let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        stream.write_all(both.as_bytes()).await.unwrap();
        for _ in 0..2 {
            let mut answer = read_answer(&mut stream).await;
            if status(&answer) == "100" {
                answer = read_answer(&mut stream).await;
            }
            assert_eq!(status(&answer), "200", "{method} {expect}: {answer}");
        }
        let received = world.upstream.received();
        assert_eq!(received.matches("Bearer canary").count(), 2, "{received}");
        assert!(received.contains(&format!("\r\n\r\n{inside}")), "{received}");
        assert!(
            received.contains("GET /two HTTP/1.1\r\n") && !received.contains("expect"),
            "{received}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_comes_while_the_body_flows_is_the_answer_to_it() {
    let world = World::plain().await;
    let (authority, credentials) = (world.authority(), world.credentials_line());
    let head = format!(
        "POST http://{authority}/one HTTP/1.1\r\nHost: {authority}\r\n{credentials}Content-Length: 10\r\n\r\nhello"
    );
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // The upstream answers to the head.
    assert_eq!(status(&read_answer(&mut stream).await), "200");
    let rest = format!(
        "thereGET http://{authority}/two HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n"
    );
    stream.write_all(rest.as_bytes()).await.ok();
    let mut answer = String::new();
    let reading = stream.read_to_string(&mut answer);
    tokio::time::timeout(std::time::Duration::from_secs(2), reading).await.map(drop).ok();
    let received = world.upstream.received();
    assert!(!received.contains("there") || received.contains("hellothere"), "{received}");
    let second = received.matches("GET /two HTTP/1.1\r\n").count();
    assert_eq!(received.matches("Bearer canary").count(), 1 + second, "{received}");
}

#[tokio::test]
async fn a_body_whose_length_is_not_known_passes_whatever_its_method() {
    for method in ["GET", "HEAD", "OPTIONS", "POST"] {
        let world = World::plain().await;
        let (authority, credentials) = (world.authority(), world.credentials_line());
        let request = format!(
            "{method} http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}Transfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\n"
        );
        let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(status(&read_head(&mut stream).await), "200", "{method}");
        let received = world.upstream.received();
        assert!(received.contains("5\r\nhello\r\n0\r\n\r\n"), "{method}: {received}");
        assert_eq!(received.to_lowercase().matches("chunked").count(), 1, "{method}: {received}");
    }
}
