//! What a sandbox may do changes while its connections are open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use moneyer_daemon::tls::WebAlpn;
use moneyer_identity::grant::{SandboxGrants, TlsMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::fixtures::*;
use crate::coordinator::Occupant;
use crate::fakes::sandbox;

fn get(world: &World) -> String {
    format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", world.authority())
}

#[tokio::test]
async fn the_next_request_in_an_open_tunnel_goes_by_the_new_grants() {
    let world = World::encrypted().await;
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    stream.write_all(get(&world).as_bytes()).await.unwrap();
    assert_eq!(status(&read_answer(&mut stream).await), "200");
    let mut changed = grants("2", world.port());
    changed.bindings.clear();
    world.permissions.set("s", changed);
    stream.write_all(get(&world).as_bytes()).await.unwrap();
    assert_eq!(status(&read_answer(&mut stream).await), "200");
    let received = world.upstream.received();
    assert_eq!(received.matches("canary").count(), 1, "{received}");
    world.permissions.set("s", grants("3", world.port()));
    stream.write_all(get(&world).as_bytes()).await.unwrap();
    assert_eq!(status(&read_answer(&mut stream).await), "200");
    let revisions: Vec<_> =
        world.tokens.asked.lock().unwrap().iter().map(|key| key.revision.clone()).collect();
    assert_eq!(revisions, ["1", "3"]);
}

#[tokio::test]
async fn a_sandbox_that_leaves_loses_its_tunnels_at_once() {
    for leave in [0, 1, 2] {
        let world = World::encrypted().await;
        let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
        stream.write_all(get(&world).as_bytes()).await.unwrap();
        assert_eq!(status(&read_answer(&mut stream).await), "200");
        match leave {
            0 => world.permissions.clear(),
            1 => world.credentials.remove(&sandbox("s")),
            _ => world.permissions.set("s", SandboxGrants::default()),
        }
        world.upstream.forget();
        stream.write_all(get(&world).as_bytes()).await.ok();
        let refused = tokio::time::timeout(SOON, read_head(&mut stream)).await.unwrap();
        assert!(matches!(status(&refused), "403" | "closed"), "{refused}");
        // Whatever it goes on to say, the tunnel ends.
        let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut Vec::new())).await;
        closed.expect("the tunnel stays open").ok();
        assert_eq!(world.upstream.received(), "");
    }
}

