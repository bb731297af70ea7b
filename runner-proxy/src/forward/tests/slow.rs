//! Ends that are slow, in a time that is wound on.

use std::time::Duration;

use moneyer_daemon::listener::Stream;
use moneyer_daemon::tls::WebAlpn;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::{Instant, pause, resume};

use super::fixtures::*;

fn get(world: &World) -> String {
    let (authority, credentials) = (world.authority(), world.credentials_line());
    format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n")
}

#[tokio::test]
async fn an_upstream_may_think_for_ten_minutes_and_no_longer() {
    for (seconds, expected) in [(599, "200"), (601, "504")] {
        let world = World::plain().await;
        *world.upstream.thinks.lock().unwrap() = Duration::from_secs(seconds);
        let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        stream.write_all(get(&world).as_bytes()).await.unwrap();
        while world.upstream.received().is_empty() {
            tokio::task::yield_now().await;
        }
        pause();
        let began = Instant::now();
        let answer = wait_for(&mut stream).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(began.elapsed() <= Duration::from_secs(601), "{:?}", began.elapsed());
        resume();
    }
}

/// Reads an answer without a limit of its own: time is wound on.
async fn wait_for(stream: &mut (impl Stream + ?Sized)) -> String {
    use tokio::io::AsyncReadExt as _;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => answer.push(byte),
            Err(_closed) => break,
        }
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_after_five_minutes() {
    let world = World::plain().await;
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let began = Instant::now();
    stream.write_all(get(&world).as_bytes()).await.unwrap();
    assert_eq!(status(&read_answer(&mut stream).await), "200");
    pause();
    assert_eq!(wait_for(&mut stream).await, "");
    assert!((300..340).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_begins_is_closed() {
    for (first, seconds) in [(&b""[..], 30), (&b"\x16"[..], 10)] {
        let world = World::encrypted().await;
        let mut tunnel = world.connect(&world.authority()).await.unwrap();
        tunnel.write_all(first).await.unwrap();
        pause();
        let began = Instant::now();
        assert_eq!(wait_for(&mut tunnel).await, "");
        let took = began.elapsed().as_secs();
        assert!((seconds..seconds + 3).contains(&took), "{took}");
        resume();
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_shake_hands_is_given_up_after_ten_seconds() {
    let web = WebAuthority::new();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut upstream = FakeUpstream::start(None).await;
    upstream.address = silent.local_addr().unwrap();
    let world = World::before(upstream, &web);
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", world.authority());
    stream.write_all(get.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let (_held, _) = silent.accept().await.unwrap();
    pause();
    let began = Instant::now();
    let answer = read_head(&mut stream).await;
    assert_eq!(status(&answer), "502", "{answer}");
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn an_upload_may_take_its_time_and_the_answer_has_ten_minutes_after_it() {
    for (pause_after, expected) in [(599, "200"), (601, "504")] {
        let world = World::plain().await;
        *world.upstream.thinks.lock().unwrap() = Duration::from_secs(599 + pause_after);
        let (authority, credentials) = (world.authority(), world.credentials_line());
        let head = format!(
            "POST http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}Content-Length: 10\r\n\r\nhello"
        );
        let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        while !world.upstream.received().ends_with("hello") {
            tokio::task::yield_now().await;
        }
        pause();
        tokio::time::sleep(Duration::from_secs(599)).await;
        stream.write_all(b"there").await.unwrap();
        let answer = wait_for(&mut stream).await;
        assert_eq!(status(&answer), expected, "{answer}");
        resume();
    }
}

#[tokio::test]
async fn an_upload_that_rests_for_ten_minutes_is_given_up() {
    let world = World::plain().await;
    *world.upstream.thinks.lock().unwrap() = Duration::from_secs(10_000);
    let (authority, credentials) = (world.authority(), world.credentials_line());
    let head = format!(
        "POST http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}Content-Length: 10\r\n\r\nhello"
    );
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    while !world.upstream.received().ends_with("hello") {
        tokio::task::yield_now().await;
    }
    pause();
    let began = Instant::now();
    assert_eq!(status(&wait_for(&mut stream).await), "504");
    assert!((599..=601).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

/// Whether a client's frames after its preface have a head among them (RFC 9113 section 4.1).
fn has_headers(said: &[u8]) -> bool {
    let mut rest = said.get(24..).unwrap_or_default();
    while let [a, b, c, kind, ..] = *rest {
        if kind == 1 {
            return true;
        }
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        rest = rest.get(9 + length..).unwrap_or_default();
    }
    false
}

#[tokio::test]
async fn an_upstream_of_http2_that_is_gone_without_a_word_is_noticed_while_it_is_asked() {
    use tokio::io::AsyncReadExt as _;
    let web = WebAuthority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut upstream = FakeUpstream::start(None).await;
    upstream.address = listener.local_addr().unwrap();
    let world = World::before(upstream, &web);
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", world.authority());
    stream.write_all(get.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    let mut gone = web.server(HOST).terminate(tcp).await.unwrap();
    assert!(gone.is_http2);
    // SETTINGS without any (RFC 9113 section 6.5), and then nothing.
    gone.stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    gone.stream.flush().await.unwrap();
    let mut said = Vec::new();
    while !has_headers(&said) {
        gone.stream.read_buf(&mut said).await.unwrap();
    }
    pause();
    let began = Instant::now();
    let answer = wait_for(&mut stream).await;
    assert_eq!(status(&answer), "502", "{answer}");
    assert!((49..=55).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}
