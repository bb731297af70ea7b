//! `WebSocket`: opened with a token, and then bytes that nobody touches.

use std::sync::Arc;

use moneyer_daemon::tls::WebAlpn;
use moneyer_identity::grant::{GrantKind, Protocol, SandboxGrants};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::fixtures::*;

pub(super) const UPGRADE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// An upstream that opens one WebSocket and echoes; the head it saw.
async fn echoing(
    tls: Option<moneyer_daemon::tls::ServerTls>,
) -> (FakeUpstream, tokio::sync::oneshot::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut upstream = FakeUpstream::start(None).await;
    upstream.address = listener.local_addr().unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    let tls = tls.map(|tls| tls.http1_only());
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream: Box<dyn moneyer_daemon::listener::Stream> = match tls {
            None => Box::new(tcp),
            Some(tls) => tls.terminate(tcp).await.unwrap().stream,
        };
        tell.send(read_head(&mut stream).await).unwrap();
        let opened = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                      Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        stream.write_all(opened.as_bytes()).await.unwrap();
        let (mut read, mut write) = tokio::io::split(stream);
        tokio::io::copy(&mut read, &mut write).await.ok();
    });
    (upstream, told)
}

/// Its endpoint takes them.
fn take_websockets(world: &World) {
    let mut grants = grants("1", world.port());
    grants.endpoints[0].protocol = Protocol::Websocket;
    world.permissions.set("s", grants);
}

#[tokio::test]
async fn an_endpoint_of_requests_opens_no_websocket() {
    let world = World::plain().await;
    for protocol in [Protocol::Rest, Protocol::Graphql, Protocol::Mcp] {
        let mut grants = grants("1", world.port());
        grants.endpoints[0].protocol = protocol;
        world.permissions.set("s", grants);
        let (authority, credentials) = (world.authority(), world.credentials_line());
        let answer = world
            .exchange(&format!(
                "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}{UPGRADE}\r\n"
            ))
            .await;
        assert_eq!(status(&answer), "403", "{answer}");
        world.assert_untouched(protocol.as_str());
    }
}

#[tokio::test]
async fn a_websocket_is_opened_with_a_token_in_plain_http_and_in_a_tunnel() {
    for encrypted in [false, true] {
        let web = WebAuthority::new();
        let (upstream, told) = echoing(encrypted.then(|| web.server(HOST))).await;
        let world = World::before(upstream, &web);
        take_websockets(&world);
        let authority = world.authority();
        let (mut stream, target, credentials) = if encrypted {
            (world.tunnel(WebAlpn::Http1).await.stream, "/ws".to_owned(), String::new())
        } else {
            let tcp = tokio::net::TcpStream::connect(world.address).await.unwrap();
            let stream: Box<dyn moneyer_daemon::listener::Stream> = Box::new(tcp);
            (stream, format!("http://{authority}/ws"), world.credentials_line())
        };
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: {authority}\r\n{credentials}{UPGRADE}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = read_head(&mut stream).await;
        assert_eq!(status(&answer), "101", "{answer}");
        assert!(answer.to_lowercase().contains("sec-websocket-accept: s3pplm"), "{answer}");
        let seen = told.await.unwrap().to_lowercase();
        for line in
            ["get /ws http/1.1", "upgrade: websocket", "bearer canary-token-1", "sec-websocket-key"]
        {
            assert!(seen.contains(line), "{line}: {seen}");
        }
        assert!(!seen.contains("proxy-") && !seen.contains("keep-alive"), "{seen}");
        stream.write_all(b"\x81\x05hello").await.unwrap();
        let mut echoed = [0; 7];
        stream.read_exact(&mut echoed).await.unwrap();
        assert_eq!(&echoed, b"\x81\x05hello");
        // It ends with the permission, and where its endpoint takes none any more.
        if encrypted {
            world.permissions.set("s", grants("1", world.port()));
        } else {
            world.permissions.clear();
        }
        let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut Vec::new())).await;
        closed.expect("the WebSocket stays open").ok();
    }
}

#[tokio::test]
async fn bytes_that_come_before_it_is_open_are_passed_to_nobody() {
    let web = Arc::new(WebAuthority::new());
    let (upstream, told) = echoing(None).await;
    let world = World::before(upstream, &web);
    take_websockets(&world);
    let (authority, credentials) = (world.authority(), world.credentials_line());
    let head = format!(
        "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}{UPGRADE}\r\n"
    );
    let early = format!("GET /smuggled HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    stream.write_all(format!("{head}{early}").as_bytes()).await.unwrap();
    let answer = read_to_close(stream).await;
    assert!(!answer.contains("smuggled"), "echoed: {answer}");
    assert!(told.await.unwrap().starts_with("GET / HTTP/1.1"));
}

#[tokio::test]
async fn an_upstream_that_does_not_open_it_answers_as_to_any_request() {
    let world = World::plain().await;
    take_websockets(&world);
    let (authority, credentials) = (world.authority(), world.credentials_line());
    let head = format!(
        "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}{UPGRADE}\r\n"
    );
    let answer = world.exchange(&head).await;
    assert!(
        status(&answer) == "200" && answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
}

#[tokio::test]
async fn an_open_websocket_ends_where_its_address_or_the_user_behind_it_may_be_another() {
    let elsewhere: fn(&mut SandboxGrants) =
        |grants| grants.endpoints[0].allowed_ips = vec!["10.0.0.0/8".parse().unwrap()];
    for (kind, change, stays) in [
        (GrantKind::ClientCredentials, None, true),
        (GrantKind::ClientCredentials, Some(elsewhere), false),
        (GrantKind::TokenExchange, None, false),
    ] {
        let web = WebAuthority::new();
        let (upstream, told) = echoing(None).await;
        let world = World::before(upstream, &web);
        let say = |revision: &str, change: Option<fn(&mut SandboxGrants)>| {
            let mut grants = grants(revision, world.port());
            grants.endpoints[0].protocol = Protocol::Websocket;
            grants.bindings[0].grant.kind = kind;
            if let Some(change) = change {
                change(&mut grants);
            }
            world.permissions.set("s", grants);
        };
        say("1", None);
        let (authority, credentials) = (world.authority(), world.credentials_line());
        let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        let head = format!(
            "GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}{UPGRADE}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(status(&read_head(&mut stream).await), "101");
        told.await.unwrap();
        say("2", change);
        if stays {
            tokio::time::sleep(std::time::Duration::from_millis(900)).await;
            stream.write_all(b"hello").await.unwrap();
            stream.read_exact(&mut [0; 5]).await.unwrap();
        } else {
            let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut Vec::new())).await;
            closed.expect("the WebSocket stays open").ok();
        }
    }
}
