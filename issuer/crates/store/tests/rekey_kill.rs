//! A process that seals everything anew, over and over, is killed at random moments; every private key must
//! open with the two keys it had (fault F30).
//!
//! The test runs itself again as the process to kill. In each round it has the two seal keys the other way
//! round, so that the first time through everything changes its key and the kill falls into the middle of
//! that as well as of what follows.

#![expect(clippy::unwrap_used, reason = "a test, also where it is not in a test function")]

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::store::{Change, Collection, Expected, Store as _, Stored};
use moneyer_store::seal::{KeyEncryptionKey, Seals};
use moneyer_store::{Sealing, SledOptions, SledStore};

/// Tells the process to kill where the store is.
const DIRECTORY: &str = "MONEYER_TEST_REKEY_DIRECTORY";

/// Tells it which key seals.
const CURRENT: &str = "MONEYER_TEST_REKEY_CURRENT";

const ROUNDS: u8 = 20;

const KEYS: usize = 12;

/// Longest time after the start of sealing anew; once through takes some 30 ms.
const LATEST_KILL: Duration = Duration::from_millis(80);

fn open(directory: &Path, current: u8) -> SledStore {
    let key = |byte| KeyEncryptionKey::from_bytes([byte; 32]).unwrap();
    let older = if current == 1 { 2 } else { 1 };
    let seals = Arc::new(Seals::new(key(current), vec![key(older)]).unwrap());
    let cluster = "id.example.com".to_owned();
    let mut options = SledOptions::default();
    options.sealing = Some(Sealing { cluster, seals, recovery: None });
    SledStore::open(directory, &options).unwrap()
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
    }
}

/// Runs the process and kills it some time after it began.
fn run_and_kill(directory: &Path, current: u8) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process_to_kill", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(CURRENT, current.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("sealing anew")), "it never began");
    let latest = u64::try_from(LATEST_KILL.as_micros()).unwrap();
    let moment = RandomState::new().build_hasher().finish() % latest;
    // Not waited for anything: the moment of the kill is what is tried.
    std::thread::sleep(Duration::from_micros(moment));
    process.kill().unwrap();
    let status = process.wait().unwrap();
    assert_eq!(status.code(), None, "it ended by itself: {status}");
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
    for round in 0..ROUNDS {
        run_and_kill(&directory, 2 - round % 2);
        // Whichever seals: the other one opens.
        let store = open(&directory, 1 + round % 2);
        assert_eq!(keys(&store).await, expected, "round {round}");
        store.close().await;
    }
}
