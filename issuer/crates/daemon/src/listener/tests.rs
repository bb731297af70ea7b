//! A real listener against clients that misbehave, on real sockets.
//!
//! Limits are short here; every wait for something that must happen has a far longer
//! deadline, so a slow machine makes a test slow and not red.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::stream;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;

use super::*;
use crate::lifecycle::{Drain, Shutdown};
use crate::tls::fixtures::{Authority, RUNNER, SERVER};
use crate::tls::{ClientTls, ServerTls};

/// Far above every limit that a test waits for.
const SOON: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(100);
const HEAD: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
}

/// Limits of which none is reached unless a test shortens it.
fn patient() -> Limits {
    Limits {
        handshake: LONG,
        header: LONG,
        body: Some(LONG),
        idle: LONG,
        write_stall: LONG,
        ping: LONG,
        ping_answer: LONG,
        age: LONG,
        grace: LONG,
        ..Limits::default()
    }
}

async fn panics() {
    panic!("on purpose")
}

fn router() -> Router {
    let who = |Extension(peer): Extension<Arc<Peer>>| async move { format!("{peer:?}") };
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/ignore", post(|| async { "ignored" }))
        .route("/who", get(who))
        .route("/panic", get(panics))
}

fn start_with(limits: Limits, tls: Tls, router: Router) -> Running {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
    let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
    let shutdown = Shutdown::new();
    let own = shutdown.clone();
    tokio::spawn(async move { listener.serve(router, limits, tls, &own).await });
    Running { address, shutdown }
}

fn start(limits: Limits) -> Running {
    start_with(limits, Tls::Off, router())
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `request` and reads until the server closes.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_close(&mut stream).await
    }
}

async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer));
    // A reset is a close, too.
    drop(read.await.expect("the server did not close"));
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("none")
}

/// Sends one byte at a time, for ever, then tells what came back before the close.
async fn drip(running: &Running, start: &str) -> String {
    let (mut read, mut write) = running.connect().await.into_split();
    write.write_all(start.as_bytes()).await.unwrap();
    let dripping = tokio::spawn(async move {
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(SOON, read.read_to_end(&mut answer)).await;
    drop(closed.expect("the server did not close"));
    dripping.abort();
    String::from_utf8(answer).unwrap()
}

/// A body without end, and a channel that closes when the server drops the body.
fn endless() -> (Router, mpsc::Receiver<Infallible>) {
    let (held, dropped) = mpsc::channel::<Infallible>(1);
    let held = Arc::new(Mutex::new(Some(held)));
    let handler = move || {
        let held = held.lock().unwrap().take();
        let pieces = stream::repeat_with(move || {
            let _alive = &held;
            Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 4096]))
        });
        async { Body::from_stream(pieces) }
    };
    (Router::new().route("/", get(handler)), dropped)
}

async fn is_dropped(mut dropped: mpsc::Receiver<Infallible>) {
    let closed = tokio::time::timeout(SOON, dropped.recv()).await;
    assert!(closed.expect("the server still holds the answer").is_none());
}

