//! Fault F5: a disk that fails, under the store and under the audit log; one that is made read-only; and one
//! that cannot be read at a start.
//!
//! Nothing is acknowledged that the disk does not have, a sync that failed is not asked for again on the
//! same descriptor, minting goes on without the store and not without the log, and both come back by
//! themselves with the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use moneyer_load::stand::{Environment, Membership};
use moneyer_proto::v1::minting_client::MintingClient;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use crate::attempt::{Attempt, Ended};
use crate::damage::{REFUSED, files};
use crate::disk::{ImageDisk, in_memory};
use crate::kill::all_sandboxes;
use crate::recorder::Recorder;
use crate::stand::{Stand, mint, place};
use crate::write_points::{Act, EIO, Order, SYNCS, When, WritePoints, synced_after_a_failure};

/// How soon everything works again when the disk does.
const RESUMES_WITHIN: Duration = Duration::from_secs(30);

/// How soon a fault is met by some call.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);

/// MiB of a disk that is made read-only.
const DISK: u64 = 64;

/// A stand whose disk can fail.
struct Machine {
    /// Where there is one of its own: unmounted before the directory of the stand is removed.
    disk: Option<ImageDisk>,
    stand: Stand,
    points: WritePoints,
    _runner: Membership,
    client: MintingClient<Channel>,
    recorder: Arc<Recorder>,
    next: u32,
}

impl Machine {
    async fn start() -> Self {
        let directory = in_memory();
        Self::start_in(directory, None, Environment::new()).await
    }

    async fn start_in(
        directory: tempfile::TempDir,
        disk: Option<ImageDisk>,
        more: Environment,
    ) -> Self {
        let points = WritePoints::build(directory.path());
        let mut environment = points.environment();
        environment.insert("MONEYER__AUDIT__RESERVE_BYTES".to_owned(), "1048576".to_owned());
        environment.extend(more);
        let stand = Stand::start_in(directory, environment).await;
        let runner = stand.runner("runner-1").await;
        stand.place("web", "runner-1").await;
        let client = MintingClient::new(runner.connect().await.unwrap());
        let recorder = Arc::new(Recorder::start(&stand));
        recorder.acknowledged("web".to_owned());
        Self { disk, stand, points, _runner: runner, client, recorder, next: 0 }
    }

    async fn place(&mut self) -> bool {
        self.next += 1;
        let id = format!("web-{}", self.next);
        let placed = place(&mut self.stand.placement().await, &id, "runner-1").await.is_ok();
        if placed {
            self.recorder.acknowledged(id);
        }
        placed
    }

    async fn mint(&mut self) -> bool {
        let minted = mint(&mut self.client, "web").await;
        let is_minted = minted.is_ok();
        if let Ok(token) = minted {
            self.recorder.received(token);
        }
        is_minted
    }

    /// The disk under the store has failed: nothing is changed and tokens are minted.
    async fn assert_store_is_away(&mut self) {
        let give_up = Instant::now() + NOTICED_WITHIN;
        while self.place().await {
            assert!(Instant::now() < give_up, "changes are acknowledged without a disk");
        }
        for _ in 0..5 {
            assert!(!self.place().await, "a change was acknowledged without a disk");
            assert!(self.mint().await, "minting needs no store");
        }
        assert!(self.stand.problem("store").is_some(), "/readyz takes the store for good");
        assert_eq!(self.stand.problem("audit"), None, "/readyz takes the audit log for bad");
    }

    /// The disk under the audit log has failed: nothing is minted and nothing changed.
    async fn assert_log_is_away(&mut self) {
        let give_up = Instant::now() + NOTICED_WITHIN;
        while self.mint().await {
            assert!(Instant::now() < give_up, "tokens are minted without a log");
        }
        for _ in 0..5 {
            assert!(!self.mint().await, "a token was minted without a log");
            assert!(!self.place().await, "a change was acknowledged without a log");
        }
        assert!(self.stand.problem("audit").is_some(), "/readyz takes the audit log for good");
        assert_eq!(self.stand.problem("store"), None, "/readyz takes the store for bad");
    }

    /// The disk works again, and nobody restarted anything.
    async fn assert_resumes(&mut self, disk: &str) {
        let give_up = Instant::now() + RESUMES_WITHIN;
        while !(self.place().await && self.mint().await) {
            assert!(Instant::now() < give_up, "{disk}: {:?}", self.stand.problem(disk));
            sleep(Duration::from_millis(50)).await;
        }
        for check in ["store", "audit"] {
            assert_eq!(self.stand.problem(check), None);
        }
    }

