//! `listen.acme`: certificates from an ACME server, a model of which runs beside the coordinator.

use std::time::Duration;

use axum::http::StatusCode;
use moneyer_daemon::unix_http::Method;
use moneyer_identity::{Clock as _, ClockFault, SystemClock};
use moneyer_testkit::ManualClock;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use super::tls_client::{Connection, HOST, TlsClient, public_address};
use crate::world::{World, json, prepare};

mod challenge;
mod jws;
mod model;

use model::Model;

const DISCOVERY: &str = "/.well-known/openid-configuration";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Longer than the wait after a first failure with all that may be added by chance.
const AFTER_ONE_FAILURE: Duration = Duration::from_secs(13 * 60);

fn clock() -> ManualClock {
    let clock = ManualClock::default();
    clock.set(SystemClock.now());
    clock
}

/// A coordinator whose certificate comes from this server.
async fn start(model: &Model, clock: &ManualClock) -> World {
    let directory = tempfile::tempdir().unwrap();
    prepare(&directory);
    let root = directory.path().join("acme.pem");
    std::fs::write(&root, &model.ca.pem).unwrap();
    let path = directory.path().join("moneyer.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let acme = format!(
        "[listen.acme]\ndirectory = '{}'\ncontacts = ['mailto:ops@example.com']\n\
         accept_terms = true\nroot_ca = '{}'\n",
        model.directory(),
        root.display()
    );
    std::fs::write(path, format!("{text}\n{acme}")).unwrap();
    begin(directory, clock).await
}

async fn begin(directory: TempDir, clock: &ManualClock) -> World {
    World::start_in(directory, clock.clone(), &[]).await
}

/// Starts the coordinator anew, in its directory.
async fn restart(world: World, clock: &ManualClock) -> World {
    let World { app, directory, .. } = world;
    app.stop().await;
    begin(directory, clock).await
}

fn client(world: &World, model: &Model) -> TlsClient {
    TlsClient::new(world, &model.ca.pem)
}

/// How long a busy machine may take for anything.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something holds.
async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    assert!(within(PATIENCE, holds).await, "it never came to be: {what}");
}

