//! An upstream of HTTP/2 that takes few requests at a time, and connections that are used again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::{Router, routing::any};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{Limits, ListenAddress, Listener, Tls, UnixMode};
use moneyer_daemon::tls::WebAlpn;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Semaphore;

use super::fixtures::*;
use crate::fakes::sandbox;

/// An upstream that answers when it is let, so many at a time.
struct Slow {
    seen: Arc<Mutex<Vec<String>>>,
    answers: Arc<Semaphore>,
}

impl Slow {
    async fn world(streams: u32) -> (Self, World) {
        let web = WebAuthority::new();
        let slow = Self { seen: Arc::default(), answers: Arc::new(Semaphore::new(0)) };
        let (seen, answers) = (Arc::clone(&slow.seen), Arc::clone(&slow.answers));
        let tell = move |headers: HeaderMap| {
            let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
            async move {
                let token = headers["authorization"].to_str().unwrap().to_owned();
                seen.lock().unwrap().push(token);
                answers.acquire().await.unwrap().forget();
            }
        };
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
        let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
        let (tls, limits) =
            (Tls::On(web.server(HOST)), Limits { h2_streams: streams, ..Limits::default() });
        let router = Router::new().fallback(any(tell));
        tokio::spawn(async move { listener.serve(router, limits, tls, &Shutdown::new()).await });
        let mut upstream = FakeUpstream::start(None).await;
        upstream.address = address;
        (slow, World::before(upstream, &web))
    }

    fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

pub(super) async fn client(world: &World) -> SendRequest<Body> {
    let connection = world.tunnel(WebAlpn::Either).await;
    assert!(connection.is_http2);
    let (executor, io) = (TokioExecutor::new(), TokioIo::new(connection.stream));
    let (sender, running) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(running);
    sender
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

fn get(world: &World) -> Request<Body> {
    Request::get(format!("https://{}/x", world.authority())).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_request_that_waits_for_its_turn_is_not_sent_when_its_grants_go() {
    let (slow, world) = Slow::world(1).await;
    let mut sender = client(&world).await;
    let first = tokio::spawn(sender.send_request(get(&world)));
    until("the first one is there", || slow.seen() == 1).await;
    let second = tokio::spawn(sender.send_request(get(&world)));
    until("the second one has its token", || world.tokens.asked.lock().unwrap().len() == 2).await;
    let mut without = grants("2", world.port());
    without.endpoints[0].path = "/other".parse().unwrap();
    world.permissions.set("s", without);
    slow.answers.add_permits(2);
    let answer = first.await.unwrap().unwrap();
    answer.into_body().collect().await.unwrap();
    let refused = second.await.unwrap().unwrap();
    assert_eq!(refused.status(), 403);
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("policy_denied"), "{body:?}");
    assert_eq!(slow.seen(), 1, "it was sent after all");
}

#[tokio::test]
async fn a_request_that_has_waited_long_for_its_turn_has_a_token_of_then() {
    for (seconds, expected) in [(19, "Bearer canary-token-2"), (21, "Bearer canary-token-3")] {
        let (slow, world) = Slow::world(1).await;
        let mut sender = client(&world).await;
        let first = tokio::spawn(sender.send_request(get(&world)));
        until("the first one is there", || slow.seen() == 1).await;
        let second = tokio::spawn(sender.send_request(get(&world)));
        let asked = || world.tokens.asked.lock().unwrap().len();
        until("the second one has its token", || asked() == 2).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
        slow.answers.add_permits(2);
        for answer in [first, second] {
            assert_eq!(answer.await.unwrap().unwrap().status(), 200);
        }
        assert_eq!(slow.seen.lock().unwrap()[1], expected, "{seconds}");
    }
}

#[tokio::test]
async fn requests_take_turns_on_the_one_connection_and_none_is_lost() {
    let (slow, world) = Slow::world(2).await;
    let mut sender = client(&world).await;
    let asked: Vec<_> = (0..7).map(|_| tokio::spawn(sender.send_request(get(&world)))).collect();
    until("two are there", || slow.seen() == 2).await;
    until("all have their tokens", || world.tokens.asked.lock().unwrap().len() == 7).await;
    assert_eq!(slow.seen(), 2, "the upstream takes two at a time");
    slow.answers.add_permits(7);
    for answer in asked {
        let answer = tokio::time::timeout(SOON, answer).await.unwrap().unwrap().unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(slow.seen(), 7);
}

#[tokio::test]
async fn a_connection_is_kept_where_the_sandbox_has_room_for_one_that_waits() {
    for (held, connections) in [(63, 1), (64, 2)] {
        let world = World::encrypted().await;
        let dialler = &world.proxy.parts.dialler;
        let held: Vec<_> = (0..held).map(|_| dialler.place_of_idle(&sandbox("s"))).collect();
        let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
        for _ in 0..2 {
            let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", world.authority());
            stream.write_all(get.as_bytes()).await.unwrap();
            assert_eq!(status(&read_answer(&mut stream).await), "200");
            // What is kept is kept when the answer is read.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(world.upstream.connections.load(Ordering::SeqCst), connections);
        drop(held);
    }
}

/// An upstream whose answers have no end, and how many bytes of them it has handed over.
async fn endless() -> (World, Arc<AtomicUsize>) {
    const PIECE: usize = 16 * 1024;
    let (web, handed_over) = (WebAuthority::new(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&handed_over);
    let answer = move || {
        let count = Arc::clone(&count);
        let pieces = futures_util::stream::repeat_with(move || {
            count.fetch_add(PIECE, Ordering::SeqCst);
            Ok::<_, std::convert::Infallible>(vec![0_u8; PIECE])
        });
        async move { Body::from_stream(pieces) }
    };
    let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap(), UnixMode::Owner).unwrap();
    let ListenAddress::Tcp(address) = *listener.local_address() else { unreachable!() };
    let (tls, router) = (Tls::On(web.server(HOST)), Router::new().fallback(any(answer)));
    let limits = Limits::default();
    tokio::spawn(async move { listener.serve(router, limits, tls, &Shutdown::new()).await });
    let mut upstream = FakeUpstream::start(None).await;
    upstream.address = address;
    (World::before(upstream, &web), handed_over)
}

#[tokio::test]
async fn of_answers_that_a_sandbox_does_not_take_as_much_lies_here_as_the_windows_hold() {
    const KIB: usize = 1024;
    // Of each: what lies at the upstream, and here on the way to the sandbox.
    let elsewhere = 4 * 64 * KIB;
    for (answers, window) in [(1, 256 * KIB), (8, 1024 * KIB)] {
        let (world, handed_over) = endless().await;
        let connection = world.tunnel(WebAlpn::Either).await;
        let (executor, io) = (TokioExecutor::new(), TokioIo::new(connection.stream));
        let mut builder = hyper::client::conn::http2::Builder::new(executor);
        builder.initial_stream_window_size(64 * 1024);
        let (mut sender, running) = builder.handshake(io).await.unwrap();
        tokio::spawn(running);
        let mut open = Vec::new();
        for _ in 0..answers {
            open.push(sender.send_request(get(&world)).await.unwrap());
        }
        let mut before = 0;
        until("it comes to rest", || {
            std::thread::sleep(Duration::from_millis(1));
            let now = handed_over.load(Ordering::SeqCst);
            std::mem::replace(&mut before, now) == now && now >= window
        })
        .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let handed_over = handed_over.load(Ordering::SeqCst);
        let most = window + answers * elsewhere;
        assert!((window..=most).contains(&handed_over), "{answers}: {handed_over} of {most}");
        drop(open);
    }
}
