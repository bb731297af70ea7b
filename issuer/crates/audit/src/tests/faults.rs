//! F4, F5 and F27: disks that are full, fail or hang, and come back.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use moneyer_authority::audit::{Audit, AuditError};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{durable, options, read, removal};
use crate::disk::{DiskVolume, LogFile, Volume};
use crate::{FileAudit, Head, verify};

/// What is wrong with the disk.
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
#[derive(Debug, Default)]
struct Faults {
    /// Bytes that still fit; none: as many as one likes.
    space: Option<usize>,
    /// Bytes that fit once the reserve is given back.
    reserve: usize,
    sync_fails: bool,
    write_fails: bool,
    create_fails: bool,
    hangs: bool,
    /// How often each file was synced, by the order in which they were opened.
    syncs_after_failure: usize,
}

#[derive(Debug, Clone, Default)]
struct Disk {
    faults: Arc<(Mutex<Faults>, Condvar)>,
}

impl Disk {
    fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.0.lock().unwrap());
        self.faults.1.notify_all();
    }
}

#[derive(Debug)]
struct FaultyVolume {
    inner: DiskVolume,
    disk: Disk,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn LogFile>,
    disk: Disk,
    sync_failed: bool,
}

impl FaultyVolume {
    fn file(&self, inner: Box<dyn LogFile>) -> Box<dyn LogFile> {
        Box::new(FaultyFile { inner, disk: self.disk.clone(), sync_failed: false })
    }
}

impl Volume for FaultyVolume {
    fn create(&mut self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let faults = self.disk.faults.0.lock().unwrap();
        let fails = faults.write_fails || faults.create_fails;
        drop(faults);
        if fails {
            return Err(io::Error::from_raw_os_error(5));
        }
        let inner = self.inner.create(name)?;
        Ok(self.file(inner))
    }

    fn open(&mut self, name: &str) -> io::Result<Box<dyn LogFile>> {
        let inner = self.inner.open(name)?;
        Ok(self.file(inner))
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        if self.disk.faults.0.lock().unwrap().space.is_some() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inner.reserve(bytes)
    }

    fn release(&mut self) -> io::Result<()> {
        self.disk.set(|faults| faults.space = faults.space.map(|space| space + faults.reserve));
        self.inner.release()
    }
}

impl LogFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (lock, changed) = &*self.disk.faults;
        let mut faults = changed.wait_while(lock.lock().unwrap(), |faults| faults.hangs).unwrap();
        if faults.write_fails {
            return Err(io::Error::from_raw_os_error(5));
        }
        let fits = faults.space.map_or(bytes.len(), |space| space.min(bytes.len()));
        faults.space = faults.space.map(|space| space - fits);
        drop(faults);
        // A full disk takes what fits and then says so.
        self.inner.append(&bytes[..fits])?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut faults = self.disk.faults.0.lock().unwrap();
        if self.sync_failed {
            faults.syncs_after_failure += 1;
        }
        if faults.sync_fails {
            self.sync_failed = true;
            return Err(io::Error::from_raw_os_error(5));
        }
        drop(faults);
        self.inner.sync()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.inner.cut(length)
    }

    fn tail(&mut self, bytes: u64) -> io::Result<Vec<u8>> {
        self.inner.tail(bytes)
    }
}

struct Stand {
    directory: TempDir,
    disk: Disk,
    log: Arc<FileAudit>,
}

impl Stand {
    fn new() -> Self {
        let (directory, disk) = (tempfile::tempdir().unwrap(), Disk::default());
        let path = directory.path().join("audit");
        let faulty = disk.clone();
        let log =
            FileAudit::open_with(&path, options(), |inner| FaultyVolume { inner, disk: faulty });
        Self { log: Arc::new(log.unwrap()), directory, disk }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("audit")
    }

