//! Fault F3: the power is lost under registrations, rotation and minting.
//!
//! Store and audit log lie on an ext4 file system in a file. At some moment the coordinator is halted, the
//! file copied without a sync, and the copy put in its place: what the kernel had not written yet is gone.
//! The next life begins with that, and must have all that was acknowledged in the lives before.
//!
//! In some lives the write that was under way is torn besides: of the sectors of sled's log that differ
//! between the page cache and the copy some are written after all. A disk may do so: it writes whole
//! sectors, in any order, until it is told to sync. Only blocks that the copy already has in its file are
//! torn; of others ext4 commits the place after the data.
//!
//! What a disk does with a cache of its own that it does not obey for is not tried: the file is one that
//! obeys. `MONEYER_CRASH_IMAGES` says how often the power is lost (default 8; `make soak` takes 500).

use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use moneyer_load::stand::{Environment, Membership};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::disk::{ImageDisk, in_memory};
use crate::kill::all_sandboxes;
use crate::load::{mint_for, register};
use crate::recorder::Recorder;
use crate::stand::{FAST_ROTATION, PUBLISHED_BEFORE_USE, Stand, number};
use crate::write_points::{Act, Order, When, WritePoints};

/// MiB of the disk.
const DISK: u64 = 96;

/// After so many lives another disk is taken, before it is full.
const LIVES_OF_A_DISK: u64 = 24;

/// The longest a coordinator lives, in milliseconds.
const LONGEST_LIFE: u64 = 1500;

/// A call that does not come in this time will not come.
const HALTS_WITHIN: Duration = Duration::from_secs(20);

/// What a disk writes whole.
const SECTOR: usize = 512;

/// What ext4 gives a file at a time.
const BLOCK: usize = 4096;

/// Where a coordinator is halted, in turn; the last is any moment.
const HALTS: [Option<Halt>; 8] = [
    Some(("sync_file_range,", When::Before, "/store/sled/db")),
    Some(("write,", When::After, "/audit/audit-")),
    Some(("pwrite,", When::After, "/store/sled/db")),
    Some(("write,", When::After, "/store/CATALOGUE")),
    Some(("fdatasync,", When::Before, "/store/sled/db")),
    Some(("rename,", When::After, "/store/keys/")),
    Some(("fdatasync,", When::After, "/store/CATALOGUE")),
    None,
];

/// The calls, when, and on which files.
type Halt = (&'static str, When, &'static str);

/// Sectors that the disk did not have, and how many of them were written after all.
#[derive(Debug, Default)]
struct Tear {
    unsynced: usize,
    written: usize,
}

/// A stand whose store and audit log are on a disk that loses its power.
struct Machine {
    /// Unmounted before the directory of the stand is removed.
    disk: ImageDisk,
    stand: Stand,
    points: WritePoints,
    runner: Membership,
    recorder: Arc<Recorder>,
}

impl Machine {
    /// `None` where nothing can be mounted here.
    async fn start() -> Option<Self> {
        let directory = in_memory();
        let disk = ImageDisk::mount(directory.path(), DISK, "what a loss of power does")?;
        let points = WritePoints::build(directory.path());
        let settings = FAST_ROTATION.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut environment = Environment::from(settings);
        environment.extend(points.environment());
        for (setting, name) in
            [("MONEYER__STORE__PATH", "store"), ("MONEYER__AUDIT__PATH", "audit")]
        {
            environment.insert(setting.to_owned(), disk.at.join(name).display().to_string());
        }
        environment.insert("MONEYER__AUDIT__RESERVE_BYTES".to_owned(), "1048576".to_owned());
        let stand = Stand::start_in(directory, environment).await;
        let runner = stand.runner("runner-1").await;
        stand.place("minting", "runner-1").await;
        let recorder = Arc::new(Recorder::start(&stand));
        Some(Self { disk, stand, points, runner, recorder })
    }

    fn log(&self) -> PathBuf {
        self.stand.directory.path().join("disk/store/sled/db")
    }

    /// Halts it at a call, or at once.
    async fn halt(&self, at: Option<Halt>) {
        if let Some((calls, when, path)) = at {
            self.points.order(&Order { act: Act::Halt, when, number: 0, calls, path });
            if path.ends_with("/keys/") {
                // Otherwise it would be waited for until the schedule makes one.
                let management = self.stand.management();
                drop(tokio::task::spawn_blocking(move || {
                    management.call("POST", "keys", &json!({"command": "prepare"}))
                }));
            }
            let give_up = Instant::now() + HALTS_WITHIN;
            while self.points.noted().is_empty() {
                assert!(Instant::now() < give_up, "no {calls} on {path} within {HALTS_WITHIN:?}");
                sleep(Duration::from_millis(2)).await;
            }
        }
        self.stand.coordinator.freeze().unwrap();
    }

    /// The power goes and comes back.
    async fn lose_power(&mut self, copy: &[u8], tear: Option<u64>) -> Tear {
        let log = self.log();
        // As the process left it, in the page cache.
        let written = tear.map(|_| fs::read(&log).unwrap());
        self.stand.coordinator.kill().await.unwrap();
        self.points.nothing();
        self.points.taken();
        self.disk.become_again(copy);
        let tear = written.zip(tear).map(|(written, seed)| tear_write(&log, &written, seed));
        tear.unwrap_or_default()
    }