#[tokio::test]
async fn answers_several_requests_on_a_connection() {
    let running = start(patient());
    let last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let sized = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nfghi";
    let answer = running.exchange(&format!("{chunked}{HEAD}{sized}{last}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 4, "{answer}");
    assert!(answer.contains("abcde") && answer.contains("fghi"), "{answer}");
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    for sent in ["", "G", "GET / HT", "PRI * HTTP/2.0\r\n\r\nSM"] {
        let running = start(Limits { header: SHORT, ..patient() });
        assert_eq!(running.exchange(sent).await, "", "{sent:?}");
    }
}

#[tokio::test]
async fn a_dripped_head_is_closed_first_or_later() {
    let running = start(Limits { header: SHORT, ..patient() });
    assert_eq!(drip(&running, "GET / HTTP/1.1\r\nx: ").await, "");
    let answer = drip(&running, &format!("{HEAD}GET / HTTP/1.1\r\nx: ")).await;
    assert_eq!((status(&answer), answer.matches("HTTP/").count()), ("200", 1));
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_answer() {
    let running = start(Limits { idle: SHORT, ..patient() });
    assert_eq!(status(&running.exchange(HEAD).await), "200");
}

#[tokio::test]
async fn a_dripped_body_is_answered_408_and_closed() {
    let running = start(Limits { body: Some(SHORT), ..patient() });
    let start = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
    assert_eq!(status(&drip(&running, start).await), "408");
    let start = "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n";
    assert_eq!(status(&drip(&running, start).await), "200");
}

#[tokio::test]
async fn a_client_that_never_reads_is_closed() {
    let (router, dropped) = endless();
    let running = start_with(Limits { write_stall: SHORT, ..patient() }, Tls::Off, router);
    let mut stream = running.connect().await;
    stream.write_all(HEAD.as_bytes()).await.unwrap();
    is_dropped(dropped).await;
}

#[tokio::test]
async fn an_http2_client_without_room_for_the_answer_is_closed() {
    let (router, dropped) = endless();
    let running = start_with(Limits { write_stall: SHORT, ..patient() }, Tls::Off, router);
    let io = TokioIo::new(running.connect().await);
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) =
        builder.initial_stream_window_size(0).handshake::<_, Body>(io).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = http::Request::get("http://a/").body(Body::empty()).unwrap();
    let _answer = sender.send_request(request).await.unwrap();
    is_dropped(dropped).await;
    tokio::time::timeout(SOON, driver).await.unwrap().unwrap().ok();
}

#[tokio::test]
async fn a_bare_http2_preface_is_closed() {
    let running = start(Limits { header: SHORT, ..patient() });
    let mut stream = running.connect().await;
    let settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    stream.write_all(settings).await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
    drop(closed.expect("the server did not close"));
}

#[tokio::test]
async fn an_old_connection_is_closed_though_it_is_in_use() {
    let limits = Limits { age: SHORT, age_jitter: Duration::ZERO, ..patient() };
    let running = start(limits);
    let mut stream = running.connect().await;
    let asking = async {
        while stream.write_all(HEAD.as_bytes()).await.is_ok() {
            let mut byte = [0; 1024];
            match stream.read(&mut byte).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(SOON, asking).await.expect("the server did not close");
}

#[tokio::test]
async fn too_much_is_refused_with_its_own_status() {
    let running = start(patient());
    let size = Limits::default().body_bytes;
    let post = |size: usize| {
        format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n{}",
            "b".repeat(size)
        )
    };
    assert_eq!(status(&running.exchange(&post(size)).await), "200");
    assert_eq!(status(&running.exchange(&post(size + 1)).await), "413");
    let chunk = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        size + 1,
        "b".repeat(size + 1)
    );
    assert_eq!(status(&running.exchange(&chunk).await), "413");

    let fields = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n",
            "x: y\r\n".repeat(count - 2)
        )
    };
    assert_eq!(status(&running.exchange(&fields(100)).await), "200");
    assert_eq!(status(&running.exchange(&fields(101)).await), "431");

    let start = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx: ";
    let head = |size: usize| format!("{start}{}\r\n\r\n", "y".repeat(size - start.len() - 4));
    let size = Limits::default().header_bytes;
    assert_eq!(status(&running.exchange(&head(size)).await), "200");
    assert_eq!(status(&running.exchange(&head(size + 1)).await), "431");
}

#[tokio::test]
async fn ambiguous_requests_are_answered_400_and_closed() {
    let running = start(patient());
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nHost: b\r\n\r\n",
    ] {
        assert_eq!(status(&running.exchange(request).await), "400", "{request:?}");
    }
    let answer = running.exchange(&format!("{HEAD}GET / HTTP/1.1\r\n\r\n{HEAD}")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("HTTP/1.1 400") && answer.matches("HTTP/").count() == 2, "{answer}");
}

#[tokio::test]
async fn an_http2_client_that_answers_no_ping_is_closed() {
    // A preface with empty settings, and then silence: a client whose packets no longer arrive.
    let silent = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let running = start(Limits { ping: SHORT, ping_answer: SHORT, ..patient() });
    let mut stream = running.connect().await;
    stream.write_all(silent.as_bytes()).await.unwrap();
    let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut Vec::new())).await;
    drop(closed.expect("the server did not close"));
    // At the limit it is still there: nothing else closes such a client.
    let patient = start(patient());
    let mut stream = patient.connect().await;
    stream.write_all(silent.as_bytes()).await.unwrap();
    let open = tokio::time::timeout(10 * SHORT, stream.read_to_end(&mut Vec::new())).await;
    assert!(open.is_err(), "the server closed without a ping");
}

#[tokio::test]
async fn one_address_gets_its_share_of_connections() {
    let running = start(Limits { max_connections_per_ip: 2, ..patient() });
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = running.connect().await;
        stream.write_all(HEAD.as_bytes()).await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        held.push(stream);
    }
    assert_eq!(running.exchange("").await, "");
    drop(held);
    let freed = async {
        while status(
            &running.exchange(&HEAD.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await,
        ) != "200"
        {}
    };
    tokio::time::timeout(SOON, freed).await.unwrap();
}

