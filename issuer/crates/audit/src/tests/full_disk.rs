//! F4 on a real file system that is really full: a tmpfs of 2 MiB, where the machine lets us mount one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use moneyer_authority::audit::Audit as _;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{durable, removal};
use crate::{AuditOptions, FileAudit, Head, verify};

/// Unmounted when it is dropped.
struct Tmpfs {
    directory: TempDir,
}

impl Tmpfs {
    /// None, said loudly, where this user may not mount.
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs"])
            .arg(directory.path())
            .status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self { directory });
        }
        eprintln!("SKIPPED: no tmpfs could be mounted, so no real disk was filled (run as root)");
        None
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("audit")
    }

    /// Takes every byte that is left.
    fn fill(&self) -> PathBuf {
        let ballast = self.directory.path().join("ballast");
        let filled = Command::new("dd")
            .args(["if=/dev/zero", "bs=4096"])
            .arg(format!("of={}", ballast.display()))
            .output()
            .unwrap();
        assert!(!filled.status.success(), "the file system is full by now");
        ballast
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.directory.path()).status());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f4_a_real_full_disk_stops_the_log_within_a_second_and_it_resumes_by_itself() {
    let Some(tmpfs) = Tmpfs::mount() else { return };
    let log = FileAudit::open(&tmpfs.path(), AuditOptions::new(1 << 20, 256 * 1024)).unwrap();
    durable(&log, "before").await;
    let ballast = tmpfs.fill();
    let since = Instant::now();
    let mut acknowledged = 1;
    // The page that is begun has room still, then the reserve.
    while let Ok(recording) = log.record(vec![removal("filling")]) {
        if recording.durable().await.is_ok() {
            acknowledged += 1;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "a full disk is not noticed");
    }
    let told = log.health().unwrap_err();
    let told = std::error::Error::source(&told).unwrap().to_string();
    assert!(told.contains("the disk is full"), "{told}");
    std::fs::remove_file(ballast).unwrap();
    let since = Instant::now();
    while log.health().is_err() {
        assert!(since.elapsed() < Duration::from_secs(20), "the log does not resume");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(durable(&log, "after").await.0, acknowledged + 1);
    log.close().await;
    assert_eq!(lines(&tmpfs.path()), acknowledged + 1);
}

fn lines(path: &Path) -> u64 {
    verify(path, Head::default(), None, &mut |_| {}).unwrap().lines
}
