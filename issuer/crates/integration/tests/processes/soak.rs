//! Fault F32: what years of rotation leave behind, in minutes.
//!
//! Keys cannot follow their schedule faster than their tokens die, so each round here is an emergency: a
//! key is made, published, signs, and is withdrawn. Withdrawn keys are forgotten when their last token is
//! dead, six minutes later with the shortest lifetime, and from then on nothing may grow but the audit log.
//! `MONEYER_SOAK_ROTATIONS` asks for more rounds, `MONEYER_SOAK_EVERY_MS` for other pauses between them.

use std::path::Path;
use std::time::Duration;

use moneyer_load::http1::{Connection, Endpoint};
use moneyer_proto::v1::minting_client::MintingClient;
use tokio::time::{Instant, sleep};

use crate::recorder::{assert_log_is_whole, key_set};
use crate::stand::{FAST_ROTATION, Stand, mint, number, place};

/// Rounds in `make test`.
const ROTATIONS: u64 = 20;

/// Between two rounds.
const EVERY_MS: u64 = 200;

/// Samples of a run.
const SAMPLES: u64 = 20;

/// What memory may grow by, whatever the number of rounds: caches, and records of keys that are not dead.
const MEMORY: u64 = 48 * 1024 * 1024;

/// What the store may grow by: three segments of its log, which it uses again.
const STORE: u64 = 3 * 8 * 1024 * 1024;

/// What the audit log may grow by in a round: a withdrawal, a new key, a token, a sandbox come and gone.
const AUDIT_A_ROUND: u64 = 8 * 1024;

/// Files and sockets more than at the beginning.
const FILES: u64 = 16;

/// What a coordinator uses.
#[derive(Debug, Clone, Copy)]
struct Sample {
    memory: u64,
    files: u64,
    store: u64,
    audit: u64,
}

impl Sample {
    fn of(stand: &Stand) -> Self {
        let process = stand.coordinator.process_number();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let memory = memory.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap();
        let files = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count();
        Self {
            memory: memory * 1024,
            files: files as u64,
            store: bytes_under(&stand.directory.path().join("store")),
            audit: bytes_under(&stand.directory.path().join("audit")),
        }
    }
}

/// Bytes of every file in a directory. One that is removed meanwhile has none.
fn bytes_under(directory: &Path) -> u64 {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let Ok(found) = std::fs::symlink_metadata(&path) else { continue };
        // The audit log's reserve is set aside once and is no growth.
        bytes += if found.is_dir() { bytes_under(&path) } else { found.len() };
    }
    bytes
}

/// Withdraws the key that signs, and begins with another.
fn rotate(stand: &Stand) {
    let body = r#"{"command":"emergency"}"#;
    let request = format!(
        "POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let management = Endpoint::Unix(stand.directory.path().join("management.sock"));
    let mut connection = Connection::open(&management).unwrap();
    let (status, answer) = connection.exchange(request.as_bytes()).unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(answer));
}

/// Waits until the key set is another than that of `before`, and returns its one key.
async fn next_key(stand: &Stand, before: &str) -> String {
    let give_up = Instant::now() + Duration::from_secs(10);
    loop {
        let keys = key_set(stand.coordinator.public()).unwrap();
        if !keys.contains_key(before) {
            assert_eq!(keys.len(), 1, "a withdrawn key is served");
            return keys.into_keys().next().unwrap();
        }
        assert!(Instant::now() < give_up, "the withdrawn key is still served");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_grows_over_rotations_but_the_log_as_planned() {
    let rotations = number("MONEYER_SOAK_ROTATIONS", ROTATIONS);
    let every = Duration::from_millis(number("MONEYER_SOAK_EVERY_MS", EVERY_MS));
    let stand = Stand::start_with(&FAST_ROTATION[3..]).await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let mut placement = stand.placement().await;
    let mut client = MintingClient::new(runner.connect().await.unwrap());
    let mut samples = vec![Sample::of(&stand)];
    let mut active = key_set(stand.coordinator.public()).unwrap().into_keys().next().unwrap();
    for round in 1..=rotations {
        rotate(&stand);
        active = next_key(&stand, &active).await;
        mint(&mut client, "web-1").await.unwrap();
        place(&mut placement, "web-1", "runner-1").await.unwrap();
        if round % (rotations / SAMPLES).max(1) == 0 {
            samples.push(Sample::of(&stand));
            eprintln!("{round}: {:?}", samples.last().unwrap());
        }
        sleep(every).await;
    }
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let grown = |of: fn(&Sample) -> u64| of(&last).saturating_sub(of(&first));
    eprintln!(
        "{rotations} rotations: memory {} KiB more, {} files more, store {} KiB more, audit {} bytes a round",
        grown(|sample| sample.memory) / 1024,
        grown(|sample| sample.files),
        grown(|sample| sample.store) / 1024,
        grown(|sample| sample.audit) / rotations,
    );
    assert!(grown(|sample| sample.memory) <= MEMORY, "memory: {samples:#?}");
    assert!(grown(|sample| sample.files) <= FILES, "files: {samples:#?}");
    assert!(grown(|sample| sample.store) <= STORE, "store: {samples:#?}");
    assert!(grown(|sample| sample.audit) <= AUDIT_A_ROUND * rotations, "audit: {samples:#?}");
    let directory = stand.directory.path();
    assert_log_is_whole(directory, &directory.join("audit"));
}
