//! Fault F27: the disk of the audit log hangs, and comes back.
//!
//! A library that the test compiles and preloads (`hang.c`) keeps writes and syncs of the log's files from
//! returning, for as long as a file is there. `cc` is in `build-essential`, which `make test` installs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use moneyer_proto::v1::minting_client::MintingClient;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::recorder::Recorder;
use crate::stand::{Stand, mint};

/// How long a caller may wait: a second for the record, and what signing for all of them and a busy machine
/// add. Shorter than the deadline of a call, which would refuse in other words.
const LONGEST_WAIT: Duration = Duration::from_secs(4);

/// From when on nobody waits at all.
const STALLED: Duration = Duration::from_secs(2);

/// How soon it goes on once the disk does.
const RESUMES_WITHIN: Duration = Duration::from_secs(5);

/// Callers at a time.
const CALLERS: usize = 200;

fn compile(into: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processes/hang.c");
    let library = into.join("hang.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library).arg(source);
    let compiled = cc.arg("-ldl").output().expect("a hanging disk cannot be tried without `cc`");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    library
}

async fn on_a_disk_that_may_hang() -> (Stand, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    let switch = root.join("hangs");
    let environment = [
        ("LD_PRELOAD", compile(&root)),
        ("HANG_UNDER", root.join("audit")),
        ("HANG_WHILE", switch.clone()),
    ];
    let environment = environment.map(|(name, path)| (name.to_owned(), path.display().to_string()));
    (Stand::start_in(directory, environment.into()).await, switch)
}

#[tokio::test(flavor = "multi_thread")]
async fn minting_stops_within_a_second_piles_nobody_up_and_goes_on_by_itself() {
    let (stand, switch) = on_a_disk_that_may_hang().await;
    let runner = stand.runner("runner-1").await;
    stand.place("web-1", "runner-1").await;
    let recorder = Arc::new(Recorder::start(&stand));
    let channel = runner.connect().await.unwrap();
    let mut client = MintingClient::new(channel.clone());
    recorder.received(mint(&mut client, "web-1").await.unwrap());

    fs::write(&switch, "").unwrap();
    let hung = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let mut client = MintingClient::new(channel.clone());
        callers.spawn(async move {
            let asked = Instant::now();
            (mint(&mut client, "web-1").await, asked.elapsed())
        });
    }
    let mut longest = Duration::ZERO;
    while let Some(answered) = callers.join_next().await {
        let (refused, waited) = answered.unwrap();
        let (code, told) = refused.expect_err("a token left without its record");
        assert_eq!((code, &*told), (Code::Unavailable, "no token can be minted at this time"));
        longest = longest.max(waited);
    }
    eprintln!("{CALLERS} callers were refused after {longest:?} at the longest");
    assert!(longest < LONGEST_WAIT, "a caller waited {longest:?}");

    sleep(STALLED.saturating_sub(hung.elapsed())).await;
    let asked = Instant::now();
    for _ in 0..20 {
        mint(&mut client, "web-1").await.unwrap_err();
    }
    assert!(asked.elapsed() < Duration::from_millis(500), "callers wait: {:?}", asked.elapsed());
    let problem = stand.problem("audit").expect("/readyz takes the audit log for good");
    assert!(!problem.is_empty());
    assert_eq!(stand.problem("store"), None, "the store's disk does not hang");
    assert_eq!(recorder.unanswered(), 0, "the key set was not served throughout");

    fs::remove_file(&switch).unwrap();
    let back = Instant::now();
    let token = loop {
        match mint(&mut client, "web-1").await {
            Ok(token) => break token,
            Err(refusal) => assert!(back.elapsed() < RESUMES_WITHIN, "{refusal:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    };
    eprintln!("minting went on {:?} after the disk did", back.elapsed());
    recorder.received(token);
    assert_eq!(stand.problem("audit"), None);
    assert_eq!(recorder.unanswered(), 0);
    let directory = stand.directory.path();
    recorder.assert_every_token_is_in_the_log(directory, &directory.join("audit"));
}