#[tokio::test]
async fn a_panic_is_answered_500_and_the_listener_lives() {
    let running = start(patient());
    let request = "GET /panic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&running.exchange(request).await), "500");
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&running.exchange(request).await), "200");
}

#[tokio::test]
async fn shutdown_finishes_what_is_in_flight_and_closes_what_is_not() {
    let (entered, mut inside) = mpsc::channel::<()>(1);
    let release = Arc::new(tokio::sync::Notify::new());
    let gate = Arc::clone(&release);
    let handler = move || async move {
        entered.send(()).await.unwrap();
        gate.notified().await;
        "done"
    };
    let running = start_with(patient(), Tls::Off, Router::new().route("/", get(handler)));
    let (mut idle, mut busy) = (running.connect().await, running.connect().await);
    busy.write_all(HEAD.as_bytes()).await.unwrap();
    inside.recv().await.unwrap();
    running.shutdown.begin();
    assert_eq!(read_to_close(&mut idle).await, "");
    release.notify_one();
    assert!(read_to_close(&mut busy).await.ends_with("done"));
    assert_eq!(running.shutdown.drain(SOON).await, Drain::Complete);
    TcpStream::connect(running.address).await.unwrap_err();
}

#[tokio::test]
async fn a_unix_peer_is_known_by_its_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.sock");
    let listener = Listener::bind(&ListenAddress::Unix(path.clone()), UnixMode::Owner).unwrap();
    let shutdown = Shutdown::new();
    let own = shutdown.clone();
    let serving = tokio::spawn(async move {
        listener.serve(router(), patient(), Tls::Off, &own).await;
    });
    let mut stream = UnixStream::connect(&path).await.unwrap();
    let request = "GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let own = rustix::process::getuid().as_raw();
    assert!(answer.contains(&format!("Unix {{ uid: {own},")), "{answer}");
    assert!(answer.contains(&format!("pid: Some({})", std::process::id())), "{answer}");
    shutdown.begin();
    serving.await.unwrap();
    assert!(!path.exists());
}

/// A GET of `/`, as a client of the C core of gRPC begins it over a Unix socket.
fn request_that_names_its_socket() -> Vec<u8> {
    let authority = b"tmp%2Frun%2Fsandboxes%2Fweb-1%2Fworkload-api.sock";
    let length = u8::try_from(authority.len()).unwrap();
    let block = [&[0x82, 0x84, 0x86, 0x41, length][..], authority].concat();
    let of = u8::try_from(block.len()).unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let headers = [0, 0, of, 1, 0x5, 0, 0, 0, 1];
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..], &headers, &block].concat()
}

/// The type of the first frame on stream 1.
async fn first_answer(mut stream: impl tokio::io::AsyncRead + Unpin) -> u8 {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        stream.read_exact(&mut vec![0; length]).await.unwrap();
        if head[5..] == [0, 0, 0, 1] {
            return head[3];
        }
    }
}

#[tokio::test]
async fn the_path_of_a_unix_socket_is_taken_for_an_authority_and_over_tcp_it_is_not() {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = Listener::bind(&ListenAddress::Unix(path.clone()), UnixMode::Owner).unwrap();
    let shutdown = Shutdown::new();
    let own = shutdown.clone();
    tokio::spawn(async move { listener.serve(router(), patient(), Tls::Off, &own).await });
    let mut local = UnixStream::connect(&path).await.unwrap();
    local.write_all(&request_that_names_its_socket()).await.unwrap();
    assert_eq!(first_answer(local).await, HEADERS);
    let mut remote = start(patient()).connect().await;
    remote.write_all(&request_that_names_its_socket()).await.unwrap();
    assert_eq!(first_answer(remote).await, RST_STREAM);
}

