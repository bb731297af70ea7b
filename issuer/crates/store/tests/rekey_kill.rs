//! A process that seals everything anew, over and over, is killed at random moments; every private key must
//! open with the two keys it had (fault F30).
//!
//! The test runs itself again as the process to kill. In each round it has the two seal keys the other way
//! round, so that every record changes its key, and is killed within the time that takes.

#![expect(clippy::unwrap_used, reason = "a test, also where it is not in a test function")]

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::store::{Change, Collection, Expected, Store as _, Stored};
use moneyer_store::seal::{KeyEncryptionKey, Seals};
use moneyer_store::{OpenError, Sealing, SledOptions, SledStore};
use tokio::time::Instant;

/// Tells the process to kill where the store is.
const DIRECTORY: &str = "MONEYER_TEST_REKEY_DIRECTORY";

/// Tells it which key seals.
const CURRENT: &str = "MONEYER_TEST_REKEY_CURRENT";

/// Kills there are at least.
const ROUNDS: u8 = 10;

/// Kills there are at most until one has fallen between two keys.
const ROUNDS_AT_MOST: u8 = 100;

const KEYS: usize = 16;

fn open(directory: &Path, current: u8) -> SledStore {
    try_open(directory, current, &[3 - current]).unwrap()
}

fn try_open(directory: &Path, current: u8, older: &[u8]) -> Result<SledStore, OpenError> {
    let key = |byte: u8| KeyEncryptionKey::from_bytes([byte; 32]).unwrap();
    let older = older.iter().map(|byte| key(*byte)).collect();
    let seals = Arc::new(Seals::new(key(current), older).unwrap());
    let cluster = "id.example.com".to_owned();
    let mut options = SledOptions::default();
    options.sealing = Some(Sealing { cluster, seals, recovery: None });
    SledStore::open(directory, &options)
}

async fn keys(store: &SledStore) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut receive = |stored: Stored| {
        found.push((stored.id, String::from_utf8(stored.value.to_vec()).unwrap()));
        Ok(())
    };
    store.load(Collection::Keys, &mut receive).await.unwrap();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "this is the process to kill; the test below starts it"]
async fn process_to_kill() {
    let (Some(directory), Some(current)) = (std::env::var_os(DIRECTORY), std::env::var_os(CURRENT))
    else {
        return;
    };
    let current = current.into_string().unwrap().parse().unwrap();
    let store = open(Path::new(&directory), current);
    std::io::stdout().lock().write_all(b"sealing anew\n").unwrap();
    loop {
        store.rekey().await.unwrap();
        std::io::stdout().lock().write_all(b"sealed anew\n").unwrap();
    }
}

/// Runs the process and kills it at a random moment before `latest`, or when it was through once. Gives how
/// long it sealed.
fn run_and_kill(directory: &Path, current: u8, latest: Option<Duration>) -> Duration {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process_to_kill", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(CURRENT, current.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("sealing anew")), "it never began");
    let begun = Instant::now();
    if let Some(latest) = latest {
        let latest = u64::try_from(latest.as_micros()).unwrap().max(1);
        let moment = RandomState::new().build_hasher().finish() % latest;
        // Not waited for anything: the moment of the kill is what is tried.
        std::thread::sleep(Duration::from_micros(moment));
    } else {
        assert!(lines.any(|line| line.unwrap().ends_with("sealed anew")), "it was never through");
    }
    let sealed_for = begun.elapsed();
    process.kill().unwrap();
    let status = process.wait().unwrap();
    assert_eq!(status.code(), None, "it ended by itself: {status}");
    sealed_for
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_sealing_anew_every_key_opens_with_the_old_one_or_the_new_one() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("store");
    let store = open(&directory, 1);
    let ids: Vec<_> = (0..KEYS).map(|number| format!("key-{number:02}")).collect();
    for id in &ids {
        let (collection, expected) = (Collection::Keys, Expected::Absent);
        let value = Some(id.repeat(100).into_bytes().into());
        let change = Change { collection, id: id.clone(), expected, value };
        store.commit(vec![change]).await.unwrap();
    }
    store.close().await;
    let expected: Vec<_> = ids.iter().map(|id| (id.clone(), id.repeat(100))).collect();
    let mut latest = run_and_kill(&directory, 2, None);
    let mut halves = 0;
    for round in 0..ROUNDS_AT_MOST {
        let current = 1 + round % 2;
        let sealed_for = run_and_kill(&directory, current, Some(latest));
        // With one key alone it is whole or wants the other, never a loss.
        let mut opened = None;
        for alone in [1, 2] {
            match try_open(&directory, alone, &[]) {
                Ok(store) => {
                    opened = Some(alone);
                    assert_eq!(keys(&store).await, expected, "round {round}");
                    store.close().await;
                }
                Err(OpenError::Key { .. }) => {}
                Err(error) => panic!("round {round} with {alone}: {error}"),
            }
        }
        // The first time through may be the slowest by far, and the machine's load changes: the next kill
        // comes earlier than one that came too late, and may come later than one that came too early.
        match opened {
            None => halves += 1,
            Some(key) if key == current => latest = sealed_for,
            Some(_) => latest *= 2,
        }
        // A second attempt ends it: the next round begins with everything under this key.
        let store = open(&directory, current);
        assert_eq!(keys(&store).await, expected, "round {round}");
        store.rekey().await.unwrap();
        store.close().await;
        if halves > 0 && round + 1 >= ROUNDS {
            return;
        }
    }
    panic!("no kill of {ROUNDS_AT_MOST} fell between two keys (the last ones within {latest:?})");
}