#[tokio::test]
async fn a_raw_tunnel_that_is_no_longer_permitted_is_closed_within_a_second() {
    let world = World::plain().await;
    let mut raw = grants("1", world.port());
    raw.endpoints[0].tls = TlsMode::Skip;
    world.permissions.set("s", raw);
    let mut tunnel = world.connect(&world.authority()).await.unwrap();
    let began = tokio::time::Instant::now();
    // It is to be looked into from now on.
    world.permissions.set("s", grants("2", world.port()));
    let closed = tokio::time::timeout(SOON, tunnel.read_to_end(&mut Vec::new())).await;
    closed.expect("the tunnel stays open").ok();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_change_while_a_token_is_fetched_is_obeyed() {
    let world = World::plain().await;
    let (permissions, port) = (Arc::clone(&world.permissions), world.port());
    let change = move || permissions.set("s", grants("2", port));
    *world.tokens.meanwhile.lock().unwrap() = Some(Box::new(change));
    assert_eq!(status(&world.get("/", "").await), "200");
    let revisions: Vec<_> =
        world.tokens.asked.lock().unwrap().iter().map(|key| key.revision.clone()).collect();
    assert_eq!(revisions, ["1", "2"], "the token of what was is not sent");
    assert!(world.upstream.received().contains("canary-token-2"));
    world.upstream.forget();
    let permissions = Arc::clone(&world.permissions);
    let change = move || permissions.set("s", SandboxGrants::default());
    *world.tokens.meanwhile.lock().unwrap() = Some(Box::new(change));
    let answer = world.get("/", "").await;
    assert!(status(&answer) == "403" && answer.contains("policy_denied"), "{answer}");
    // One that never rests has nothing sent.
    let (permissions, number) = (Arc::clone(&world.permissions), AtomicUsize::new(3));
    permissions.set("s", grants("3", port));
    let change = move || {
        let number = number.fetch_add(1, Ordering::SeqCst);
        permissions.set("s", grants(&format!("restless-{number}"), port));
    };
    *world.tokens.meanwhile.lock().unwrap() = Some(Box::new(change));
    assert_eq!(status(&world.get("/", "").await), "403");
    assert_eq!(world.upstream.received(), "");
}

#[tokio::test]
async fn grants_that_go_while_a_connection_is_made_stop_the_request() {
    let web = WebAuthority::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::at(listener.local_addr().unwrap(), &web).await;
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    stream.write_all(get(&world).as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    // The token was obtained, the handshake has not begun.
    assert_eq!(world.tokens.asked.lock().unwrap().len(), 1);
    let mut without = grants("2", world.port());
    without.endpoints[0].path = "/other".parse().unwrap();
    world.permissions.set("s", without);
    let mut terminated = web.server(HOST).http1_only().terminate(tcp).await.unwrap().stream;
    let answer = read_answer(&mut stream).await;
    assert!(status(&answer) == "403" && answer.contains("policy_denied"), "{answer}");
    drop(stream);
    let mut received = Vec::new();
    tokio::time::timeout(SOON, terminated.read_to_end(&mut received)).await.unwrap().ok();
    assert_eq!(received, b"");
}

#[tokio::test]
async fn a_secret_does_nothing_for_whoever_has_the_id_next() {
    let world = World::plain().await;
    assert_eq!(status(&world.get("/", "").await), "200");
    let asked = world.tokens.asked.lock().unwrap().len();
    world.permissions.set_of("s", Occupant::of_app("another"), grants("1", world.port()));
    assert_eq!(status(&world.get("/", "").await), "403");
    assert_eq!(world.tokens.asked.lock().unwrap().len(), asked);
}

#[tokio::test]
async fn a_token_travels_only_where_its_own_provider_reaches_too() {
    let world = World::plain().await;
    let mut grants = grants("1", world.port());
    let mut other = rule(world.port());
    other.provider = "other".parse().unwrap();
    other.path = "/v1/**".parse().unwrap();
    grants.endpoints.push(other);
    world.permissions.set("s", grants.clone());
    assert_eq!(status(&world.get("/v1/a", "").await), "200");
    world.upstream.forget();
    let asked = world.tokens.asked.lock().unwrap().len();
    // The other provider's endpoint decides, and reaches this machine; the token's own does not.
    grants.endpoints[0].allowed_ips = vec!["10.0.0.0/8".parse().unwrap()];
    world.permissions.set("s", grants);
    assert_eq!(status(&world.get("/v1/a", "").await), "403");
    assert_eq!(world.tokens.asked.lock().unwrap().len(), asked);
    assert_eq!(world.upstream.received(), "");
}

/// The grants of a sandbox, of which this much is another.
fn with(world: &World, revision: &str, change: impl Fn(&mut SandboxGrants)) {
    let mut grants = grants(revision, world.port());
    change(&mut grants);
    world.permissions.set("s", grants);
}

fn elsewhere(grants: &mut SandboxGrants) {
    grants.endpoints[0].allowed_ips = vec!["10.0.0.0/8".parse().unwrap()];
}

#[tokio::test]
async fn a_raw_tunnel_is_closed_where_its_address_is_no_longer_permitted() {
    let world = World::plain().await;
    with(&world, "1", |grants| grants.endpoints[0].tls = TlsMode::Skip);
    let mut tunnel = world.connect(&world.authority()).await.unwrap();
    // Another revision that says the same of it changes nothing.
    with(&world, "2", |grants| grants.endpoints[0].tls = TlsMode::Skip);
    tokio::time::sleep(Duration::from_millis(900)).await;
    tunnel.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(status(&read_answer(&mut tunnel).await), "200");
    let began = tokio::time::Instant::now();
    with(&world, "3", |grants| {
        grants.endpoints[0].tls = TlsMode::Skip;
        elsewhere(grants);
    });
    let closed = tokio::time::timeout(SOON, tunnel.read_to_end(&mut Vec::new())).await;
    closed.expect("the tunnel stays open").ok();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_tunnel_that_is_looked_into_is_closed_where_no_address_of_it_is_permitted() {
    let world = World::encrypted().await;
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    stream.write_all(get(&world).as_bytes()).await.unwrap();
    assert_eq!(status(&read_answer(&mut stream).await), "200");
    with(&world, "2", elsewhere);
    let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut Vec::new())).await;
    closed.expect("the tunnel stays open").ok();
}

#[tokio::test]
async fn a_revision_that_comes_while_a_connection_is_made_has_a_token_of_its_own() {
    let web = WebAuthority::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::at(listener.local_addr().unwrap(), &web).await;
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    stream.write_all(get(&world).as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let (tcp, _) = listener.accept().await.unwrap();
    // The grant says the same, and behind it may be what another user handed over.
    world.permissions.set("s", grants("2", world.port()));
    let mut terminated = web.server(HOST).http1_only().terminate(tcp).await.unwrap().stream;
    let received = tokio::time::timeout(SOON, read_head(&mut terminated)).await.unwrap();
    assert!(received.contains("Bearer canary-token-2\r\n"), "{received}");
    assert!(!received.contains("canary-token-1"), "{received}");
    let revisions: Vec<_> =
        world.tokens.asked.lock().unwrap().iter().map(|key| key.revision.clone()).collect();
    assert_eq!(revisions, ["1", "2"]);
    terminated.write_all(OK.as_bytes()).await.unwrap();
    assert_eq!(status(&read_answer(&mut stream).await), "200");
}

#[tokio::test]
async fn what_the_coordinator_said_too_long_ago_permits_nothing_and_closes_what_is_open() {
    let world = World::encrypted().await;
    let mut stream = world.tunnel(WebAlpn::Http1).await.stream;
    stream.write_all(get(&world).as_bytes()).await.unwrap();
    assert_eq!(status(&read_answer(&mut stream).await), "200");
    let asked = world.tokens.asked.lock().unwrap().len();
    world.upstream.forget();
    world.permissions.are_old.store(true, Ordering::SeqCst);
    let answer = world.get("/", "").await;
    assert!(status(&answer) == "503" && answer.contains("coordinator_away"), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after"), "{answer}");
    assert_eq!(status(&world.connect(&world.authority()).await.unwrap_err()), "503");
    let url = format!("https://{}/", world.authority());
    let told = world.proxy.explain(&sandbox("s"), "GET", &url).await;
    assert_eq!(told.outcome, "coordinator_away");
    let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut Vec::new())).await;
    closed.expect("the tunnel stays open").ok();
    assert_eq!(world.tokens.asked.lock().unwrap().len(), asked);
    assert_eq!(world.upstream.received(), "");
    world.permissions.are_old.store(false, Ordering::SeqCst);
    assert!(world.connect(&world.authority()).await.is_ok());
}
