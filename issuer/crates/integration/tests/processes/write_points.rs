//! The calls by which a coordinator changes its files: counted, noted, and told to end it, halt it or fail.
//!
//! A small library, preloaded, stands between the process and its disk (`write_points.c`, built here with
//! `cc`). Calls that do not go through libc are not seen: of those the store and the audit log make that is
//! `fallocate`, by which the reserve is set aside.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use moneyer_load::stand::Environment;

/// Every call that changes a file or syncs one.
pub(crate) const CHANGES: &str =
    "create,write,pwrite,fsync,fdatasync,sync_file_range,ftruncate,rename,unlink,mkdir,chmod,";

/// The calls that make what was written durable.
pub(crate) const SYNCS: &str = "fsync,fdatasync,";

/// Input/output error.
pub(crate) const EIO: i32 = 5;

/// With which code a process ends that was ended at a point.
pub(crate) const ENDED: i32 = 99;

/// What is done at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Note,
    Abort,
    Halt,
    Fail,
}

/// Before the call is made or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

/// What is to be done at which calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) act: Act,
    pub(crate) when: When,
    /// At which of those that match; 0 is each.
    pub(crate) number: u64,
    /// Names of calls with a comma behind each.
    pub(crate) calls: &'a str,
    /// A part of the path of the file.
    pub(crate) path: &'a str,
}

/// A call that was made, or at which the process was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) call: String,
    /// Which opening of a file it was made on.
    pub(crate) opening: u64,
    pub(crate) error: i32,
    pub(crate) offset: i64,
    pub(crate) length: i64,
    pub(crate) path: PathBuf,
}

impl Point {
    /// The call and what kind of file it was made on: `fsync keys/#`.
    pub(crate) fn kind(&self, below: &Path) -> String {
        let path = self.path.strip_prefix(below).unwrap_or(&self.path).to_string_lossy();
        let mut kind = format!("{} ", self.call);
        for part in path.split_inclusive(['/', '.', '-']) {
            let (name, end) = part.split_at(part.trim_end_matches(['/', '.', '-']).len());
            let number = name.len() > 4 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            kind.extend([if number { "#" } else { name }, end]);
        }
        kind
    }
}

/// The library and what it is told.
pub(crate) struct WritePoints {
    library: PathBuf,
    orders: PathBuf,
}

impl WritePoints {
    /// Builds the library in a directory.
    pub(crate) fn build(directory: &Path) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/processes/write_points.c");
        let (library, orders) = (directory.join("write_points.so"), directory.join("orders"));
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]);
        let built = compiler.arg(&library).arg(source).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Self { library, orders }
    }

    /// What a process needs to obey.
    pub(crate) fn environment(&self) -> Environment {
        let path = |path: &Path| path.display().to_string();
        [("LD_PRELOAD", path(&self.library)), ("WRITE_POINTS", path(&self.orders))]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }

    /// From now on.
    pub(crate) fn order(&self, order: &Order<'_>) {
        let Order { act, when, number, calls, path } = order;
        let (act, when) = (format!("{act:?}").to_lowercase(), format!("{when:?}").to_lowercase());
        let new = self.orders.with_extension("new");
        // By rename: the library never reads half of it.
        fs::write(&new, format!("{act} {when} {number} {EIO} {calls} {path}\n")).unwrap();
        fs::rename(new, &self.orders).unwrap();
    }

    /// Everything is let through, and nothing is noted.
    pub(crate) fn nothing(&self) {
        fs::remove_file(&self.orders).ok();
    }

    /// The points that were noted since this was last asked.
    pub(crate) fn taken(&self) -> Vec<Point> {
        let log = self.log();
        let text = fs::read_to_string(&log).unwrap_or_default();
        fs::remove_file(log).ok();
        text.lines().map(point).collect()
    }

    /// The points that were noted, which go on being noted.
    pub(crate) fn noted(&self) -> Vec<Point> {
        fs::read_to_string(self.log()).unwrap_or_default().lines().map(point).collect()
    }

    fn log(&self) -> PathBuf {
        let mut name = self.orders.clone().into_os_string();
        name.push(".log");
        name.into()
    }
}

fn point(line: &str) -> Point {
    let parts: Vec<_> = line.splitn(7, ' ').collect();
    let [_, call, opening, error, offset, length, path] = parts[..] else { panic!("{line:?}") };
    Point {
        call: call.to_owned(),
        opening: opening.parse().unwrap(),
        error: error.parse().unwrap(),
        offset: offset.parse().unwrap(),
        length: length.parse().unwrap(),
        path: path.into(),
    }
}

/// The descriptors on which a sync failed and another sync was made: what the kernel could not write it may
/// have forgotten, and it would then report success.
pub(crate) fn synced_after_a_failure(points: &[Point]) -> BTreeSet<(u64, PathBuf)> {
    let mut failed = BTreeSet::new();
    let mut again = BTreeSet::new();
    for point in points.iter().filter(|point| matches!(&*point.call, "fsync" | "fdatasync")) {
        let descriptor = (point.opening, point.path.clone());
        if failed.contains(&descriptor) {
            again.insert(descriptor.clone());
        }
        if point.error != 0 {
            failed.insert(descriptor);
        }
    }
    again
}