#[tokio::test]
async fn a_tls_peer_is_known_by_its_certificate() {
    let authority = Authority::new();
    let tls = ServerTls::mutual(&authority.authorities(), &authority.leaf(&[SERVER])).unwrap();
    let running = start_with(patient(), Tls::On(tls), router());
    let runner = authority.leaf(&[RUNNER]);
    let client = ClientTls::pinned(&authority.authorities(), SERVER, Some(&runner)).unwrap();
    let uri = format!("https://{}", running.address).parse().unwrap();
    let io = client.connector().connect(uri).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake::<_, Body>(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://a/who").body(Body::empty()).unwrap();
    let answer = sender.send_request(request).await.unwrap().into_body();
    let answer = http_body_util::BodyExt::collect(answer).await.unwrap().to_bytes();
    let answer = String::from_utf8(answer.to_vec()).unwrap();
    assert!(answer.contains("certificate: Some(PeerCertificate("), "{answer}");
    assert!(answer.contains("alpn: Some([104, 50])"), "{answer}");
}

#[tokio::test]
async fn a_stalled_or_missing_handshake_is_closed() {
    let authority = Authority::new();
    let tls = ServerTls::server_only(&authority.leaf(&[SERVER])).unwrap();
    let running = start_with(Limits { handshake: SHORT, ..patient() }, Tls::On(tls), router());
    for sent in ["", "\x16\x03\x01\x02\x00\x01"] {
        assert_eq!(running.exchange(sent).await, "", "{sent:?}");
    }
    let mut stream = running.connect().await;
    stream.write_all(HEAD.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
    drop(closed.expect("the server did not close"));
    assert!(!answer.starts_with(b"HTTP"));
}

/// A proxy that opens a tunnel and echoes, and tells whether bytes came early.
fn echoing_proxy() -> Router {
    Router::new().fallback(|mut request: axum::extract::Request| async move {
        let Some(tunnel) = TunnelRequest::of(&mut request) else { return http::StatusCode::OK };
        if request.uri().host() == Some("refused") {
            return http::StatusCode::FORBIDDEN;
        }
        let opened = match *request.method() {
            http::Method::CONNECT => http::StatusCode::OK,
            _ => http::StatusCode::SWITCHING_PROTOCOLS,
        };
        tokio::spawn(async move {
            let mut tunnel = tunnel.opened().await.unwrap();
            let early = u8::from(tunnel.spoke_early());
            tunnel.write_all(format!("early={early}\n").as_bytes()).await.unwrap();
            let (mut read, mut write) = tokio::io::split(tunnel);
            tokio::io::copy(&mut read, &mut write).await.unwrap();
        });
        opened
    })
}

fn start_proxy() -> Running {
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
    let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
    let shutdown = Shutdown::new();
    let own = shutdown.clone();
    tokio::spawn(async move { listener.serve_proxy(echoing_proxy(), patient(), &own).await });
    Running { address, shutdown }
}

#[tokio::test]
async fn a_proxy_opens_tunnels_and_knows_what_came_early() {
    let running = start_proxy();
    let heads = [
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "200"),
        ("CONNECT a:1 HTTP/1.0\r\n\r\n", "200"),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "101"),
    ];
    for (head, expected) in heads {
        for early in ["", "GET / HTTP/1.1\r\n"] {
            let mut stream = running.connect().await;
            stream.write_all(format!("{head}{early}").as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"\n\r\n") {
                answer.push(stream.read_u8().await.unwrap());
            }
            assert_eq!(status(&String::from_utf8(answer).unwrap()), expected, "{head}");
            stream.write_all(b"late").await.unwrap();
            stream.shutdown().await.unwrap();
            let told = read_to_close(&mut stream).await;
            let is_early = u8::from(!early.is_empty());
            assert_eq!(told, format!("early={is_early}\n{early}late"), "{head}");
        }
    }
}

#[tokio::test]
async fn a_proxy_ends_what_it_does_not_open_and_speaks_no_http2() {
    let running = start_proxy();
    let refused = "CONNECT refused:1 HTTP/1.1\r\nHost: refused:1\r\n\r\n";
    let answer = running.exchange(&format!("{refused}GET / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    assert_eq!((status(&answer), answer.matches("HTTP/1.1").count()), ("403", 1), "{answer}");
    assert_eq!(running.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, "");
}

#[tokio::test]
async fn a_stranger_to_a_proxy_makes_room_for_the_next_one_and_a_known_one_stays() {
    let router = Router::new().fallback(|request: axum::extract::Request| async move {
        if request.headers().contains_key("known") {
            request.extensions().get::<Arc<Stranger>>().unwrap().settle(());
        }
        "ok"
    });
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
    let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
    let shutdown = Shutdown::new();
    let limits = Limits { max_connections_per_ip: 1, header: Duration::from_secs(1), ..patient() };
    let own = shutdown.clone();
    tokio::spawn(async move { listener.serve_proxy(router, limits, &own).await });
    let running = Running { address, shutdown };
    let ask = async |stream: &mut TcpStream, line: &str| {
        let head = format!("GET http://a/ HTTP/1.1\r\nHost: a\r\n{line}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok") {
            answer.push(stream.read_u8().await.unwrap());
        }
    };
    let mut known = running.connect().await;
    ask(&mut known, "known: 1\r\n").await;
    let mut silent = running.connect().await;
    let mut stranger = running.connect().await;
    ask(&mut stranger, "").await;
    assert_eq!(read_to_close(&mut silent).await, "", "it has waited longest");
    // It never says who it is, and goes in its turn.
    assert_eq!(read_to_close(&mut stranger).await, "");
    ask(&mut known, "").await;
}
