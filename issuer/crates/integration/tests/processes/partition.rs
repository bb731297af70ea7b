//! Faults F16 to F18: a network between runner and coordinator that carries nothing, one way only, or
//! next to nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use moneyer_load::http1::Endpoint;
use moneyer_load::stand::RunnerProxy;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep};

use crate::coordinator_away::{ask, ask_until};
use crate::host::{
    JITTER, allowed_burst, ask_at_once, burst, host, minted, readiness, sandbox, token_id,
    tokens_in_files,
};
use crate::relay::{End, Relay, Way};
use crate::stand::Stand;

/// Both ends ask every 10 s whether the other is there, and wait 5 s for an answer.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);

/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(3);

/// How long a request for a new token may wait for the coordinator.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// The widest pause between two attempts to connect: within it everything is as before.
const BACK_WITHIN: Duration = Duration::from_secs(30 + 5);

/// Callers at a time, fewer than the tokens that are kept for a sandbox.
const CALLERS: usize = 32;

/// Sandboxes on the host.
const SANDBOXES: usize = 8;

/// Sandboxes that come while nothing can be had for them.
const WAITING: usize = 32;

/// All of them, with one that came just before.
const ALL: usize = SANDBOXES + WAITING + 1;

/// Attempts to get one token while the connection is taken for good: at most 15 s of it, each ends after
/// 5 s, and pauses of 0.5 s to 2 s lie between them.
const ATTEMPTS: usize = 3;

/// A host behind a relay, with an audience cached.
async fn behind_relay() -> (Stand, Relay, RunnerProxy, Endpoint, String) {
    let stand = Stand::start().await;
    let relay = Relay::to(stand.coordinator.grpc());
    let proxy = host(&stand, relay.address(), SANDBOXES).await;
    let server = proxy.token_server(&sandbox(0));
    let cached = ask_until(&server, "?audience=a", 200).await;
    (stand, relay, proxy, server, cached)
}

/// Waits until `end` has closed a connection, and returns how long that took.
async fn until_noticed(relay: &Relay, end: End, since: Instant, before: usize) -> Duration {
    while relay.closed_by(end) == before {
        assert!(since.elapsed() < NOTICED_WITHIN + SLACK, "{end:?} has not noticed");
        sleep(Duration::from_millis(50)).await;
    }
    since.elapsed()
}

/// Waits until both ends have closed what they held, and says how long each took.
async fn until_both_noticed(relay: &Relay, since: Instant, before: (usize, usize)) {
    let (runner, coordinator) = tokio::join!(
        until_noticed(relay, End::Runner, since, before.0),
        until_noticed(relay, End::Coordinator, since, before.1),
    );
    eprintln!(
        "noticed by the runner after {runner:.1?}, by the coordinator after {coordinator:.1?}"
    );
}

fn closed(relay: &Relay) -> (usize, usize) {
    (relay.closed_by(End::Runner), relay.closed_by(End::Coordinator))
}

/// Asks for the cached token again and again, for as long as the task lives.
fn served_throughout(server: Endpoint, cached: String) -> JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            assert_eq!(ask_at_once(&server, "?audience=a"), cached);
            sleep(Duration::from_millis(100)).await;
        }
    })
}

