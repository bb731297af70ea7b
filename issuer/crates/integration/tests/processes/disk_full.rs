//! Fault F4: a full disk, under the audit log and under the store.
//!
//! Each lies on a small file system in memory, which a ballast file fills.

use std::sync::Arc;
use std::time::Duration;

use moneyer_load::stand::Environment;
use moneyer_proto::v1::minting_client::MintingClient;
use tokio::time::{Instant, sleep};

use crate::disk::SmallDisk;
use crate::kill::all_sandboxes;
use crate::recorder::Recorder;
use crate::stand::{Stand, fetch, mint, place};

/// How soon minting stops on a full disk.
const STOPS_WITHIN: Duration = Duration::from_secs(1);

/// How soon everything works again when there is space.
const RESUMES_WITHIN: Duration = Duration::from_secs(30);

/// A stand with the directory that `setting` names on a small disk.
async fn on_small_disk(
    setting: &str,
    size: u32,
    more: &[(&str, &str)],
) -> Option<(Stand, SmallDisk)> {
    let directory = tempfile::tempdir().unwrap();
    let disk = SmallDisk::mount(directory.path().join("disk"), size)?;
    let mut environment: Environment =
        more.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    environment.insert(setting.into(), disk.0.join("own").display().to_string());
    Some((Stand::start_in(directory, environment).await, disk))
}

fn key_set_is_served(stand: &Stand) -> bool {
    fetch(stand.coordinator.public(), "/.well-known/jwks.json")
        .is_some_and(|(status, _)| status == 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_audit_log_stops_minting_until_there_is_space() {
    // The least of either: what is set aside and what a file holds.
    let least =
        [("MONEYER__AUDIT__RESERVE_BYTES", "1048576"), ("MONEYER__AUDIT__ROTATE_BYTES", "65536")];
    let Some((stand, disk)) = on_small_disk("MONEYER__AUDIT__PATH", 4, &least).await else {
        return;
    };
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let recorder = Arc::new(Recorder::start(&stand));
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    recorder.received(mint(&mut client, "web-1").await.unwrap());

    disk.fill();
    let full = Instant::now();
    while let Ok(token) = mint(&mut client, "web-1").await {
        recorder.received(token);
        assert!(full.elapsed() < STOPS_WITHIN, "it mints on a full disk");
    }
    assert!(full.elapsed() < STOPS_WITHIN, "minting stopped after {:?}", full.elapsed());
    let problem = stand.problem("audit").expect("/readyz takes the audit log for good");
    assert!(!problem.is_empty());
    assert!(key_set_is_served(&stand));
    for _ in 0..20 {
        assert!(mint(&mut client, "web-1").await.is_err(), "one token slipped through");
    }

    disk.empty();
    let space = Instant::now();
    loop {
        if let Ok(token) = mint(&mut client, "web-1").await {
            recorder.received(token);
            break;
        }
        assert!(space.elapsed() < RESUMES_WITHIN, "{:?}", stand.problem("audit"));
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stand.problem("audit"), None);
    assert_eq!(recorder.unanswered(), 0, "the key set was not served throughout");
    recorder.assert_every_token_is_in_the_log(stand.directory.path(), &disk.0.join("own"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_the_store_stops_changes_alone_and_needs_no_restart() {
    let Some((mut stand, disk)) = on_small_disk("MONEYER__STORE__PATH", 24, &[]).await else {
        return;
    };
    let runner = stand.runner("runner-1").await;
    let recorder = Recorder::start(&stand);
    stand.place("web-1", "runner-1").await;
    recorder.acknowledged("web-1".to_owned());
    let mut placement = stand.placement().await;
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    let mut number = 0_u32;

    disk.fill();
    let full = Instant::now();
    loop {
        number += 1;
        let id = format!("full-{number}");
        match place(&mut placement, &id, "runner-1").await {
            Ok(_) => recorder.acknowledged(id),
            Err(_) => break,
        }
        assert!(full.elapsed() < RESUMES_WITHIN, "changes are acknowledged on a full disk");
    }
    for _ in 0..20 {
        recorder.received(mint(&mut client, "web-1").await.unwrap());
    }
    assert!(stand.problem("store").is_some(), "/readyz takes the store for good");
    assert!(key_set_is_served(&stand));

    disk.empty();
    let space = Instant::now();
    loop {
        number += 1;
        let id = format!("space-{number}");
        match place(&mut placement, &id, "runner-1").await {
            Ok(_) => break recorder.acknowledged(id),
            Err(refusal) => assert!(space.elapsed() < RESUMES_WITHIN, "{refusal}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(stand.problem("store"), None);
    recorder.assert_nothing_lost(&all_sandboxes(&stand).await);
    stand.coordinator.kill().await.unwrap();
    stand.coordinator = stand.coordinator.restart().await.unwrap();
    recorder.assert_nothing_lost(&all_sandboxes(&stand).await);
    let directory = stand.directory.path();
    recorder.assert_every_token_is_in_the_log(directory, &directory.join("audit"));
}