    /// Records until the log takes a record again.
    async fn resumed(&self) -> u64 {
        let since = Instant::now();
        loop {
            if let Ok(recording) = self.log.record(vec![removal("resumed")]) {
                return recording.durable().await.unwrap().0;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "the log does not resume");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The sandboxes of the records, once the chain was walked.
    async fn end(self) -> Vec<String> {
        self.log.close().await;
        verify(&self.path(), Head::default(), None, &mut |_| {}).unwrap();
        let sandbox = |record: &serde_json::Value| record["sandbox"].as_str().unwrap().to_owned();
        read(&self.path()).iter().map(sandbox).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_a_full_disk_ends_cleanly_by_the_reserve_then_refuses_then_resumes() {
    let stand = Stand::new();
    durable(&*stand.log, "before").await;
    stand.disk.set(|faults| (faults.space, faults.reserve) = (Some(100), 1 << 20));
    // In flight when it is found full: by the reserve it is written still.
    durable(&*stand.log, "in-flight").await;
    let refused = stand.log.record(vec![removal("refused")]).unwrap_err();
    let AuditError::Failing(cause) = refused else { panic!("{refused:?}") };
    assert!(cause.to_string().contains("the disk is full"), "{cause}");
    assert!(stand.log.health().is_err());
    stand.disk.set(|faults| faults.space = None);
    assert_eq!(stand.resumed().await, 3);
    stand.log.health().unwrap();
    assert_eq!(stand.end().await, ["before", "in-flight", "resumed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_without_enough_reserve_what_is_in_flight_is_refused_and_leaves_no_half_line() {
    let stand = Stand::new();
    durable(&*stand.log, "before").await;
    stand.disk.set(|faults| (faults.space, faults.reserve) = (Some(10), 20));
    let recording = stand.log.record(vec![removal("refused")]).unwrap();
    assert!(matches!(recording.durable().await, Err(AuditError::Failing(_))));
    stand.disk.set(|faults| faults.space = None);
    assert_eq!(stand.resumed().await, 2);
    assert_eq!(stand.end().await, ["before", "resumed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_a_failed_sync_is_never_repeated_and_a_new_file_carries_the_chain() {
    let stand = Stand::new();
    durable(&*stand.log, "before").await;
    stand.disk.set(|faults| faults.sync_fails = true);
    let recording = stand.log.record(vec![removal("lost")]).unwrap();
    assert!(matches!(recording.durable().await, Err(AuditError::Failing(_))));
    assert!(stand.log.health().is_err());
    stand.disk.set(|faults| faults.sync_fails = false);
    assert_eq!(stand.resumed().await, 2);
    assert_eq!(super::files(&stand.path()).len(), 2);
    assert_eq!(stand.disk.faults.0.lock().unwrap().syncs_after_failure, 0);
    assert_eq!(stand.end().await, ["before", "resumed"]);
}

/// Also where the very first record fails, whose file has the name the next one is to have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_a_disk_that_fails_at_the_first_record_is_waited_for() {
    let stand = Stand::new();
    stand.disk.set(|faults| faults.write_fails = true);
    let recording = stand.log.record(vec![removal("lost")]).unwrap();
    assert!(matches!(recording.durable().await, Err(AuditError::Failing(_))));
    stand.disk.set(|faults| faults.write_fails = false);
    assert_eq!(stand.resumed().await, 1);
    assert_eq!(stand.end().await, ["resumed"]);
}

/// A file that somebody else wrote to is not continued.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_a_file_that_changed_under_us_is_not_continued() {
    let stand = Stand::new();
    durable(&*stand.log, "before").await;
    let file = super::files(&stand.path()).remove(0);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("before", "behind")).unwrap();
    stand.disk.set(|faults| faults.sync_fails = true);
    let recording = stand.log.record(vec![removal("lost")]).unwrap();
    assert!(recording.durable().await.is_err());
    stand.disk.set(|faults| faults.sync_fails = false);
    let since = Instant::now();
    let changed = loop {
        let told = match stand.log.health() {
            Err(AuditError::Failing(cause)) => cause.to_string(),
            other => panic!("{other:?}"),
        };
        if told.contains("no longer ends") {
            break told;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(changed.contains("audit-00000000000000000001.jsonl"), "{changed}");
    stand.log.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f27_a_disk_that_hangs_refuses_within_a_second_and_resumes_by_itself() {
    let stand = Stand::new();
    durable(&*stand.log, "before").await;
    stand.disk.set(|faults| faults.hangs = true);
    let since = Instant::now();
    let recording = stand.log.record(vec![removal("slow")]).unwrap();
    assert!(matches!(recording.durable().await, Err(AuditError::Slow)));
    let waited = since.elapsed();
    let bounds = Duration::from_millis(900)..Duration::from_secs(3);
    assert!(bounds.contains(&waited), "{waited:?}");
    // From then on nobody waits at all.
    let refused = loop {
        match stand.log.record(vec![removal("late")]) {
            Err(error) => break error,
            Ok(recording) => drop(recording),
        }
        assert!(since.elapsed() < Duration::from_secs(20), "records are still taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(matches!(refused, AuditError::Slow), "{refused:?}");
    assert!(matches!(stand.log.health(), Err(AuditError::Slow)));
    stand.disk.set(|faults| faults.hangs = false);
    stand.resumed().await;
    let recorded = stand.end().await;
    assert_eq!(recorded[..2], ["before", "slow"]);
    assert_eq!(recorded.last().unwrap(), "resumed");
}

/// Case 180: a file that is moved away under us takes no more records, and the log goes on once it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_180_a_file_that_is_moved_away_is_noticed_at_once() {
    let stand = Stand::new();
    durable(&*stand.log, "before").await;
    let away = stand.directory.path().join("away");
    std::fs::rename(stand.path(), &away).unwrap();
    let recording = stand.log.record(vec![removal("lost")]).unwrap();
    assert!(matches!(recording.durable().await, Err(AuditError::Failing(_))));
    std::fs::rename(&away, stand.path()).unwrap();
    assert_eq!(stand.resumed().await, 2);
    assert_eq!(stand.end().await, ["before", "resumed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_so_many_records_wait() {
    let stand = Stand::new();
    durable(&*stand.log, "before").await;
    stand.disk.set(|faults| faults.hangs = true);
    let long = || {
        let what = moneyer_authority::audit::Event::StoreRekeyed { kek: "a".repeat(250_000) };
        let system = moneyer_authority::audit::Actor::System;
        vec![moneyer_authority::audit::AuditEvent::new(moneyer_identity::UnixTime(1), system, what)]
    };
    let mut taken = 0_usize;
    let refused = loop {
        match stand.log.record(long()) {
            Ok(recording) => drop(recording),
            Err(error) => break error,
        }
        taken += 1;
        assert!(taken < 1000, "records are taken without end");
    };
    // A machine so slow that a second has passed meanwhile has seen the other limit.
    assert!(matches!(refused, AuditError::Overloaded | AuditError::Slow), "{refused:?}");
    if matches!(refused, AuditError::Overloaded) {
        assert!((260..=290).contains(&taken), "{taken}");
    }
    stand.disk.set(|faults| faults.hangs = false);
    stand.resumed().await;
    stand.log.close().await;
}

/// A new file is a matter of order: without one the present file goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_be_begun_stops_nothing() {
    let stand = Stand::new();
    stand.disk.set(|faults| faults.create_fails = true);
    let long = "a".repeat(40_000);
    for _ in 0..3 {
        let what = moneyer_authority::audit::Event::StoreRekeyed { kek: long.clone() };
        let system = moneyer_authority::audit::Actor::System;
        let at = moneyer_identity::UnixTime(1);
        let event = moneyer_authority::audit::AuditEvent::new(at, system, what);
        stand.log.record(vec![event]).unwrap().durable().await.unwrap();
    }
    stand.log.health().unwrap();
    assert_eq!(super::files(&stand.path()).len(), 1);
    stand.log.close().await;
    assert_eq!(verify(&stand.path(), Head::default(), None, &mut |_| {}).unwrap().lines, 3);
}
