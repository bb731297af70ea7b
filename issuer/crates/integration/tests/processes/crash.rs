//! Fault F2: `kill -9` at random moments under registrations, minting and rotation.
//!
//! `MONEYER_KILL_ROUNDS` says how many rounds (default 6; `make soak` takes 1,000).

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::kill::all_sandboxes;
use crate::load::{mint_for, register};
use crate::recorder::Recorder;
use crate::stand::{FAST_ROTATION, PUBLISHED_BEFORE_USE, Stand, number};

/// A start that takes longer has hung. What it should take, 2 s, is printed and not asserted: the
/// machine may be busy.
const START_LIMIT: Duration = Duration::from_secs(10);

/// The longest a coordinator lives, in milliseconds.
const LONGEST_LIFE: u64 = 2500;

/// Every so many rounds it lives longer: time counts for keys when it is kept, every 5 s.
const LONGER_EVERY: u64 = 3;

/// By how many milliseconds.
const LONGER: u64 = 5500;

/// Rounds after which another key must have signed: two longer lives to ripen it, and it may fall to the
/// end of the second.
const ROUNDS_FOR_A_KEY: u64 = 4 * LONGER_EVERY;

#[tokio::test(flavor = "multi_thread")]
async fn kills_at_random_moments_lose_nothing_and_publish_every_key() {
    let rounds = number("MONEYER_KILL_ROUNDS", 6);
    let mut stand = Stand::start_with(&FAST_ROTATION).await;
    let runner = stand.runner("runner-1").await;
    stand.place("minting", "runner-1").await;
    let recorder = Arc::new(Recorder::start(&stand));
    let next = Arc::default();
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let mut tasks = JoinSet::new();
        register(&mut tasks, &stand, &recorder, &next).await;
        mint_for(&mut tasks, &runner, &recorder, "minting").await;
        // Each hasher has keys of its own from the operating system.
        let life = RandomState::new().hash_one(round) % LONGEST_LIFE;
        let life = if round % LONGER_EVERY == 0 { life + LONGER } else { life };
        tokio::time::sleep(Duration::from_millis(life)).await;
        stand.coordinator.kill().await.unwrap();
        while tasks.join_next().await.is_some() {}
        stand.coordinator = stand.coordinator.restart().await.unwrap();
        let start_up = stand.coordinator.start_up();
        slowest = slowest.max(start_up);
        assert!(start_up < START_LIMIT, "round {round}: ready after {start_up:?}");
        recorder.assert_nothing_lost(&all_sandboxes(&stand).await);
    }
    // A run without a rotation tries half of what it is for.
    let keys = u64::try_from(recorder.signing_keys()).unwrap();
    assert!(keys > rounds / ROUNDS_FOR_A_KEY, "only {keys} keys signed in {rounds} rounds");
    // However the moments fell: until another key signs, without a fault.
    let before = recorder.signing_keys();
    let mut tasks = JoinSet::new();
    mint_for(&mut tasks, &runner, &recorder, "minting").await;
    let give_up = tokio::time::Instant::now() + Duration::from_secs(30);
    while recorder.signing_keys() <= before {
        assert!(tokio::time::Instant::now() < give_up, "no key was rotated");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stand.coordinator.kill().await.unwrap();
    while tasks.join_next().await.is_some() {}
    let (tokens, keys) = (recorder.tokens(), recorder.signing_keys());
    println!("{rounds} kills, {tokens} tokens of {keys} keys, slowest start {slowest:?}");
    recorder.assert_every_token_verifies(PUBLISHED_BEFORE_USE);
    let directory = stand.directory.path();
    recorder.assert_every_token_is_in_the_log(directory, &directory.join("audit"));
}