    /// Everything that was acknowledged, before or after, is there.
    async fn assert_whole(&self) {
        self.recorder.assert_nothing_lost(&all_sandboxes(&self.stand).await);
        let directory = self.stand.directory.path();
        self.recorder.assert_every_token_is_in_the_log(directory, &self.disk.at.join("audit"));
    }
}

/// Writes some of the sectors that the copy lacks, at least one where there is one to write.
fn tear_write(log: &Path, written: &[u8], seed: u64) -> Tear {
    let there = fs::read(log).unwrap();
    let file = File::options().write(true).open(log).unwrap();
    let sectors = there.chunks(SECTOR).zip(written.chunks(SECTOR)).enumerate();
    let differs = sectors.filter(|(_, (there, written))| there != written);
    let differing: Vec<_> =
        differs.map(|(number, (_, written))| (number * SECTOR, written)).collect();
    // A block of zeros may be a hole.
    let is_own =
        |offset: usize| there[offset / BLOCK * BLOCK..].iter().take(BLOCK).any(|byte| *byte != 0);
    let own: Vec<_> = differing.iter().filter(|(offset, _)| is_own(*offset)).collect();
    // What the file of the copy does not reach to is lost.
    let beyond = written.len().saturating_sub(there.len()).div_ceil(SECTOR);
    let mut tear = Tear { unsynced: differing.len() + beyond, written: 0 };
    for (number, (offset, sector)) in own.iter().enumerate() {
        let chosen = number as u64 == seed % own.len() as u64;
        if chosen || seed >> (number % 64) & 1 == 1 {
            file.write_all_at(sector, *offset as u64).unwrap();
            tear.written += 1;
        }
    }
    file.sync_all().unwrap();
    tear
}

/// Writes a file, and has it on the disk if it is to be `synced`.
fn leave_mark(disk: &ImageDisk, life: u64, synced: bool) {
    let mut file = File::create(disk.at.join(mark(synced))).unwrap();
    write!(file, "life {life}").unwrap();
    if synced {
        file.sync_all().unwrap();
        File::open(&disk.at).unwrap().sync_all().unwrap();
    }
}

/// Whether that of this life is there.
fn is_marked(disk: &ImageDisk, life: u64, synced: bool) -> bool {
    let found = fs::read_to_string(disk.at.join(mark(synced)));
    found.is_ok_and(|found| found == format!("life {life}"))
}

fn mark(synced: bool) -> &'static str {
    if synced { "synced" } else { "unsynced" }
}

/// Lives of one disk.
async fn live(lives: std::ops::Range<u64>) -> bool {
    let Some(mut machine) = Machine::start().await else { return false };
    let next = Arc::default();
    let (mut missing, mut torn, mut lost) = (0, 0, 0);
    for life in lives.clone() {
        leave_mark(&machine.disk, life, true);
        let mut tasks = JoinSet::new();
        register(&mut tasks, &machine.stand, &machine.recorder, &next).await;
        mint_for(&mut tasks, &machine.runner, &machine.recorder, "minting").await;
        // Each hasher has keys of its own from the operating system.
        let chance = RandomState::new().hash_one(life);
        sleep(Duration::from_millis(chance % LONGEST_LIFE)).await;
        let at = HALTS[usize::try_from(life).unwrap() % HALTS.len()];
        machine.halt(at).await;
        leave_mark(&machine.disk, life, false);
        let copy = machine.disk.copy();
        let unsynced =
            at.is_some_and(|(calls, ..)| matches!(calls, "pwrite," | "sync_file_range,"));
        let tear = machine.lose_power(&copy, unsynced.then_some(chance)).await;
        while tasks.join_next().await.is_some() {}
        missing += usize::from(tear.unsynced > 0);
        torn += usize::from(tear.written > 0);
        let synced = is_marked(&machine.disk, life, true);
        assert!(synced, "life {life}: this disk does not keep what is synced");
        lost += usize::from(!is_marked(&machine.disk, life, false));
        machine.stand.coordinator = machine.stand.coordinator.restart().await.unwrap();
        machine.assert_whole().await;
    }
    assert!(lost > 0, "this disk loses nothing with its power");
    let (tokens, keys) = (machine.recorder.tokens(), machine.recorder.signing_keys());
    println!(
        "power lost {lives:?}: {tokens} tokens of {keys} keys; the end of sled's log was missing \
         {missing} times and torn {torn} times, a file that was not synced lost {lost} times"
    );
    // Another sync may have taken it along in a few.
    assert!(lives.end - lives.start < LIVES_OF_A_DISK || torn > 0, "no write was torn");
    machine.recorder.assert_every_token_verifies(PUBLISHED_BEFORE_USE);
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn power_lost_at_any_moment_loses_nothing_acknowledged() {
    let images = number("MONEYER_CRASH_IMAGES", 8);
    let mut life = 0;
    while life < images {
        let end = images.min(life + LIVES_OF_A_DISK);
        if !live(life..end).await {
            return;
        }
        life = end;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_of_before_the_last_acknowledgement_is_noticed() {
    let Some(mut machine) = Machine::start().await else { return };
    let copy = machine.disk.copy();
    machine.stand.place("late", "runner-1").await;
    machine.recorder.acknowledged("late".to_owned());
    machine.lose_power(&copy, None).await;
    machine.stand.coordinator = machine.stand.coordinator.restart().await.unwrap();
    let present = all_sandboxes(&machine.stand).await;
    assert_eq!(machine.recorder.lost(&present), ["late"], "the recorder misses nothing");
}
