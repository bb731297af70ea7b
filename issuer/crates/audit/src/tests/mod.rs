//! The log as a whole: the port's suite, the chain, and disks that fail.

mod chain;
mod faults;
mod full_disk;
mod torn;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use moneyer_authority::audit::{Actor, Audit, AuditEvent, Event, Sequence};
use moneyer_identity::{SandboxId, UnixTime};
use moneyer_testkit::audit::Backend;
use serde_json::Value;
use tempfile::TempDir;

use crate::{AuditOptions, FileAudit, Records};

/// Small files and a small reserve.
fn options() -> AuditOptions {
    AuditOptions::new(64 * 1024, 64 * 1024)
}

fn removal(id: &str) -> AuditEvent {
    let sandbox = SandboxId::parse(id).unwrap();
    AuditEvent::new(UnixTime(1), Actor::System, Event::SandboxRemoved { sandbox })
}

async fn durable(log: &dyn Audit, id: &str) -> Sequence {
    log.record(vec![removal(id)]).unwrap().durable().await.unwrap()
}

fn read(directory: &Path) -> Vec<Value> {
    let records = Records::of(directory).unwrap();
    records.map(|record| serde_json::from_slice(&record.unwrap().bytes).unwrap()).collect()
}

/// The files of a log, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    crate::directory::files(directory).unwrap().into_iter().map(|(_, path)| path).collect()
}

/// A log of these many lines.
async fn sample(lines: usize, options: AuditOptions) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let log = FileAudit::open(&directory.path().join("audit"), options).unwrap();
    for line in 0..lines {
        durable(&log, &format!("s-{line}")).await;
    }
    log.close().await;
    directory
}

// F11: what the clock's mark is made again from.
#[tokio::test]
async fn the_last_time_of_a_sound_clock_is_found_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let open = || FileAudit::open(&path, AuditOptions::new(64 << 20, 64 * 1024)).unwrap();
    let log = open();
    assert_eq!(log.sound_at(), None);
    for (at, mut what) in (1..).zip(moneyer_testkit::audit::samples()) {
        if let Event::ChangeFailed { reason, .. } = &mut what {
            // A text that looks like one.
            *reason = r#""event":"token_minted""#.to_owned();
        }
        let event = AuditEvent::new(UnixTime(at), Actor::System, what);
        log.record(vec![event]).unwrap().durable().await.unwrap();
    }
    log.close().await;
    let names = Event::NAMES.iter().position(|name| *name == "clock_confirmed").unwrap();
    let log = open();
    assert_eq!(log.sound_at(), Some(UnixTime(i64::try_from(names).unwrap() + 1)));
    log.close().await;
}

struct FileBackend {
    directory: TempDir,
    options: AuditOptions,
}

impl FileBackend {
    fn new(options: AuditOptions) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), options }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("audit")
    }
}

#[async_trait]
impl Backend for FileBackend {
    type Audit = FileAudit;

    async fn open(&self) -> Arc<FileAudit> {
        Arc::new(FileAudit::open(&self.path(), self.options).unwrap())
    }

    async fn close(&self, log: Arc<FileAudit>) {
        log.close().await;
    }

    fn read(&self) -> Vec<Value> {
        read(&self.path())
    }
}

mod one_file {
    use super::*;
    moneyer_testkit::audit_suite!(FileBackend::new(options()));
}

/// Each record in a file of its own.
mod many_files {
    use super::*;
    moneyer_testkit::audit_suite!(FileBackend::new(AuditOptions::new(1, 4096)));
}

#[tokio::test]
async fn a_second_process_is_told_and_the_files_are_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let log = FileAudit::open(&path, options()).unwrap();
    durable(&log, "a").await;
    let second = FileAudit::open(&path, options()).unwrap_err().to_string();
    assert!(second.contains("held by another process"), "{second}");
    for entry in std::fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
    log.close().await;
    drop(FileAudit::open(&path, options()).unwrap());
}

/// Records that nobody waits for cost one sync for many, and somebody who waits is not kept waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_sync_serves_every_record_that_waits() {
    let directory = tempfile::tempdir().unwrap();
    let log = FileAudit::open(&directory.path().join("audit"), AuditOptions::default()).unwrap();
    let mut recordings = Vec::new();
    for number in 0..10_000 {
        recordings.push(log.record(vec![removal(&format!("s-{number}"))]).unwrap());
    }
    for recording in recordings {
        recording.durable().await.unwrap();
    }
    let written = log.written();
    assert_eq!((written.records, written.sequence, written.failures), (10_000, 10_000, 0));
    assert!(written.groups < 1000, "{written:?}");
    log.close().await;
}

#[tokio::test]
async fn an_event_longer_than_a_line_is_refused_and_costs_the_others_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit");
    let log = FileAudit::open(&path, options()).unwrap();
    let of_bytes = |bytes: usize| {
        let what = Event::StoreRekeyed { kek: "a".repeat(bytes) };
        log.record(vec![AuditEvent::new(UnixTime(1), Actor::System, what)])
    };
    assert!(of_bytes(moneyer_recording::MAXIMUM_LINE_BYTES).is_err());
    of_bytes(moneyer_recording::MAXIMUM_LINE_BYTES - 256).unwrap().durable().await.unwrap();
    assert_eq!(durable(&log, "after").await, Sequence(2));
    log.close().await;
    assert_eq!(read(&path).len(), 2);
}