async fn within(time: Duration, mut holds: impl AsyncFnMut() -> bool) -> bool {
    let patience = tokio::time::Instant::now() + time;
    while !holds().await {
        if tokio::time::Instant::now() >= patience {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

/// Time enough for the loop to look several times: what it should not do it would have done.
async fn some_looks() {
    tokio::time::sleep(Duration::from_millis(2500)).await;
}

/// A connection that is shown a certificate other than this one.
async fn connected(client: &TlsClient, other_than: Option<&CertificateDer<'_>>) -> Connection {
    let mut found = None;
    until("a new certificate", async || {
        found = client.connect().await.ok().filter(|one| Some(&one.leaf) != other_than);
        found.is_some()
    })
    .await;
    let mut found = found.unwrap();
    found.get(DISCOVERY).await;
    found
}

/// A connection, once an order that waits for where the host is found has come to its end. An attempt has a minute of the
/// machine's time, which a busy one may have spent before it was told; the next one takes the same order up, and is due by
/// the test's clock.
async fn connected_by(clock: &ManualClock, client: &TlsClient) -> Connection {
    let answers = async || client.connect().await.is_ok();
    for _ in 0..4 {
        if within(PATIENCE / 4, answers).await {
            break;
        }
        clock.advance(AFTER_ONE_FAILURE);
    }
    connected(client, None).await
}

fn counts(model: &Model) -> (usize, usize) {
    model.with(|state| (state.accounts.len(), state.orders.len()))
}

/// Whether a text lies in any file of the store.
fn is_on_disk(world: &World, text: &[u8]) -> bool {
    let mut folders = vec![world.directory.path().join("store")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                if bytes.windows(text.len()).any(|window| window == text) {
                    return true;
                }
            }
        }
    }
    false
}

#[tokio::test]
async fn a_first_certificate_is_ordered_proved_and_served() {
    let clock = clock();
    let model = Model::start(clock.clone());
    model.with(|state| state.forgotten_nonces = 2);
    let world = start(&model, &clock).await;
    let client = client(&world, &model);

    until("an order", async || counts(&model) == (1, 1)).await;
    let ready = world.operations(Method::GET, "/readyz").await;
    assert_eq!(ready.status, 200);
    let last = json(&ready)["checks"].as_array().unwrap().last().unwrap().clone();
    let problem = "there is no certificate yet";
    let expected = serde_json::json!({
        "name": "public_certificate", "ok": false, "needed": false, "problem": problem,
    });
    assert_eq!(last, expected);
    let status = json(&world.operations(Method::GET, "/status.json").await);
    let sentence = status["verdict"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("the public listener has no good certificate"), "{sentence}");
    client.connect().await.unwrap_err();

    model.found_at.send_replace(Some(public_address(&world)));
    let first = connected_by(&clock, &client).await;
    assert_eq!(first.protocol.as_deref(), Some(&b"h2"[..]));
    assert_eq!(counts(&model), (1, 1));
    let contacts = model.with(|state| state.accounts[0].1.clone());
    assert_eq!(contacts, serde_json::json!(["mailto:ops@example.com"]));
    // The answer to the challenge goes away with it.
    until("no answer any more", async || {
        challenge::shown(public_address(&world), HOST).await.is_err()
    })
    .await;
    assert!(!is_on_disk(&world, b"BEGIN CERTIFICATE") && !is_on_disk(&world, b"localhost"));
    assert!(is_on_disk(&world, b"acme"), "the search finds what is there");
}

#[tokio::test]
async fn a_restart_makes_no_account_and_no_order() {
    let clock = clock();
    let model = Model::start(clock.clone());
    let world = start(&model, &clock).await;
    let answers = async |world: &World| {
        let address = public_address(world);
        until("the answer", async || challenge::shown(address, HOST).await.is_ok()).await;
    };
    answers(&world).await;

    // In the middle of an order: it goes on. A server that looked before the answer stands again would
    // refuse the order.
    let world = restart(world, &clock).await;
    answers(&world).await;
    model.found_at.send_replace(Some(public_address(&world)));
    let first = connected_by(&clock, &client(&world, &model)).await;
    assert_eq!(counts(&model), (1, 1));

    // With a certificate: it is served from the first connection on, and the server is not asked.
    let world = restart(world, &clock).await;
    model.with(|state| state.refusing = Some((StatusCode::BAD_GATEWAY, None)));
    let again = client(&world, &model).connect().await.unwrap();
    assert_eq!(again.leaf, first.leaf);
    some_looks().await;
    assert_eq!(counts(&model), (1, 1));
    assert_eq!(client(&world, &model).connect().await.unwrap().leaf, first.leaf);
}

#[tokio::test]
async fn it_is_renewed_while_it_serves_by_a_clock_that_is_sound() {
    let clock = clock();
    let model = Model::start(clock.clone());
    let world = start(&model, &clock).await;
    let client = client(&world, &model);
    model.found_at.send_replace(Some(public_address(&world)));
    let mut first = connected(&client, None).await;

    clock.fail(Some(ClockFault::Behind { by: DAY }));
    clock.advance(64 * DAY);
    some_looks().await;
    assert_eq!(counts(&model), (1, 1), "not by this clock");
    clock.fail(None);
    let second = connected(&client, Some(&first.leaf)).await;
    assert_eq!(counts(&model), (1, 2));
    assert_ne!(second.leaf, first.leaf);
    first.get(DISCOVERY).await;
}

#[tokio::test]
async fn a_challenge_that_fails_is_tried_again_after_a_wait_and_with_another_order() {
    let clock = clock();
    let model = Model::start(clock.clone());
    let world = start(&model, &clock).await;
    // The host leads elsewhere: to a listener that has no such answer.
    let elsewhere = match &world.app.addresses().grpc {
        moneyer_daemon::listener::ListenAddress::Tcp(address) => *address,
        moneyer_daemon::listener::ListenAddress::Unix(_) => unreachable!(),
    };
    model.found_at.send_replace(Some(elsewhere));
    until("a failed order", async || {
        model.with(|state| state.orders.first().is_some_and(|order| order.status == "invalid"))
    })
    .await;
    model.found_at.send_replace(Some(public_address(&world)));
    some_looks().await;
    assert_eq!(counts(&model), (1, 1), "not at once");
    clock.advance(AFTER_ONE_FAILURE);
    connected(&client(&world, &model), None).await;
    assert_eq!(counts(&model), (1, 2));
}

#[tokio::test]
async fn while_the_server_is_away_the_old_certificate_serves() {
    let clock = clock();
    let model = Model::start(clock.clone());
    let world = start(&model, &clock).await;
    let client = client(&world, &model);
    model.found_at.send_replace(Some(public_address(&world)));
    let first = connected(&client, None).await;

    model.with(|state| state.refusing = Some((StatusCode::BAD_GATEWAY, None)));
    clock.advance(64 * DAY);
    some_looks().await;
    assert_eq!(client.connect().await.unwrap().leaf, first.leaf);
    model.with(|state| state.refusing = None);
    some_looks().await;
    assert_eq!(counts(&model), (1, 1), "not at once");
    clock.advance(AFTER_ONE_FAILURE);
    connected(&client, Some(&first.leaf)).await;
    assert_eq!(counts(&model), (1, 2));
}

#[tokio::test]
async fn the_wait_that_the_server_asks_for_is_kept_across_a_restart() {
    let clock = clock();
    let model = Model::start(clock.clone());
    model.with(|state| state.refusing = Some((StatusCode::TOO_MANY_REQUESTS, Some("7200"))));
    let world = start(&model, &clock).await;
    // Refused at the directory, before any order.
    some_looks().await;
    model.with(|state| state.refusing = None);
    clock.advance(Duration::from_secs(7199));
    some_looks().await;
    assert_eq!(counts(&model), (0, 0));
    let world = restart(world, &clock).await;
    some_looks().await;
    assert_eq!(counts(&model), (0, 0));
    model.found_at.send_replace(Some(public_address(&world)));
    clock.advance(Duration::from_secs(7200 / 4 + 2));
    connected(&client(&world, &model), None).await;
    assert_eq!(counts(&model), (1, 1));
}
