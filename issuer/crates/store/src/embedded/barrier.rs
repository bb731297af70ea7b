//! The point after which a write survives power loss.
//!
//! sled's own flush ends in `sync_file_range`, which commits neither file sizes nor the disk's
//! cache. [`DiskBarrier`] is `fdatasync` on a descriptor of our own of the file sled appends to.
//! That is everything a write touches only as long as sled writes no blob files: see
//! `SEGMENT_BYTES` in `open`.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

/// Waits until everything flushed before is on disk.
pub(super) trait Barrier: Send + fmt::Debug + 'static {
    /// Returns once the disk has it. After an error the store is dead; it is not called again.
    fn wait(&mut self) -> io::Result<()>;
}

/// The barrier of a real disk.
#[derive(Debug)]
pub(super) struct DiskBarrier {
    log: File,
}

impl DiskBarrier {
    /// On the file in which sled keeps its log.
    pub(super) fn open(log: &Path) -> io::Result<Self> {
        Ok(Self { log: File::options().read(true).write(true).open(log)? })
    }
}

impl Barrier for DiskBarrier {
    fn wait(&mut self) -> io::Result<()> {
        self.log.sync_data()
    }
}
