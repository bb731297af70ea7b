//! Fault F31: the drill for a signing key that is out of its owner's hands, under load.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::coordinator_away::ask_until;
use crate::host::{host, sandbox};
use crate::load::mint_through_refusals;
use crate::recorder::{Recorder, key_set};
use crate::stand::{Stand, binary_directory};

/// P26: from the command until our verifiers refuse the old key.
const REFUSED_WITHIN: Duration = Duration::from_secs(60);

/// Runners replace the tokens of files over their jitter.
const REPLACED_WITHIN: Duration = Duration::from_secs(30 + 10);

fn moneyer(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary_directory().join("moneyer"));
    command.arg("--config").arg(directory.join("moneyer.toml")).args(arguments);
    command.output().unwrap()
}

/// Whether the verifier of the command line, which reads the public documents anew, takes a token.
fn verifies(directory: &Path, token: &str) -> bool {
    let file = directory.join("token-to-verify");
    std::fs::write(&file, token).unwrap();
    let arguments = ["token", "verify", "--audience", "moneyer", file.to_str().unwrap()];
    moneyer(directory, &arguments).status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_key_is_refused_within_a_minute_and_every_token_of_it_is_listed() {
    let mut stand = Stand::start().await;
    let proxy = host(&stand, stand.coordinator.grpc(), 1).await;
    let runner = stand.runner("runner-2").await;
    stand.place("busy", "runner-2").await;
    let recorder = Arc::new(Recorder::start(&stand));
    let mut tasks = JoinSet::new();
    mint_through_refusals(&mut tasks, &runner, &recorder, "busy").await;
    while recorder.tokens() < 50 {
        sleep(Duration::from_millis(20)).await;
    }
    let directory = stand.directory.path().to_owned();
    let file = proxy.sandbox_directory(&sandbox(0)).join("token");
    let leaked = std::fs::read_to_string(&file).unwrap();
    assert!(verifies(&directory, &leaked), "the drill begins with a good token");
    let keys = key_set(stand.coordinator.public()).unwrap();
    let (old, _) = keys.first_key_value().unwrap();
    assert_eq!(keys.len(), 1);

    let begun = Instant::now();
    let drill = moneyer(&directory, &["--output", "json", "key", "rotate", "--emergency"]);
    assert!(drill.status.success(), "{drill:?}");
    while key_set(stand.coordinator.public()).is_none_or(|keys| keys.contains_key(old)) {
        assert!(begun.elapsed() < REFUSED_WITHIN, "the key is still served");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(!verifies(&directory, &leaked), "a token of the withdrawn key verifies");
    assert!(begun.elapsed() < REFUSED_WITHIN);
    eprintln!("withdrawn, gone from the key set and refused after {:?}", begun.elapsed());

    let report: Value = serde_json::from_slice(&drill.stdout).unwrap();
    let listed = report["living_tokens"].as_array().unwrap();
    let listed: BTreeSet<_> =
        listed.iter().map(|token| token["jti"].as_str().unwrap().to_owned()).collect();
    let received = recorder.signed_by(old);
    let missing: Vec<_> = received.difference(&listed).collect();
    assert!(missing.is_empty(), "{} of {} are not listed", missing.len(), received.len());
    assert!(listed.len() >= received.len() && received.len() >= 50);

    // The host replaces its files, and what it asks for is signed by the new key.
    while std::fs::read_to_string(&file).unwrap() == leaked {
        assert!(begun.elapsed() < REPLACED_WITHIN, "the file shows the withdrawn key's token");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(verifies(&directory, &std::fs::read_to_string(&file).unwrap()));
    ask_until(&proxy.token_server(&sandbox(0)), "?audience=after", 200).await;
    let before = recorder.tokens();
    while recorder.tokens() < before + 50 {
        assert!(begun.elapsed() < REFUSED_WITHIN + REPLACED_WITHIN, "minting does not go on");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(recorder.signed_by(old), received, "the withdrawn key went on signing");
    assert_eq!(recorder.unanswered(), 0);
    stand.coordinator.kill().await.unwrap();
    while tasks.join_next().await.is_some() {}
    recorder.assert_every_token_is_in_the_log(&directory, &directory.join("audit"));
}
