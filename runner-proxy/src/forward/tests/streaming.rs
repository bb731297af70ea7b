//! Exchanges that take their time, while what the sandbox may do changes, and halves of tunnels that close before the
//! others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::{Router, routing::any};
use http::Request;
use http_body_util::BodyExt as _;
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{ListenAddress, Listener, Tls, UnixMode};
use moneyer_daemon::tls::{ServerTls, WebAlpn};
use moneyer_identity::grant::{GrantKind, Protocol, SandboxGrants, TlsMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_stream::StreamExt as _;

use super::fixtures::*;
use crate::forward::ForwardProxy;

/// What an upstream has received.
type Received = Arc<Mutex<Vec<u8>>>;

/// An upstream of one connection: says this to the head that comes, and keeps all that comes after it.
async fn upstream(says: Option<&'static str>) -> (World, Received, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::at(listener.local_addr().unwrap(), &WebAuthority::new()).await;
    let received = Received::default();
    let kept = Arc::clone(&received);
    let serving = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        read_head(&mut tcp).await;
        if let Some(says) = says {
            tcp.write_all(says.as_bytes()).await.unwrap();
        }
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = tcp.read(&mut buffer).await {
            kept.lock().unwrap().extend_from_slice(&buffer[..count]);
        }
    });
    (world, received, serving)
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let soon = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < soon, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// With a token on a user's behalf.
fn on_behalf(revision: &str, world: &World) -> SandboxGrants {
    let mut grants = grants(revision, world.port());
    grants.bindings[0].grant.kind = GrantKind::TokenExchange;
    grants
}

