//! A process that commits is killed at random moments; what it was told is kept must be there.
//!
//! The test runs itself again as the process to kill. That one commits from several tasks at once
//! and writes a line for each acknowledgement; the parent kills it (SIGKILL) after a random number
//! of lines, reads what the pipe still holds, opens the store and looks for every record. All
//! rounds use one directory, so each also opens what the kill before left behind.
//!
//! It shows that nothing depends on an orderly end. It says nothing about power loss, which takes
//! what the system had not written.

#![expect(clippy::unwrap_used, reason = "a test, also where it is not in a test function")]

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use moneyer_authority::store::{Change, Collection, Expected, Generation, Store, Stored};
use moneyer_store::{SledOptions, SledStore};

/// Tells the process to kill where the store is.
const DIRECTORY: &str = "MONEYER_TEST_KILL_DIRECTORY";

/// Tells it what its ids begin with.
const ROUND: &str = "MONEYER_TEST_KILL_ROUND";

/// Commits at the same time, so that groups of several are cut as well.
const TASKS: usize = 8;

const ROUNDS: u64 = 10;

/// Most acknowledgements before a kill.
const MAXIMUM_LINES: u64 = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "this is the process to kill; the test below starts it"]
async fn process_to_kill() {
    let (Some(directory), Some(round)) = (std::env::var_os(DIRECTORY), std::env::var_os(ROUND))
    else {
        return;
    };
    let round = round.into_string().unwrap();
    let store = SledStore::open(Path::new(&directory), &SledOptions::default()).unwrap();
    let store = Arc::new(store);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(commit_for_ever(Arc::clone(&store), format!("{round}-{task}")));
    }
    tasks.join_all().await;
}

/// Adds one record after the other, and removes and replaces others in the same commits.
async fn commit_for_ever(store: Arc<SledStore>, name: String) {
    let latest = format!("latest-{name}");
    let mut expected = Expected::Absent;
    for number in 0_u64.. {
        let id = format!("{name}-{number}");
        let add = |collection, id: &str, expected, value: &str| Change {
            collection,
            id: id.to_owned(),
            expected,
            value: Some(value.repeat(40).into_bytes().into()),
        };
        let mut changes = vec![
            add(Collection::Sandboxes, &id, Expected::Absent, &id),
            add(Collection::Members, &latest, expected, &id),
            add(Collection::JoinTokens, &id, Expected::Absent, &id),
        ];
        if let (Some(before), Expected::Revision(revision)) = (number.checked_sub(1), expected) {
            let id = format!("{name}-{before}");
            changes.push(Change::remove(Collection::JoinTokens, &id, revision));
        }
        let generation = store.commit(changes).await.unwrap();
        expected = Expected::Revision(generation);
        let line = format!("acknowledged {id} {generation}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
    }
}

/// Runs and kills the process; gives back what it was told: revisions by id.
fn run_and_kill(directory: &Path, round: u64) -> BTreeMap<String, u64> {
    let lines = RandomState::new().build_hasher().finish() % MAXIMUM_LINES + 1;
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process_to_kill", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = BTreeMap::new();
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(("acknowledged", rest)) = line.split_once(' ') else { continue };
        let (id, generation) = rest.split_once(' ').unwrap();
        acknowledged.insert(id.to_owned(), generation.parse().unwrap());
        if acknowledged.len() as u64 == lines {
            process.kill().unwrap();
        }
    }
    let status = process.wait().unwrap();
    assert_eq!(status.code(), None, "it ended by itself: {status}");
    assert!(acknowledged.len() as u64 >= lines);
    acknowledged
}

async fn load(store: &SledStore, collection: Collection) -> Vec<Stored> {
    let mut records = Vec::new();
    let mut receive = |stored| {
        records.push(stored);
        Ok(())
    };
    store.load(collection, &mut receive).await.unwrap();
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_a_kill() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("store");
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        acknowledged.extend(run_and_kill(&directory, round));
        let store = SledStore::open(&directory, &SledOptions::default()).unwrap();
        let sandboxes = load(&store, Collection::Sandboxes).await;
        let found: BTreeMap<_, _> =
            sandboxes.iter().map(|stored| (stored.id.clone(), stored.revision.0)).collect();
        for (id, generation) in &acknowledged {
            assert_eq!(found.get(id), Some(generation), "{id} in round {round}");
        }
        // Commits are whole: every revision is that of a commit that left its other records too.
        let newest = found.values().max().copied().unwrap();
        assert_eq!(store.generation(), Generation(newest), "round {round}");
        let latest = load(&store, Collection::Members).await;
        let kept = load(&store, Collection::JoinTokens).await;
        let revisions = |records: &[Stored]| -> HashSet<u64> {
            records.iter().map(|stored| stored.revision.0).collect()
        };
        assert_eq!(revisions(&latest), revisions(&kept), "round {round}");
        for stored in &kept {
            assert_eq!(found.get(&stored.id), Some(&stored.revision.0), "round {round}");
        }
        store.close().await;
    }
}
