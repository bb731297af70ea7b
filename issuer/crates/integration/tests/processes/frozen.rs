//! Faults F14 and F15: a coordinator that is restarted under load, and one that hangs and goes on.

use std::sync::Arc;
use std::time::Duration;

use moneyer_load::stand::RunnerProxy;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::coordinator_away::{ask, ask_until, attached};
use crate::load::mint_for;
use crate::recorder::Recorder;
use crate::stand::Stand;

/// How long it hangs.
const FROZEN: Duration = Duration::from_secs(5);

/// Stops in a row.
const RESTARTS: usize = 3;

async fn with_load() -> (Stand, RunnerProxy, Arc<Recorder>, JoinSet<()>) {
    let (stand, proxy) = attached().await;
    let runner = stand.runner("runner-2").await;
    stand.place("busy", "runner-2").await;
    let recorder = Arc::new(Recorder::start(&stand));
    let mut tasks = JoinSet::new();
    mint_for(&mut tasks, &runner, &recorder, "busy").await;
    (stand, proxy, recorder, tasks)
}

/// Waits until there is another token.
async fn minting(recorder: &Recorder) {
    let (before, give_up) = (recorder.tokens(), Instant::now() + Duration::from_secs(10));
    while recorder.tokens() == before {
        assert!(Instant::now() < give_up, "nothing is minted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_verify_through_restarts_and_runners_come_back() {
    let (mut stand, proxy, recorder, mut tasks) = with_load().await;
    let server = proxy.token_server("web-1");
    let cached = ask_until(&server, "?audience=a", 200).await;
    for restart in 0..RESTARTS {
        minting(&recorder).await;
        // Told to end, it answers what it has begun.
        stand.coordinator = stand.coordinator.restart().await.unwrap();
        while tasks.join_next().await.is_some() {}
        assert_eq!(ask(&server, "?audience=a"), (200, cached.clone()));
        ask_until(&server, &format!("?audience=restart-{restart}"), 200).await;
        let runner = stand.runner(&format!("runner-of-{restart}")).await;
        stand.place("busy", &format!("runner-of-{restart}")).await;
        mint_for(&mut tasks, &runner, &recorder, "busy").await;
    }
    minting(&recorder).await;
    stand.coordinator.kill().await.unwrap();
    while tasks.join_next().await.is_some() {}
    recorder.assert_every_token_verifies(Duration::from_secs(24 * 3600));
    let directory = stand.directory.path();
    recorder.assert_every_token_is_in_the_log(directory, &directory.join("audit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_hangs_costs_no_cached_token_and_goes_on() {
    let (mut stand, proxy, recorder, mut tasks) = with_load().await;
    let server = proxy.token_server("web-1");
    let cached = ask_until(&server, "?audience=a", 200).await;
    minting(&recorder).await;

    stand.coordinator.freeze().unwrap();
    let until = Instant::now() + FROZEN;
    while Instant::now() < until {
        assert_eq!(ask(&server, "?audience=a"), (200, cached.clone()), "the cache needs nobody");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stand.coordinator.thaw().unwrap();

    ask_until(&server, "?audience=after", 200).await;
    assert_eq!(stand.problem("clock"), None, "time that passed is no fault of the clock");
    stand.coordinator.kill().await.unwrap();
    while tasks.join_next().await.is_some() {}
    recorder.assert_every_token_verifies(Duration::from_secs(24 * 3600));
    let directory = stand.directory.path();
    recorder.assert_every_token_is_in_the_log(directory, &directory.join("audit"));
}