#[tokio::test]
async fn an_exchange_on_its_way_ends_when_it_is_no_longer_permitted() {
    let first = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    for says in [Some(first), None] {
        let (world, received, serving) = upstream(says).await;
        world.permissions.set("s", on_behalf("1", &world));
        let received = || String::from_utf8(received.lock().unwrap().clone()).unwrap();
        let (authority, credentials) = (world.authority(), world.credentials_line());
        let mut client = TcpStream::connect(world.address).await.unwrap();
        let head = format!(
            "POST http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}Transfer-Encoding: chunked\r\n\r\n"
        );
        client.write_all(format!("{head}5\r\nhello\r\n").as_bytes()).await.unwrap();
        if says.is_some() {
            assert_eq!(status(&read_head(&mut client).await), "200");
        }
        // Another revision that says the same of it changes nothing: the user's token may have been renewed.
        world.permissions.set("s", on_behalf("2", &world));
        tokio::time::sleep(Duration::from_millis(900)).await;
        client.write_all(b"5\r\nagain\r\n").await.unwrap();
        until("it was broken off", || received().contains("again")).await;
        let began = Instant::now();
        world.permissions.clear();
        timeout(SOON, serving).await.expect("it goes on").unwrap();
        assert!(!received().ends_with("0\r\n\r\n"), "{}", received());
        let answer = read_to_close(client).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        match says {
            Some(_) => assert_eq!(answer, "5\r\nfirst\r\n"),
            None => {
                assert!(status(&answer) == "502" && answer.contains("broken_off"), "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_shows_tokens_ends_when_they_are_to_be_taken_out() {
    let first = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    let (world, _received, serving) = upstream(Some(first)).await;
    let (authority, credentials) = (world.authority(), world.credentials_line());
    let mut client = TcpStream::connect(world.address).await.unwrap();
    let head =
        format!("GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n{credentials}\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut client).await), "200");
    let mut redacting = grants("2", world.port());
    redacting.endpoints[0].redact_echo = true;
    world.permissions.set("s", redacting);
    timeout(SOON, serving).await.expect("it goes on").unwrap();
    assert_eq!(read_to_close(client).await, "5\r\nfirst\r\n");
}

/// Tells that it was dropped.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// An upstream of HTTP/2 that takes a body without end and answers at once or never; how many pieces came, and whether it
/// is over.
async fn swallowing(answers: bool) -> (World, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let (web, pieces, is_over) = (WebAuthority::new(), Arc::default(), Arc::default());
    let (counted, told) = (Arc::<AtomicUsize>::clone(&pieces), Arc::clone(&is_over));
    let swallow = move |body: Body| {
        let (counted, gone) = (Arc::clone(&counted), Gone(Arc::clone(&told)));
        let swallowed = async move {
            let (mut body, _gone) = (body, gone);
            while let Some(Ok(_)) = body.frame().await {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        };
        async move {
            if answers {
                drop(tokio::spawn(swallowed));
            } else {
                swallowed.await;
            }
        }
    };
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
    let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
    let (tls, limits) = (Tls::On(web.server(HOST)), ForwardProxy::limits());
    let router = Router::new().fallback(any(swallow));
    tokio::spawn(async move { listener.serve(router, limits, tls, &Shutdown::new()).await });
    (World::at(address, &web).await, pieces, is_over)
}

#[tokio::test]
async fn an_upload_over_http2_ends_with_its_permission_though_its_tunnel_goes_on() {
    for answers in [false, true] {
        let (world, pieces, is_over) = swallowing(answers).await;
        let mut both = grants("1", world.port());
        both.endpoints[0].path = "/a/**".parse().unwrap();
        both.endpoints.push(rule(world.port()));
        both.endpoints[1].path = "/b/**".parse().unwrap();
        world.permissions.set("s", both.clone());
        let mut sender = super::multiplexed::client(&world).await;
        let endless = tokio_stream::iter(std::iter::repeat("x")).throttle(Duration::from_millis(5));
        let body = Body::from_stream(endless.map(Ok::<_, std::convert::Infallible>));
        let uri = format!("https://{}/a/x", world.authority());
        let answering = sender.send_request(Request::post(uri).body(body).unwrap());
        let withdraw = async {
            until("nothing arrived", || pieces.load(Ordering::SeqCst) > 0).await;
            if answers {
                // The answer is over, and the upload goes on.
                let before = pieces.load(Ordering::SeqCst);
                until("it ended", || pieces.load(Ordering::SeqCst) > before + 100).await;
            }
            both.endpoints.remove(0);
            world.permissions.set("s", both);
        };
        let together = async { tokio::join!(answering, withdraw) };
        let (answer, ()) = timeout(SOON, together).await.expect("it goes on");
        assert_eq!(answer.unwrap().status(), if answers { 200 } else { 502 });
        until("the upload goes on", || is_over.load(Ordering::SeqCst)).await;
    }
}

#[tokio::test]
async fn an_upstream_that_has_said_all_still_gets_every_byte_of_a_raw_tunnel() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::at(listener.local_addr().unwrap(), &WebAuthority::new()).await;
    let mut raw = grants("1", world.port());
    raw.endpoints[0].tls = TlsMode::Skip;
    world.permissions.set("s", raw);
    let sent: Vec<u8> = (0..8 * 1024 * 1024_u32).map(|at| at.to_le_bytes()[1]).collect();
    let expected = sent.clone();
    let serving = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        tcp.write_all(b"all").await.unwrap();
        tcp.shutdown().await.unwrap();
        // For as long as a close would wait for an answer to arrive.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        let mut received = Vec::new();
        tcp.read_to_end(&mut received).await.unwrap();
        received
    });
    let (mut read, mut write) = world.connect(&world.authority()).await.unwrap().into_split();
    let writing = tokio::spawn(async move {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    });
    let mut said = Vec::new();
    timeout(SOON, read.read_to_end(&mut said)).await.unwrap().unwrap();
    assert_eq!(said, b"all");
    let received = timeout(SOON, serving).await.unwrap().unwrap();
    assert!(received == expected, "{} of {} bytes", received.len(), expected.len());
    writing.await.unwrap();
}

async fn websocket_that_closes(tls: ServerTls, listener: TcpListener) {
    let (tcp, _) = listener.accept().await.unwrap();
    let mut stream = tls.http1_only().terminate(tcp).await.unwrap().stream;
    read_head(&mut stream).await;
    let opened =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    stream.write_all(opened.as_bytes()).await.unwrap();
    stream.write_all(b"\x81\x04last").await.unwrap();
    stream.shutdown().await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.ok();
}

#[tokio::test]
async fn a_websocket_ends_with_its_upstream_and_its_last_words_arrive() {
    let (web, listener) = (WebAuthority::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let world = World::at(listener.local_addr().unwrap(), &web).await;
    let serving = tokio::spawn(websocket_that_closes(web.server(HOST), listener));
    let mut websockets = grants("1", world.port());
    websockets.endpoints[0].protocol = Protocol::Websocket;
    world.permissions.set("s", websockets);
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    let (authority, upgrade) = (world.authority(), super::websockets::UPGRADE);
    let head = format!("GET / HTTP/1.1\r\nHost: {authority}\r\n{upgrade}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut stream).await), "101");
    let mut last = Vec::new();
    timeout(SOON, stream.read_to_end(&mut last)).await.expect("it stays open").unwrap();
    assert_eq!(last, b"\x81\x04last");
    // It is over for both, though the client has not closed its half.
    timeout(SOON, serving).await.expect("it goes on").unwrap();
    drop(stream);
}
