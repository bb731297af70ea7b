//! Fault F20: keys change while 64 tasks mint.

use std::sync::Arc;
use std::time::Duration;

use moneyer_proto::v1::minting_client::MintingClient;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::recorder::Recorder;
use crate::stand::{FAST_ROTATION, PUBLISHED_BEFORE_USE, Stand, mint, number};

/// Tasks that mint.
const TASKS: usize = 64;

/// Keys that must have signed: `MONEYER_RACE_KEYS` asks for more.
const KEYS: u64 = 3;

/// A key signs for 6 s; more is a rotation that hangs.
const LONGEST_KEY: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn no_token_of_a_race_with_rotation_lacks_a_published_key() {
    let keys = number("MONEYER_RACE_KEYS", KEYS);
    let mut stand = Stand::start_with(&FAST_ROTATION).await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let recorder = Arc::new(Recorder::start(&stand));
    let channel = runner.connect().await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (mut client, recorder) = (MintingClient::new(channel.clone()), recorder.clone());
        tasks.spawn(async move {
            while let Ok(token) = mint(&mut client, "web-1").await {
                recorder.received(token);
                // Signing would otherwise leave nothing of the machine to the rest of the test.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    let give_up = Instant::now() + LONGEST_KEY * u32::try_from(keys).unwrap();
    while (recorder.signing_keys() as u64) < keys {
        assert!(!tasks.is_empty() && Instant::now() < give_up, "keys did not rotate");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(tasks.len(), TASKS);
    assert!(tasks.try_join_next().is_none(), "a token was refused while keys changed");
    stand.coordinator.kill().await.unwrap();
    while tasks.join_next().await.is_some() {}
    recorder.assert_every_token_verifies(PUBLISHED_BEFORE_USE);
}

/// The recorder against a coordinator that signs with a key as soon as it is made.
#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "P2: ")]
async fn without_publication_before_use_the_recorder_finds_tokens_of_unpublished_keys() {
    let mut settings = FAST_ROTATION.to_vec();
    settings.push(("MONEYER__KEYS__PUBLISH_BEFORE_USE", "0s"));
    let stand = Stand::start_with(&settings).await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let recorder = Recorder::start(&stand);
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    let give_up = Instant::now() + LONGEST_KEY;
    while recorder.signing_keys() < 2 {
        assert!(Instant::now() < give_up, "keys did not rotate");
        recorder.received(mint(&mut client, "web-1").await.unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    recorder.assert_every_token_verifies(PUBLISHED_BEFORE_USE);
}
