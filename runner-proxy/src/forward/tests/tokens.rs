//! Tokens of a token endpoint, all the way: what many requests at once cost, and what becomes of them without it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use futures_util::future::join_all;
use http::{Request, StatusCode};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use moneyer_daemon::tls::WebAlpn;
use moneyer_identity::grant::{
    BearerToken, Destination, PathPattern, SandboxGrants, TokenEndpoint,
};
use tokio::time::advance;

use super::fixtures::*;
use super::intercepted::modern;
use crate::grant::{self, GrantError, GrantKey, TokenCache, TokenSource};

/// Requests in one tunnel at a time: what a listener takes of HTTP/2.
const STREAMS: usize = 100;

/// A cache that tells how many have come to it.
struct Counted {
    cache: TokenCache,
    came: AtomicUsize,
}

#[async_trait]
impl TokenSource for Counted {
    async fn token(
        &self,
        key: GrantKey,
        destination: &Destination,
    ) -> Result<Arc<BearerToken>, Arc<GrantError>> {
        self.came.fetch_add(1, Ordering::SeqCst);
        self.cache.token(key, destination).await
    }

    fn refused(&self, key: &GrantKey, token: &BearerToken) {
        self.cache.refused(key, token);
    }
}

/// What the sandbox may do with a token of this endpoint.
fn granted_by(world: &grant::World, port: u16) -> SandboxGrants {
    let mut granted = grants("2", port);
    granted.bindings[0].grant.endpoint = TokenEndpoint::parse(&world.endpoint.url).ok();
    granted
}

/// A tunnel with HTTP/2 in it, in which something was asked already that needs no token.
async fn warm(world: &World) -> SendRequest<Body> {
    let io = TokioIo::new(world.tunnel(WebAlpn::Either).await.stream);
    let executor = TokioExecutor::new();
    let (mut sender, running) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(running);
    assert_eq!(ask(world, &mut sender, "/warm").await, StatusCode::OK);
    sender
}

async fn ask(world: &World, sender: &mut SendRequest<Body>, path: &str) -> StatusCode {
    let uri = format!("https://{}{path}", world.authority());
    let request = Request::get(uri).body(Body::empty()).unwrap();
    sender.send_request(request).await.unwrap().status()
}

/// 10,000 take seconds in a release: `MONEYER_FORWARD_AT_ONCE`.
fn at_once() -> usize {
    #[expect(clippy::disallowed_methods, reason = "a test is told its size so")]
    let told = std::env::var("MONEYER_FORWARD_AT_ONCE");
    told.map_or(1000, |number| number.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_requests_come_at_once_to_a_cold_destination_one_token_is_asked_for() {
    let (tokens, number) = (grant::World::start().await, at_once());
    let counted = Arc::new(Counted { cache: tokens.cache.clone(), came: AtomicUsize::new(0) });
    let web = WebAuthority::new();
    let mut upstream = FakeUpstream::start(None).await;
    upstream.address = modern(&web);
    let tunnels = number.div_ceil(STREAMS);
    let room = Room { tunnels, connections: tunnels, strangers: tunnels };
    let world = World::with(upstream, &web, Arc::clone(&counted) as _, room);
    let mut granted = granted_by(&tokens, world.port());
    granted.bindings[0].path = PathPattern::parse("/cold/**").unwrap();
    world.permissions.set("s", granted);
    let mut senders = Vec::with_capacity(tunnels);
    for _ in 0..tunnels {
        senders.push(warm(&world).await);
    }
    assert_eq!(counted.came.load(Ordering::SeqCst), 0);

    tokens.endpoint.turns.forget_permits(usize::MAX);
    let asking = senders.iter().cycle().take(number).cloned().map(|mut sender| {
        let world = &world;
        async move { ask(world, &mut sender, "/cold/x").await }
    });
    let opening = async {
        // All of them wait, and only then the token is handed over.
        while counted.came.load(Ordering::SeqCst) < number {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(tokens.endpoint.asked(), 1);
        tokens.endpoint.turns.add_permits(number);
    };
    let (answers, ()) = tokio::join!(join_all(asking), opening);
    assert_eq!(answers.len(), number);
    assert!(answers.iter().all(|status| *status == StatusCode::OK));
    assert_eq!(counted.came.load(Ordering::SeqCst), number);
    assert_eq!(tokens.endpoint.asked(), 1);
}

#[tokio::test]
async fn without_its_token_endpoint_what_is_in_hand_serves_to_its_end_and_then_nothing_is_sent() {
    let (tokens, web) = (grant::World::start().await, WebAuthority::new());
    let upstream = FakeUpstream::start(None).await;
    let source = Arc::new(tokens.cache.clone());
    let world = World::with(upstream, &web, source, Room::default());
    world.permissions.set("s", granted_by(&tokens, world.port()));
    assert_eq!(status(&world.get("/", "").await), "200");
    // From here on it is down.
    (0..20).for_each(|_| tokens.endpoint.then(503, ""));
    let pass = async |seconds: u64| {
        tokio::time::pause();
        advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    };
    // Of 300 s a token is used for 270.
    for seconds in [100, 120, 49] {
        pass(seconds).await;
        world.upstream.forget();
        assert_eq!(status(&world.get("/", "").await), "200", "{seconds}");
        assert!(world.upstream.received().contains("Bearer token-1\r\n"));
    }
    pass(2).await;
    world.upstream.forget();
    let connections = world.upstream.connections.load(Ordering::SeqCst);
    let answer = world.get("/", "").await;
    assert_eq!(status(&answer), "502");
    assert!(answer.contains("token_grant_failed") && !answer.contains("token-1"), "{answer}");
    assert_eq!(world.upstream.received(), "");
    assert_eq!(world.upstream.connections.load(Ordering::SeqCst), connections);
    // It is back, and has been told of by nobody.
    tokens.endpoint.recover();
    pass(2).await;
    assert_eq!(status(&world.get("/", "").await), "200");
    assert!(!world.upstream.received().contains("Bearer token-1\r\n"));
}
