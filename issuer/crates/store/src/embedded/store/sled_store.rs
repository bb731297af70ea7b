//! [`SledStore`]: the port, in front of the writing thread.
//!
//! Commits go to the writer through a bounded queue, so callers wait when the disk is slower than
//! they are. A caller that stops waiting does not take its commit back.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use moneyer_authority::store::{
    Change, Collection, Generation, Receipt, Receive, Store, StoreError, Testimony,
};
use tokio::sync::{mpsc, oneshot};

use crate::embedded::barrier::{Barrier, DiskBarrier};
use crate::embedded::failure::Failure;
use crate::embedded::load::load;
use crate::embedded::open::{OpenError, Opened};
use crate::embedded::reopen::Reopen;
use crate::embedded::snapshot::{self, Copied, RestoreError};
use crate::embedded::writer::{Pen, Progress, Waiting, Work, Writer};
use crate::limits::check_sizes;
use crate::record::{Identity, Incarnation, Sealing};

/// Commits that wait before callers do: eight full groups.
const QUEUE_COMMITS: usize = 4096;

/// How a store is opened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SledOptions {
    /// Bytes of records sled keeps in memory, 64 MiB by default: the store is read whole at start
    /// and after that only where it is written, so a large cache would hold what is never read.
    pub cache_bytes: u64,
    /// How secrets are sealed. `None`: not at all, which is for tests that look for them on disk.
    pub sealing: Option<Sealing>,
    /// Opens a store that lacks what it acknowledged, if this is the generation it has come to. Without,
    /// the default, such a store is not opened.
    pub accept_loss: Option<Generation>,
}

impl Default for SledOptions {
    fn default() -> Self {
        Self { cache_bytes: 64 * 1024 * 1024, sealing: None, accept_loss: None }
    }
}

/// A store in a directory of this machine.
pub struct SledStore {
    path: PathBuf,
    sealing: Option<Sealing>,
    identity: Identity,
    loss_accepted: bool,
    progress: Arc<Progress>,
    running: Mutex<Option<Running>>,
}

/// What an open store has and a closed one has not.
struct Running {
    queue: mpsc::Sender<Work>,
    writer: JoinHandle<()>,
}

impl SledStore {
    /// Opens the store in the directory `path`, or makes it. Blocks while sled reads its log and every
    /// record is compared with what there must be.
    pub fn open(path: &Path, options: &SledOptions) -> Result<Self, OpenError> {
        Self::open_with(path, options, DiskBarrier::open)
    }

    /// As [`open`](Self::open), with another barrier on sled's log.
    pub(super) fn open_with<B: Barrier>(
        path: &Path,
        options: &SledOptions,
        barrier: impl Fn(&Path) -> std::io::Result<B> + Send + 'static,
    ) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        let Opened { sled, identity, head, catalogue, secret_files, sealing, loss_accepted } =
            Opened::open(path, options)?;
        let own = identity.clone();
        let first = barrier(sled.log.path()).map_err(failed)?;
        let progress = Arc::new(Progress::at(Generation(head.generation), sled));
        let (queue, waiting) = mpsc::channel(QUEUE_COMMITS);
        let pen = Pen {
            barrier: first,
            catalogue,
            identity,
            secret_files,
            sealing: sealing.clone(),
            head,
        };
        let (path, options) = (path.to_owned(), options.clone());
        let reopen = Reopen { path: path.clone(), options, barrier: Box::new(barrier) };
        let writer = Writer {
            pen: Some(pen),
            undo: None,
            reopen,
            progress: Arc::clone(&progress),
            queue: waiting,
            next: None,
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
        let writer = std::thread::Builder::new()
            .name("moneyer-store".to_owned())
            .spawn(move || writer.run(&runtime))
            .map_err(failed)?;
        let running = Mutex::new(Some(Running { queue, writer }));
        Ok(Self { path, sealing, identity: own, loss_accepted, progress, running })
    }

    /// Writes a copy of everything into a new file and reads it back. Commits wait meanwhile.
    pub async fn backup(&self, path: &Path) -> Result<Copied, RestoreError> {
        let failed = |error: StoreError| RestoreError::Write(error.into());
        let queue = self.part(|running| running.queue.clone()).map_err(failed)?;
        let (answer, outcome) = oneshot::channel();
        let sent = queue.send(Work::Backup(path.to_owned(), answer)).await;
        drop(queue);
        let gone = || failed(self.failure().into());
        sent.map_err(|_closed| gone())?;
        outcome.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Seals every secret anew under the present key. Afterwards no record and no copy beside the store
    /// needs an older one.
    pub async fn rekey(&self) -> Result<Generation, StoreError> {
        let queue = self.part(|running| running.queue.clone())?;
        let (answer, outcome) = oneshot::channel();
        let sent = queue.send(Work::Rekey(answer)).await;
        drop(queue);
        if sent.is_err() {
            return Err(self.failure().into());
        }
        outcome.await.unwrap_or_else(|_| Err(self.failure().into()))
    }

    /// The key that secrets are sealed under, by its id; `None` where they are not sealed.
    #[must_use]
    pub fn sealed_under(&self) -> Option<String> {
        self.sealing.as_ref().map(|sealing| sealing.seals.current_id().to_string())
    }

    /// Reads a copy of a store and checks all of it.
    pub fn check_copy(path: &Path, sealing: Option<&Sealing>) -> Result<Copied, RestoreError> {
        snapshot::check(path, sealing)
    }

    /// Makes a store of a copy, in a directory that holds none. It is another incarnation of it.
    pub fn restore(from: &Path, to: &Path, options: &SledOptions) -> Result<Copied, RestoreError> {
        snapshot::restore(from, to, options)
    }

    /// Which life of the store this is.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.identity.incarnation
    }

    /// Whether it goes on with less than it had, by an operator's word: every key should be rotated.
    #[must_use]
    pub fn loss_accepted(&self) -> bool {
        self.loss_accepted
    }

    /// Takes no more commits, and returns when those that waited are answered and the directory is
    /// free for the next to open it, unless a [`load`](Store::load) is still reading.
    pub async fn close(&self) {
        let Some(Running { queue, writer }) = self.running().take() else { return };
        drop(queue);
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
        // After a failure sled shows a group that nobody was told is there, until it is taken back.
        self.health()?;
        let sled = self.progress.sled().ok_or_else(|| self.failure())?;
        load(sled, self.sealing.clone(), collection, receive).await?;
        self.health()
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Generation, StoreError> {
        check_sizes(&changes)?;
        self.health()?;
        let queue = self.part(|running| running.queue.clone())?;
        let (answer, outcome) = oneshot::channel();
        let sent = queue.send(Work::Commit(Waiting { changes, answer })).await;
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

    fn receipt(&self) -> Receipt {
        self.identity.receipt(self.generation())
    }

    fn hear(&self, receipt: &Receipt) -> Testimony {
        self.identity.hear(receipt, self.generation())
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
