//! Tunnels: TLS ended here, HTTP/1.1 and HTTP/2 on both sides, raw tunnels where policy says so.

use axum::body::Bytes;
use axum::routing::{any, post};
use axum::{Router, body::Body};
use http::{HeaderMap, Request, Version};
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, ListenAddress, Listener, Tls, UnixMode};
use moneyer_daemon::tls::WebAlpn;
use moneyer_identity::grant::TlsMode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::fixtures::*;

#[tokio::test]
async fn requests_in_a_tunnel_have_the_token_one_after_the_other() {
    let world = World::encrypted().await;
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    for number in 1..4 {
        let get = format!(
            "GET /{number} HTTP/1.1\r\nHost: {}\r\nAuthorization: own\r\n\r\n",
            world.authority()
        );
        stream.write_all(get.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert_eq!(status(&answer), "200", "{answer}");
        assert!(!answer.contains("canary"), "{answer}");
    }
    let received = world.upstream.received();
    for number in 1..4 {
        assert!(received.contains(&format!("GET /{number} HTTP/1.1")), "{received}");
        assert!(received.contains(&format!("Bearer canary-token-{number}\r\n")), "{received}");
    }
    assert!(!received.contains("own"), "{received}");
    let connections = world.upstream.connections.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(connections, 1, "the connection is used again");
}

/// An upstream that speaks both versions and tells what it was asked.
pub(super) fn modern(web: &WebAuthority) -> std::net::SocketAddr {
    let tell = |version: Version, headers: HeaderMap| async move {
        let shown = |name: &str| {
            let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap());
            values.collect::<Vec<_>>().join("|")
        };
        let (token, cookie, te) = (shown("authorization"), shown("cookie"), shown("te"));
        format!("{version:?} {token} cookie={cookie} te={te}")
    };
    let router =
        Router::new().route("/echo", post(|body: Bytes| async { body })).fallback(any(tell));
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
    let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
    let tls = Tls::On(web.server(HOST));
    tokio::spawn(async move {
        listener.serve(router, Limits::default(), tls, &Shutdown::new()).await;
    });
    address
}

async fn modern_world() -> World {
    let web = WebAuthority::new();
    let mut upstream = FakeUpstream::start(None).await;
    upstream.address = modern(&web);
    World::before(upstream, &web)
}

#[tokio::test]
async fn http2_is_spoken_on_both_sides_and_translated_where_one_does_not() {
    let world = modern_world().await;
    let uri = format!("https://{}/x", world.authority());
    let connection = world.tunnel(WebAlpn::Either).await;
    assert!(connection.is_http2);
    let io = TokioIo::new(connection.stream);
    let executor = TokioExecutor::new();
    let (mut sender, running) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(running);
    let request = Request::get(&uri).header("authorization", "own").header("cookie", "a=1");
    let request = request.header("cookie", "b=2").header("te", "trailers");
    let request = request.body(Body::empty()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "HTTP/2.0 Bearer canary-token-1 cookie=a=1|b=2 te=trailers".as_bytes());
    let long = vec![b'x'; 60_000];
    let echo = Request::post(format!("https://{}/echo", world.authority()));
    let answer = sender.send_request(echo.body(Body::from(long.clone())).unwrap()).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), long);

    // A client of HTTP/1.1 reaches the same upstream.
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", world.authority());
    stream.write_all(get.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.ends_with("HTTP/2.0 Bearer canary-token-3 cookie= te="), "{answer}");
}

#[tokio::test]
async fn http1_in_a_tunnel_without_tls_is_looked_into_too() {
    let world = World::plain().await;
    let mut tunnel = world.connect(&world.authority()).await.unwrap();
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", world.authority());
    tunnel.write_all(get.as_bytes()).await.unwrap();
    assert_eq!(status(&read_answer(&mut tunnel).await), "200");
    assert!(world.upstream.received().contains("Bearer canary-token-1"));
}

#[tokio::test]
async fn what_is_neither_tls_nor_http1_is_closed() {
    let world = World::plain().await;
    for bytes in [&b"\x00\x01"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n"] {
        let mut tunnel = world.connect(&world.authority()).await.unwrap();
        tunnel.write_all(bytes).await.unwrap();
        assert_eq!(read_to_close(tunnel).await, "");
    }
    world.assert_untouched("other protocols");
}

#[tokio::test]
async fn bytes_pass_untouched_only_where_policy_says_so() {
    let world = World::plain().await;
    let mut grants = grants("1", world.port());
    grants.endpoints[0].tls = TlsMode::Skip;
    world.permissions.set("s", grants);
    let mut tunnel = world.connect(&world.authority()).await.unwrap();
    tunnel.write_all(b"\x00raw bytes\r\n\r\n").await.unwrap();
    let mut answer = vec![0; OK.len()];
    tunnel.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, OK.as_bytes());
    assert_eq!(world.upstream.received(), "\0raw bytes\r\n\r\n");
    assert_eq!(world.tokens.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_sandbox_has_only_so_many_tunnels() {
    let world = World::plain().await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(world.connect(&world.authority()).await.unwrap());
    }
    let refused = world.connect(&world.authority()).await.unwrap_err();
    assert_eq!(status(&refused), "503");
    drop(open);
    let again = async {
        while world.connect(&world.authority()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, again).await.unwrap();
}

#[tokio::test]
async fn certificates_are_kept_and_are_for_their_host() {
    let world = World::encrypted().await;
    for _ in 0..2 {
        let stream = world.tunnel(WebAlpn::Http1).await.stream;
        drop(stream);
    }
    // One that does not trust the authority is not deceived.
    let tunnel = world.connect(&world.authority()).await.unwrap();
    let stranger = moneyer_daemon::tls::WebTls::new(&[]).unwrap();
    assert!(stranger.connect(HOST, tunnel, WebAlpn::Http1).await.is_err());
}
