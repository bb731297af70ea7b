//! [`SledStore`]: the port, in front of the writing thread.
//!
//! Commits go to the writer through a bounded queue, so callers wait when the disk is slower than
//! they are. A caller that stops waiting does not take its commit back.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use moneyer_authority::store::{Change, Collection, Generation, Receive, Store, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::embedded::barrier::{Barrier, DiskBarrier};
use crate::embedded::failure::Failure;
use crate::embedded::load::load;
use crate::embedded::open::{OpenError, OpenSled};
use crate::embedded::writer::{Progress, Waiting, Writer};
use crate::limits::check_sizes;

/// Commits that wait before callers do: eight full groups.
const QUEUE_COMMITS: usize = 4096;

/// How a store is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SledOptions {
    /// Bytes of records sled keeps in memory, 64 MiB by default: the store is read whole at start
    /// and after that only where it is written, so a large cache would hold what is never read.
    pub cache_bytes: u64,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 * 1024 * 1024 }
    }
}

/// A store in a directory of this machine.
pub struct SledStore {
    path: PathBuf,
    progress: Arc<Progress>,
    running: Mutex<Option<Running>>,
}

/// What an open store has and a closed one has not.
struct Running {
    sled: Arc<OpenSled>,
    queue: mpsc::Sender<Waiting>,
    writer: JoinHandle<()>,
}

impl SledStore {
    /// Opens the store in the directory `path`, or makes it. Blocks while sled reads its log.
    pub fn open(path: &Path, options: &SledOptions) -> Result<Self, OpenError> {
        Self::open_with(path, options, DiskBarrier::open)
    }

    /// As [`open`](Self::open), with another barrier on sled's log.
    pub(super) fn open_with<B: Barrier>(
        path: &Path,
        options: &SledOptions,
        barrier: impl FnOnce(&Path) -> std::io::Result<B>,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        let sled = Arc::new(OpenSled::open(path, options)?);
        let barrier = barrier(sled.log.path()).map_err(failed)?;
        let progress = Arc::new(Progress::at(sled.generation));
        let (queue, waiting) = mpsc::channel(QUEUE_COMMITS);
        let writer = Writer {
            barrier,
            sled: Arc::clone(&sled),
            progress: Arc::clone(&progress),
            queue: waiting,
        };
        let writer = std::thread::Builder::new()
            .name("moneyer-store".to_owned())
            .spawn(move || writer.run())
            .map_err(failed)?;
        let running = Mutex::new(Some(Running { sled, queue, writer }));
        Ok(Self { path: path.to_owned(), progress, running })
    }

    /// Takes no more commits, and returns when those that waited are answered and the directory is
    /// free for the next to open it, unless a [`load`](Store::load) is still reading.
    pub async fn close(&self) {
        let Some(Running { sled, queue, writer }) = self.running().take() else { return };
        drop(queue);
        drop(sled);
        // The writer catches every panic, and its end is all there is to know.
        drop(tokio::task::spawn_blocking(move || drop(writer.join())).await);
    }

    /// Commits that wait for the writer.
    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.part(|running| running.queue.max_capacity() - running.queue.capacity()).unwrap_or(0)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self) -> Failure {
        self.progress.failure().unwrap_or(Failure::Closed)
    }

    /// One part of what an open store has.
    fn part<T>(&self, part: impl FnOnce(&Running) -> T) -> Result<T, StoreError> {
        let part = self.running().as_ref().map(part);
        part.ok_or_else(|| self.failure().into())
    }
}

#[async_trait]
impl Store for SledStore {
    async fn load(&self, collection: Collection, receive: Receive<'_>) -> Result<(), StoreError> {
        let sled = self.part(|running| Arc::clone(&running.sled))?;
        load(sled, collection, receive).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Generation, StoreError> {
        check_sizes(&changes)?;
        self.health()?;
        let queue = self.part(|running| running.queue.clone())?;
        let (answer, outcome) = oneshot::channel();
        let sent = queue.send(Waiting { changes, answer }).await;
        // Held no longer than needed: close waits until no sender is left.
        drop(queue);
        if sent.is_err() {
            return Err(self.failure().into());
        }
        outcome.await.unwrap_or_else(|_| Err(self.failure().into()))
    }

    fn generation(&self) -> Generation {
        self.progress.generation()
    }

    fn health(&self) -> Result<(), StoreError> {
        self.part(|_| ())?;
        self.progress.failure().map_or(Ok(()), |failure| Err(failure.into()))
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("path", &self.path)
            .field("generation", &self.generation())
            .finish_non_exhaustive()
    }
}