    /// Everything that was acknowledged is there, now and after a restart.
    async fn assert_whole(mut self, log: &Path) {
        self.recorder.assert_nothing_lost(&all_sandboxes(&self.stand).await);
        assert_eq!(self.recorder.unanswered(), 0, "the key set was not served throughout");
        self.stand.coordinator.kill().await.unwrap();
        self.stand.coordinator = self.stand.coordinator.restart().await.unwrap();
        self.recorder.assert_nothing_lost(&all_sandboxes(&self.stand).await);
        self.recorder.assert_every_token_is_in_the_log(self.stand.directory.path(), log);
    }
}

/// Fails calls on the store or the audit log for a while.
async fn fail_and_mend(machine: &mut Machine, disk: &str, calls: &str) {
    let path = machine.stand.directory.path().join(disk).display().to_string();
    let order = |act| Order { act, when: When::Before, number: 0, calls, path: &path };
    machine.points.order(&order(Act::Fail));
    match disk {
        "store" => machine.assert_store_is_away().await,
        _ => machine.assert_log_is_away().await,
    }
    machine.points.order(&order(Act::Note));
    machine.assert_resumes(disk).await;
    machine.points.nothing();
    let points = machine.points.taken();
    let failed = points.iter().filter(|point| point.error == EIO).count();
    assert!(failed > 0, "no call of {calls} failed on {path}");
    let again = synced_after_a_failure(&points);
    assert!(again.is_empty(), "a sync that failed was asked for again: {again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_under_the_store_stops_changes_alone_until_it_works() {
    let mut machine = Machine::start().await;
    for calls in [SYNCS, "write,pwrite,", "sync_file_range,"] {
        fail_and_mend(&mut machine, "store", calls).await;
    }
    let log = machine.stand.directory.path().join("audit");
    machine.assert_whole(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_under_the_audit_log_stops_minting_until_it_works() {
    let mut machine = Machine::start().await;
    for calls in [SYNCS, "write,pwrite,"] {
        fail_and_mend(&mut machine, "audit", calls).await;
    }
    let log = machine.stand.directory.path().join("audit");
    machine.assert_whole(&log).await;
}

/// The store or the audit log is on a disk of its own, which becomes read-only and is repaired.
async fn becomes_read_only(name: &str) {
    let directory = in_memory();
    let what = "what a read-only disk does";
    let Some(disk) = ImageDisk::mount(directory.path(), DISK, what) else { return };
    let place = disk.at.join(name);
    let setting = format!("MONEYER__{}__PATH", name.to_uppercase());
    let more = [(setting, place.display().to_string())].into();
    let mut machine = Machine::start_in(directory, Some(disk), more).await;
    assert!(machine.place().await && machine.mint().await);
    machine.disk.as_ref().unwrap().fail();
    match name {
        "store" => machine.assert_store_is_away().await,
        _ => machine.assert_log_is_away().await,
    }
    machine.disk.as_mut().unwrap().repair();
    machine.assert_resumes(name).await;
    let log = machine.stand.directory.path().join("audit");
    machine.assert_whole(if name == "store" { &log } else { &place }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_of_the_store_that_becomes_read_only_stops_changes_alone_until_it_is_repaired() {
    becomes_read_only("store").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_of_the_audit_log_that_becomes_read_only_stops_minting_until_it_is_repaired() {
    becomes_read_only("audit").await;
}

/// What each file of a store holds, but for who holds its lock and what sled writes when it opens.
fn contents(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(store);
    files.retain(|path| !path.ends_with("LOCK") && !path.starts_with(store.join("sled")));
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_read_at_a_start_is_refused_with_65_and_left_as_it_is() {
    let mut machine = Machine::start().await;
    assert!(machine.place().await);
    machine.stand.coordinator.kill().await.unwrap();
    let store = machine.stand.directory.path().join("store");
    let before = contents(&store);
    for name in ["IDENTITY", "CATALOGUE", "sled/db", "keys"] {
        let path = store.join(name).display().to_string();
        let (act, when, number, calls) = (Act::Fail, When::Before, 0, "read,pread,");
        machine.points.order(&Order { act, when, number, calls, path: &path });
        let mut attempt = Attempt::start(&machine.stand, &machine.points.environment());
        let Ended { code, said } = attempt.until_ready().await.unwrap_err();
        assert_eq!(code, Some(REFUSED), "{name}: {said}");
        let place = path.strip_suffix("/db").unwrap_or(&path);
        assert!(said.contains(place) && said.contains("Input/output error"), "{name}: {said}");
        for (k, v) in &contents(&store) {
            if before.get(k) != Some(v) {
                println!("CHANGED {}", k.display());
            }
        }
        let failed = machine.points.taken().iter().filter(|point| point.error == EIO).count();
        assert!(failed > 0, "{name}: nothing was read from {path}");
    }
    machine.points.nothing();
    machine.stand.coordinator = machine.stand.coordinator.restart().await.unwrap();
    machine.recorder.assert_nothing_lost(&all_sandboxes(&machine.stand).await);
}