/// Ends it; fails the test if it failed.
async fn was_served(task: JoinHandle<()>) {
    task.abort();
    let ended = task.await;
    assert!(ended.as_ref().is_err_and(tokio::task::JoinError::is_cancelled), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_partition_is_noticed_by_both_ends_and_costs_no_cached_token() {
    let (stand, relay, proxy, server, cached) = behind_relay().await;
    let waiting = SANDBOXES..ALL - 1;
    for number in SANDBOXES..ALL {
        stand.place(&sandbox(number), "host").await;
    }
    // The last one is known to the host, so all are.
    proxy.attach(&sandbox(ALL - 1)).await.unwrap();
    let files = tokens_in_files(&proxy, SANDBOXES);
    let polling = served_throughout(server.clone(), cached);
    let (since, before) = (Instant::now(), closed(&relay));

    relay.set(Way::Cut, Way::Cut);

    until_both_noticed(&relay, since, before).await;
    while readiness(&proxy).0 == 200 {
        let limit = NOTICED_WITHIN + CALL_LIMIT + SLACK;
        assert!(since.elapsed() < limit, "/readyz takes the coordinator for connected");
        sleep(Duration::from_millis(50)).await;
    }
    // From then on nobody waits for what cannot be had.
    let asked = Instant::now();
    let (status, body) = ask(&server, "?audience=never-asked-before");
    assert_eq!(status, 503, "{body}");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    for number in waiting {
        proxy.attach(&sandbox(number)).await.unwrap();
    }
    let log = stand.directory.path().join("audit");
    let before = minted(&log).len();

    relay.set(Way::Open, Way::Open);

    let healed = Instant::now();
    ask_until(&server, "?audience=never-asked-before", 200).await;
    assert!(healed.elapsed() < BACK_WITHIN, "{:?}", healed.elapsed());
    was_served(polling).await;
    let file = |number| proxy.sandbox_directory(&sandbox(number)).join("token");
    while !(0..ALL).all(|number| file(number).exists()) {
        assert!(healed.elapsed() < BACK_WITHIN + JITTER, "a sandbox waits for its token");
        sleep(Duration::from_millis(100)).await;
    }
    let now = tokens_in_files(&proxy, ALL);
    assert!(now.is_superset(&files), "a token in its first half was not renewed");
    let fresh = &minted(&log)[before..];
    let (most, seconds) = burst(fresh);
    eprintln!("{} tokens after the heal in {seconds} seconds, at most {most} in one", fresh.len());
    assert!(fresh.len() <= WAITING + ATTEMPTS, "{} tokens for {WAITING} sandboxes", fresh.len());
    assert!(most <= allowed_burst(WAITING, JITTER), "a herd: {most} tokens in one second");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_are_asked_for_again_a_few_times_and_are_all_in_the_log() {
    let (stand, relay, proxy, server, cached) = behind_relay().await;
    let log = stand.directory.path().join("audit");
    let (known_now, late) = (sandbox(SANDBOXES), sandbox(SANDBOXES + 1));
    for name in [&late, &known_now] {
        stand.place(name, "host").await;
    }
    // The host knows the one that was placed last, so it knows the other.
    proxy.attach(&known_now).await.unwrap();
    let mut received = tokens_in_files(&proxy, SANDBOXES + 1);
    received.insert(token_id(&token_of(&cached)));
    let known: BTreeSet<_> = minted(&log).into_iter().map(|minted| minted.token_id).collect();
    assert!(known.is_superset(&received), "P5: a token is not in the log");
    let polling = served_throughout(server.clone(), cached);
    let (since, before) = (Instant::now(), closed(&relay));

    // Requests arrive, and are granted; nothing comes back.
    relay.set(Way::Open, Way::Cut);

    let attaching = proxy.attach(&late);
    let asking = {
        let server = server.clone();
        spawn_blocking(move || ask(&server, "?audience=lost"))
    };
    let noticing = until_both_noticed(&relay, since, before);
    let (attached, asked, ()) = tokio::join!(attaching, asking, noticing);
    attached.unwrap();
    assert_eq!(asked.unwrap().0, 503, "there was no reply");
    // Nothing is asked of a coordinator that is known to be away, however long that lasts.
    sleep(CALL_LIMIT).await;
    let noticed = minted(&log).len();
    sleep(CALL_LIMIT).await;
    let lost = minted(&log);
    assert_eq!(lost.len(), noticed, "minting goes on though no reply can arrive");
    let lost = lost.len() - known.len();
    eprintln!("{lost} tokens minted for 2 that were asked for and not received");
    assert!((2..=1 + ATTEMPTS).contains(&lost), "{lost}");

    relay.set(Way::Open, Way::Open);

    let body = ask_until(&server, "?audience=lost", 200).await;
    let give_up = Instant::now() + BACK_WITHIN + JITTER;
    let file = proxy.sandbox_directory(&late).join("token");
    while !file.exists() {
        assert!(Instant::now() < give_up, "the file of {late} is not written");
        sleep(Duration::from_millis(50)).await;
    }
    was_served(polling).await;
    let all: Vec<_> = minted(&log).into_iter().map(|minted| minted.token_id).collect();
    let distinct: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(distinct.len(), all.len(), "a token was minted again under its old jti");
    for fresh in [token_id(&token_of(&body)), token_id(&std::fs::read_to_string(file).unwrap())] {
        assert!(distinct.contains(&fresh) && !known.contains(&fresh), "P5: {fresh}");
    }
    eprintln!("{} minted, {} received, in all", all.len(), received.len() + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_network_costs_time_and_one_that_drips_ends_cleanly() {
    let (_stand, relay, proxy, server, cached) = behind_relay().await;
    let polling = served_throughout(server.clone(), cached);

    let half = Duration::from_millis(500);
    relay.set(Way::Late(half), Way::Late(half));
    let asked = Instant::now();
    assert_eq!(ask(&server, "?audience=far").0, 200);
    assert!(asked.elapsed() >= 2 * half, "the relay does not delay: {:?}", asked.elapsed());

    let (since, before) = (Instant::now(), closed(&relay));
    let second = Duration::from_secs(1);
    relay.set(Way::Trickle(second), Way::Trickle(second));
    let mut asking = JoinSet::new();
    for number in 0..CALLERS {
        let server = server.clone();
        asking.spawn_blocking(move || {
            let asked = Instant::now();
            let (status, _) = ask(&server, &format!("?audience=drip-{number}"));
            (status, asked.elapsed())
        });
    }
    while let Some(answered) = asking.join_next().await {
        let (status, waited) = answered.unwrap();
        assert_eq!(status, 503);
        assert!(waited < CALL_LIMIT + SLACK, "a caller waited {waited:?}");
    }
    until_noticed(&relay, End::Runner, since, before.0).await;
    let opened = relay.opened();

    relay.set(Way::Open, Way::Open);
    ask_until(&server, "?audience=drip-0", 200).await;
    was_served(polling).await;
    assert!(relay.opened() - opened <= 4, "connections pile up: {}", relay.opened());
    tokens_in_files(&proxy, SANDBOXES);
}

/// The token of an answer.
fn token_of(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["value"].as_str().unwrap().to_owned()
}
