//! Faults F14 and F15 with a whole host: the coordinator is away while every token of its sandboxes comes
//! due, and what they ask for when it is back is spread.
//!
//! Tokens live 60 s at least and a runner may take 30 s to connect again, so this takes minutes and runs
//! only where `MONEYER_AWAY_SECONDS` says how long it is to be away, as `make soak` does;
//! `MONEYER_AWAY_SANDBOXES` makes the host larger.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::coordinator_away::ask_until;
use crate::host::{
    JITTER, allowed_burst, ask_at_once, burst, host, minted, sandbox, tokens_in_files,
};
use crate::stand::{Stand, number};

/// The least time away: a third of a token's life, in which the runner connects again and renews.
const LEAST_SECONDS: u64 = 150;

/// Sandboxes of the host.
const SANDBOXES: u64 = 40;

/// The widest pause between two attempts to connect, and what connecting takes.
const BACK_WITHIN: Duration = Duration::from_secs(30 + 5);

/// The least time over which renewals of tokens with so much life left are spread.
fn window(left: Duration) -> Duration {
    JITTER.min(left / 2)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_lives_on_its_tokens_and_comes_back_without_a_burst() {
    let away = Duration::from_secs(number("MONEYER_AWAY_SECONDS", 0));
    if away.is_zero() {
        eprintln!("MONEYER_AWAY_SECONDS is not set: a long outage is NOT tried");
        return;
    }
    assert!(away.as_secs() >= LEAST_SECONDS, "MONEYER_AWAY_SECONDS: at least {LEAST_SECONDS}");
    let sandboxes = usize::try_from(number("MONEYER_AWAY_SANDBOXES", SANDBOXES)).unwrap();
    // Half of a life is over, and a third of it left, when the coordinator is back.
    let life = away * 3 / 2;
    let text = format!("{}s", life.as_secs());
    let mut stand = Stand::start_with(&[("MONEYER__TOKENS__DEFAULT_LIFETIME", &text)]).await;
    let log = stand.directory.path().join("audit");
    let begun = Instant::now();
    let proxy = host(&stand, stand.coordinator.grpc(), sandboxes).await;
    let server = proxy.token_server(&sandbox(0));
    let cached = ask_until(&server, "?audience=a", 200).await;
    let before = minted(&log).len();
    let files = tokens_in_files(&proxy, sandboxes);

    stand.coordinator.kill().await.unwrap();
    let since = Instant::now();
    while since.elapsed() < away {
        assert_eq!(ask_at_once(&server, "?audience=a"), cached);
        sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(tokens_in_files(&proxy, sandboxes), files, "no sandbox lost its token");
    stand.coordinator = stand.coordinator.restart().await.unwrap();
    let (back, left) = (Instant::now(), life.saturating_sub(begun.elapsed()));

    let give_up = back + BACK_WITHIN + JITTER;
    loop {
        // Each file is looked at on the way: none may be over, and none may be missing.
        let fresh: BTreeSet<_> = tokens_in_files(&proxy, sandboxes);
        if fresh.is_disjoint(&files) {
            break;
        }
        assert!(Instant::now() < give_up, "{} are not renewed", fresh.intersection(&files).count());
        sleep(Duration::from_millis(200)).await;
    }
    let renewed = &minted(&log)[before..];
    let (most, seconds) = burst(renewed);
    let (window, total) = (window(left.saturating_sub(BACK_WITHIN.min(left / 2))), renewed.len());
    eprintln!(
        "away {away:?}, {sandboxes} sandboxes: {total} tokens minted within {:.1?} of its return, in \
         {seconds} seconds, at most {most} in one; {} are allowed",
        back.elapsed(),
        allowed_burst(sandboxes, window),
    );
    assert!(most <= allowed_burst(sandboxes, window), "{most} tokens in one second");
    assert!(total <= sandboxes + sandboxes / 10 + 1, "{total} tokens minted for {sandboxes} files");
}
