//! Faults F11 and F12: a wall clock that is wrong, under a coordinator that runs and one that starts.
//!
//! libfaketime moves what the process takes for the wall clock and leaves the time since boot alone, as
//! somebody who sets the clock of a machine does. `make test` installs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use moneyer_load::stand::Environment;
use moneyer_proto::v1::minting_client::MintingClient;
use tokio::time::{Instant, sleep};

use crate::recorder::key_set;
use crate::stand::{Stand, binary_directory, fetch, mint};

/// How soon a change of the clock is noticed, in either direction.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

/// Where Debian puts it, by architecture.
fn library() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap();
    let found = libraries
        .map(|entry| entry.unwrap().path().join("faketime/libfaketime.so.1"))
        .chain([PathBuf::from("/usr/lib/faketime/libfaketime.so.1")])
        .find(|path| path.is_file());
    found.expect("a wrong clock cannot be tried without libfaketime (Debian package `libfaketime`)")
}

/// Sets the clock this far from the right one: `-1h`.
fn set_clock(directory: &Path, shift: &str) {
    // By rename: the library never reads half a file.
    let (file, new) = (directory.join("clock"), directory.join("clock.new"));
    fs::write(&new, format!("{shift}\n")).unwrap();
    fs::rename(new, file).unwrap();
}

/// What a process needs to take its time from `directory`.
fn faked(directory: &Path) -> Environment {
    let path = |path: PathBuf| path.display().to_string();
    [
        ("LD_PRELOAD", path(library())),
        ("FAKETIME_TIMESTAMP_FILE", path(directory.join("clock"))),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

async fn start() -> Stand {
    let directory = tempfile::tempdir().unwrap();
    set_clock(directory.path(), "+0");
    let environment = faked(directory.path());
    Stand::start_in(directory, environment).await
}

/// Waits until `/readyz` says of the clock what is expected.
async fn until_clock_is(stand: &Stand, right: bool) {
    let give_up = Instant::now() + NOTICED_WITHIN;
    while stand.problem("clock").is_none() != right {
        assert!(Instant::now() < give_up, "{:?}", stand.problem("clock"));
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn minting_stops_while_it_is_wrong_and_goes_on_when_it_is_right() {
    let stand = start().await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    mint(&mut client, "web-1").await.unwrap();
    let keys = key_set(stand.coordinator.public()).unwrap();
    for shift in ["-1h", "+1y"] {
        set_clock(stand.directory.path(), shift);
        until_clock_is(&stand, false).await;
        let refused = mint(&mut client, "web-1").await;
        assert!(refused.is_err(), "a token was minted by a clock that is {shift} off");
        // Long enough for the loop that rotates and prunes to come by.
        sleep(Duration::from_secs(2)).await;
        let served = key_set(stand.coordinator.public());
        assert_eq!(served.as_ref(), Some(&keys), "a key left the key set at {shift}");

        set_clock(stand.directory.path(), "+0");
        until_clock_is(&stand, true).await;
        mint(&mut client, "web-1").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_behind_the_latest_time_seen_mints_nothing() {
    let mut stand = start().await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    // Told to end, it keeps the latest time it has seen.
    stand.coordinator = stand.coordinator.restart().await.unwrap();
    stand.coordinator.kill().await.unwrap();

    let directory = stand.directory.path();
    set_clock(directory, "-1h");
    let mut behind = Command::new(binary_directory().join("moneyer"))
        .arg("--config")
        .arg(directory.join("moneyer.toml"))
        .arg("serve")
        .envs(faked(directory))
        .stdout(Stdio::null())
        .stderr(fs::File::create(directory.join("behind.log")).unwrap())
        .spawn()
        .unwrap();
    let give_up = Instant::now() + Duration::from_secs(30);
    while fetch(stand.coordinator.operations(), "/livez").is_none() {
        assert!(Instant::now() < give_up && behind.try_wait().unwrap().is_none(), "it is not up");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(stand.problem("clock").is_some_and(|problem| problem.contains("behind")));
    assert!(key_set(stand.coordinator.public()).is_some());
    // Its certificate may be from the future for a clock like that: either way there is no token.
    if let Ok(channel) = runner.connect().await {
        let refused = mint(&mut MintingClient::new(channel), "web-1").await;
        assert!(refused.is_err(), "a token was minted by a clock that is behind");
    }
    set_clock(directory, "+0");
    // It has known no other time than the wrong one: only a person can tell that this one is right.
    let give_up = Instant::now() + NOTICED_WITHIN;
    while !stand.problem("clock").is_some_and(|problem| problem.contains("restart the coordinator"))
    {
        assert!(Instant::now() < give_up, "{:?}", stand.problem("clock"));
        sleep(Duration::from_millis(50)).await;
    }
    behind.kill().unwrap();
    behind.wait().unwrap();

    stand.coordinator = stand.coordinator.restart().await.unwrap();
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    mint(&mut client, "web-1").await.unwrap();
}
