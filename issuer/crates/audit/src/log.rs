//! [`FileAudit`]: the port, in front of the writing thread.

use std::fmt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use moneyer_identity::UnixTime;
use moneyer_recording::{AuditError, Hasten, LineLog, Lines, Recording};
use tokio::sync::oneshot;

use crate::disk::Volume;
use crate::open::{LogLock, OpenError, Opened, open};
use crate::options::AuditOptions;
use crate::queue::{Queue, Waiting};
use crate::writer::Writer;

/// How much was written since the log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// The last durable record's place.
    pub sequence: u64,
    /// Records made durable.
    pub records: u64,
    /// Syncs that made them durable.
    pub groups: u64,
    /// Writes and syncs that failed.
    pub failures: u64,
}

/// An audit log in a directory of this machine.
pub struct FileAudit {
    queue: Arc<Queue>,
    /// The writing thread, and the lock it holds the directory by.
    writer: Mutex<Option<(JoinHandle<()>, LogLock)>>,
    sound_at: Option<UnixTime>,
}

impl FileAudit {
    /// Opens the log in the directory `path`, or makes it. Blocks while the last file is walked.
    pub fn open(path: &Path, options: AuditOptions) -> Result<Self, OpenError> {
        Self::open_with(path, options, |volume| volume)
    }

    /// As [`open`](Self::open), with something between the writer and the disk.
    pub(crate) fn open_with<V: Volume>(
        path: &Path,
        options: AuditOptions,
        on: impl FnOnce(crate::disk::DiskVolume) -> V,
    ) -> Result<Self, OpenError> {
        let Opened { volume, current, head, lock, sound_at } = open(path)?;
        let queue = Arc::new(Queue::new(head.sequence));
        let mut volume = on(volume);
        let name = current.name.clone();
        let file = volume.open(&name);
        let file = file.map_err(|source| OpenError::Io { path: path.join(&name), source })?;
        let current = crate::writer::Current { file, ..current };
        let mut writer = Writer::new(volume, current, head, options, queue.clone());
        writer.begin().map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        let writer = std::thread::Builder::new()
            .name("moneyer-audit".to_owned())
            .spawn(move || writer.run())
            .map_err(OpenError::Thread)?;
        Ok(Self { queue, writer: Mutex::new(Some((writer, lock))), sound_at })
    }

    /// Takes no more records, and returns when those that waited are answered.
    pub async fn close(&self) {
        self.queue.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((writer, lock)) = writer {
            // Its end is all there is to know.
            drop(tokio::task::spawn_blocking(move || drop(writer.join())).await);
            drop(lock);
        }
    }

    /// When the last token was minted or the clock last confirmed, as of the opening and as far as the
    /// last file tells.
    #[must_use]
    pub fn sound_at(&self) -> Option<UnixTime> {
        self.sound_at
    }

    /// How much was written.
    #[must_use]
    pub fn written(&self) -> Written {
        let counts = &self.queue.counts;
        Written {
            sequence: counts.sequence.load(Ordering::Acquire),
            records: counts.records.load(Ordering::Relaxed),
            groups: counts.groups.load(Ordering::Relaxed),
            failures: counts.failures.load(Ordering::Relaxed),
        }
    }
}

impl LineLog for FileAudit {
    fn append(&self, lines: Lines) -> Result<Recording, AuditError> {
        self.queue.health()?;
        let (answer, answered) = oneshot::channel();
        let count = lines.count();
        self.queue.push(Waiting { events: lines.into_text(), count, answer })?;
        let hasten: Arc<dyn Hasten> = self.queue.clone();
        Ok(Recording::new(answered, Some(hasten)))
    }

    fn health(&self) -> Result<(), AuditError> {
        self.queue.health()
    }
}

impl Drop for FileAudit {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for FileAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileAudit").field("written", &self.written()).finish_non_exhaustive()
    }
}
