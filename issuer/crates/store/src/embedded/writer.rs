//! The one thread that writes.
//!
//! It takes what waits, checks it as one [`Group`], applies the batch, flushes, waits at the
//! [`Barrier`], names it in the catalogue, and only then answers. While it waits new commits gather, so
//! the more callers there are the more share one sync; a single caller is never delayed for company.
//! Refusals are answered after the barrier too: a conflict may be with a commit of the same group,
//! which until then has not happened.
//!
//! After a failure it answers everything with that failure, and opens the directory anew every second
//! until that works: space may be back on the disk. What was acknowledged must be there then; what was
//! not is put back to what was before, since its callers were told that it did not happen.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use moneyer_authority::store::{Cause, Change, Generation, StoreError};
use tokio::sync::{mpsc, oneshot};

use super::barrier::Barrier;
use super::catalogue::{Catalogue, NameChange};
use super::failure::{Failure, panic_text};
use super::group::{Group, Press, SecretChange, Undo, Written};
use super::identity_file;
use super::open::OpenSled;
use super::recovery;
use super::reopen::Reopen;
use super::secret_files::SecretFiles;
use super::snapshot::{self, Copied, RestoreError};
use crate::record::{
    Envelope, HEAD, Head, Identity, Sealing, SetHash, disclose, enclose, record_of,
};

/// Most commits in a group. More would not lower the share each has of a sync by much, and would
/// let the first wait for the last.
const MAXIMUM_GROUP_COMMITS: usize = 512;

/// Bytes of values after which a group is full: half a segment of sled's log.
const MAXIMUM_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Between two attempts to open the directory anew: a person who made room sees it work at once.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// A commit that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// What to change.
    pub(super) changes: Vec<Change>,
    /// Who wants to know. That nobody does any more changes nothing.
    pub(super) answer: oneshot::Sender<Result<Generation, StoreError>>,
}

/// What waits for the writer.
#[derive(Debug)]
pub(super) enum Work {
    /// A commit.
    Commit(Waiting),
    /// A copy of everything into a new file.
    Backup(PathBuf, oneshot::Sender<Result<Copied, RestoreError>>),
    /// Every secret sealed anew.
    Rekey(oneshot::Sender<Result<Generation, StoreError>>),
}

impl Waiting {
    fn value_bytes(&self) -> usize {
        self.changes
            .iter()
            .filter_map(|change| change.value.as_ref())
            .map(|value| value.len())
            .sum()
    }

    fn answer(self, outcome: Result<Generation, StoreError>) {
        drop(self.answer.send(outcome));
    }
}

/// What the writer lets others see.
#[derive(Debug)]
pub(super) struct Progress {
    generation: AtomicU64,
    failure: Mutex<Option<Failure>>,
    /// sled while it is open.
    sled: RwLock<Option<Arc<OpenSled>>>,
}

impl Progress {
    /// Of a store found at this generation.
    pub(super) fn at(generation: Generation, sled: OpenSled) -> Self {
        Self {
            generation: AtomicU64::new(generation.0),
            failure: Mutex::default(),
            sled: RwLock::new(Some(Arc::new(sled))),
        }
    }

    /// The last acknowledged generation.
    pub(super) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    /// Why nothing is written at the moment, if so.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failed().clone()
    }

    /// sled, if it is open at the moment.
    pub(super) fn sled(&self) -> Option<Arc<OpenSled>> {
        self.sled.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts sled, or nothing, in the place of what is open.
    pub(super) fn replace_sled(&self, sled: Option<Arc<OpenSled>>) -> Option<Arc<OpenSled>> {
        std::mem::replace(&mut *self.sled.write().unwrap_or_else(PoisonError::into_inner), sled)
    }

    fn failed(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is written with, of one opening of the directory.
#[derive(Debug)]
pub(super) struct Pen<B> {
    pub(super) barrier: B,
    pub(super) catalogue: Catalogue,
    pub(super) identity: Identity,
    pub(super) secret_files: SecretFiles,
    pub(super) sealing: Option<Sealing>,
    pub(super) head: Head,
}

/// The state of the writing thread.
pub(super) struct Writer<B> {
    /// `None` after a failure.
    pub(super) pen: Option<Pen<B>>,
    /// What a group that was not acknowledged may have left.
    pub(super) undo: Option<Undo>,
    /// How the directory is opened anew.
    pub(super) reopen: Reopen<B>,
    /// What others see of it.
    pub(super) progress: Arc<Progress>,
    /// What waits.
    pub(super) queue: mpsc::Receiver<Work>,
    /// Work that came behind the last group.
    pub(super) next: Option<Work>,
}

impl<B: Barrier> Writer<B> {
    /// Writes until the last sender is gone and everything that waited is answered.
    pub(super) fn run(mut self, runtime: &tokio::runtime::Runtime) {
        loop {
            let received = if let Some(next) = self.next.take() {
                Some(next)
            } else if self.pen.is_some() {
                self.queue.blocking_recv()
            } else {
                let queue = &mut self.queue;
                let next = runtime
                    .block_on(async { tokio::time::timeout(REOPEN_EVERY, queue.recv()).await });
                match next {
                    Ok(received) => received,
                    Err(_elapsed) => {
                        self.try_again();
                        continue;
                    }
                }
            };
            match received {
                Some(Work::Commit(first)) => {
                    let waiting = self.gather(first);
                    match self.progress.failure() {
                        Some(failure) => refuse(waiting, &failure),
                        None => self.write(waiting),
                    }
                }
                Some(Work::Backup(path, answer)) => drop(answer.send(self.back_up(&path))),
                Some(Work::Rekey(answer)) => drop(answer.send(self.rekey())),
                None => break,
            }
        }
        self.take_back_at_the_end();
        // Closed: sled goes with the last who reads.
        drop(self.pen.take());
        drop(self.progress.replace_sled(None));
    }

    /// What failed and was refused must not be found at the next start: one more attempt to take it back.
    fn take_back_at_the_end(&mut self) {
        if self.undo.is_none() || self.pen.is_some() {
            return;
        }
        self.try_again();
        if self.undo.is_some() {
            tracing::error!(
                "the store was closed while its disk failed: a change that was refused may be in force at \
                 the next start"
            );
        }
    }

    fn gather(&mut self, first: Waiting) -> Vec<Waiting> {
        let mut bytes = first.value_bytes();
        let mut waiting = vec![first];
        while waiting.len() < MAXIMUM_GROUP_COMMITS && bytes < MAXIMUM_GROUP_BYTES {
            match self.queue.try_recv() {
                Ok(Work::Commit(next)) => {
                    bytes = bytes.saturating_add(next.value_bytes());
                    waiting.push(next);
                }
                Ok(other) => {
                    self.next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        waiting
    }

    fn write(&mut self, mut waiting: Vec<Waiting>) {
        let written = catch_unwind(AssertUnwindSafe(|| self.write_group(&mut waiting)));
        let failure = match written {
            Ok(Ok((outcomes, exported))) => {
                self.undo = None;
                for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
                    waiting.answer(outcome);
                }
                if exported {
                    self.export();
                }
                return;
            }
            Ok(Err(failure)) => failure,
            Err(panic) => Failure::Panic(panic_text(&*panic)),
        };
        tracing::error!(
            error = &failure as &dyn std::error::Error,
            "the store does not write; it is opened anew until it does"
        );
        self.pen = None;
        *self.progress.failed() = Some(failure.clone());
        refuse(waiting, &failure);
    }

    /// The outcomes in the order of the commits, and whether a snapshot is due.
    fn write_group(&mut self, waiting: &mut [Waiting]) -> Result<Answers, Failure> {
        let sled = self.progress.sled();
        let (Some(pen), Some(sled)) = (self.pen.as_mut(), sled) else {
            return Err(Failure::Closed);
        };
        let mut group = Group::after(pen.head);
        let sealing = pen.sealing.as_ref();
        let press = Press { db: &sled.db, identity: &pen.identity, sealing };
        let outcomes = waiting
            .iter_mut()
            .map(|waiting| group.accept(press, std::mem::take(&mut waiting.changes)))
            .collect();
        if group.is_empty() {
            return Ok((outcomes, false));
        }
        let Written { head, batch, names, secrets, exported, undo } =
            group.into_written(&pen.identity);
        self.undo = Some(undo);
        sled.db.apply_batch(batch).map_err(Failure::Apply)?;
        sled.db.flush().map_err(Failure::Flush)?;
        pen.barrier.wait().map_err(|error| Failure::Sync(Arc::new(error)))?;
        pen.secret_files.apply(&secrets).map_err(|e| Failure::SecretFile(Arc::new(e)))?;
        let named = pen.catalogue.append(&head, names, &pen.identity);
        named.map_err(|error| Failure::Catalogue(Arc::new(error)))?;
        pen.head = head;
        self.progress.generation.store(head.generation, Ordering::Release);
        if pen.catalogue.is_long() {
            pen.compact(&sled.db);
        }
        Ok((outcomes, exported))
    }

    /// A copy of everything in a new file, read back.
    fn back_up(&self, path: &Path) -> Result<Copied, RestoreError> {
        let failure = || self.progress.failure().unwrap_or(Failure::Closed);
        let (Some(pen), Some(sled)) = (self.pen.as_ref(), self.progress.sled()) else {
            return Err(RestoreError::Write(failure().into()));
        };
        let sealing = pen.sealing.as_ref();
        snapshot::write(path, &sled.db, &pen.identity, &pen.head, sealing).map_err(|error| {
            match error.kind() {
                io::ErrorKind::AlreadyExists => RestoreError::Exists { path: path.to_owned() },
                // Of the name, and not of the disk: whoever said it has to say another.
                io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::InvalidFilename
                | io::ErrorKind::InvalidInput => {
                    RestoreError::NoPlace { path: path.to_owned(), source: error }
                }
                _ => RestoreError::Write(error.into()),
            }
        })?;
        snapshot::check(path, sealing)
    }

    /// Seals every secret anew. Cut off anywhere, each is readable with the old key or the new one.
    fn rekey(&mut self) -> Result<Generation, StoreError> {
        let failure = || self.progress.failure().unwrap_or(Failure::Closed);
        let (Some(pen), Some(sled)) = (self.pen.as_mut(), self.progress.sled()) else {
            return Err(failure().into());
        };
        // Before anything is sealed under the present key, who may recover it has it.
        recovery::write(&self.reopen.path, pen.sealing.as_ref())
            .map_err(|error| StoreError::Unavailable(error.into()))?;
        let rekeyed = pen.rekey(&sled.db, &self.reopen.path);
        if let Err(error) = rekeyed {
            self.pen = None;
            *self.progress.failed() = Some(error.clone());
            return Err(error.into());
        }
        self.export();
        self.reopen.forget_older_copies();
        Ok(self.progress.generation())
    }

    /// A copy of everything. It is a second safety: without it the store goes on.
    fn export(&self) {
        let (Some(pen), Some(sled)) = (self.pen.as_ref(), self.progress.sled()) else { return };
        if let Err(error) = self.reopen.export(&sled.db, &pen.identity, &pen.head) {
            tracing::warn!(%error, "no snapshot was made after a change of keys");
        }
    }

    /// Opens the directory anew.
    fn try_again(&mut self) {
        // Whoever reads holds sled open; the next attempt is a second away.
        if let Some(sled) = self.progress.replace_sled(None) {
            match Arc::try_unwrap(sled) {
                Ok(sled) => drop(sled),
                Err(sled) => {
                    self.progress.replace_sled(Some(sled));
                    return;
                }
            }
        }
        let acknowledged = self.progress.generation();
        let undo = self.undo.as_ref();
        let opened = catch_unwind(AssertUnwindSafe(|| self.reopen.open(acknowledged, undo)));
        match opened {
            Ok(Ok((pen, sled))) => {
                self.progress.replace_sled(Some(Arc::new(sled)));
                (self.pen, self.undo) = (Some(pen), None);
                *self.progress.failed() = None;
                tracing::warn!("the store writes again; everything acknowledged is there");
            }
            Ok(Err(failure)) => {
                tracing::debug!(error = &failure as &dyn std::error::Error, "still not");
                *self.progress.failed() = Some(failure);
            }
            Err(panic) => {
                *self.progress.failed() = Some(Failure::Panic(panic_text(&*panic)));
            }
        }
    }
}

/// The outcome of each commit, and whether a snapshot is due.
type Answers = (Vec<Result<Generation, StoreError>>, bool);

impl<B: Barrier> Pen<B> {
    /// Every secret under the present key, as the same records of the same revisions.
    fn rekey(&mut self, db: &sled::Db, path: &Path) -> Result<(), Failure> {
        let Some(sealing) = self.sealing.clone() else { return Ok(()) };
        let (mut batch, mut head, mut secrets) = (sled::Batch::default(), self.head, Vec::new());
        for entry in db.iter() {
            let (key, bytes) = entry.map_err(Failure::Apply)?;
            let Some((collection, id)) = record_of(&key).filter(|(of, _)| of.is_secret()) else {
                continue;
            };
            let unreadable = |cause: Cause| Failure::Rekey(cause.to_string());
            let (revision, value) = disclose(Some(&sealing), &key, &bytes).map_err(unreadable)?;
            let fresh = enclose(Some(&sealing), (collection, id), &key, revision, &value)
                .map_err(|error| unreadable(error.into()))?;
            head.hash.subtract(SetHash::of(&self.identity, &key, &bytes));
            head.hash.add(SetHash::of(&self.identity, &key, &fresh));
            batch.insert(&*key, fresh.clone());
            secrets.push(SecretChange { collection, id: id.to_owned(), envelope: Some(fresh) });
        }
        let encoded = head.encode(&self.identity);
        batch.insert(HEAD, Envelope::encode(HEAD, Generation(head.generation), &encoded));
        db.apply_batch(batch).map_err(Failure::Apply)?;
        db.flush().map_err(Failure::Flush)?;
        self.barrier.wait().map_err(|error| Failure::Sync(Arc::new(error)))?;
        let file = |error| Failure::SecretFile(Arc::new(error));
        self.secret_files.apply(&secrets).map_err(file)?;
        self.head = head;
        let catalogue = Catalogue::create(self.catalogue.path(), &head, names(db), &self.identity);
        self.catalogue = catalogue.map_err(|error| Failure::Catalogue(Arc::new(error)))?;
        identity_file::write(&path.join("IDENTITY"), &self.identity, Some(&sealing))
            .map_err(|error| Failure::Rekey(error.to_string()))
    }

    /// Writes the catalogue anew. A failure leaves the long one in use.
    fn compact(&mut self, db: &sled::Db) {
        match Catalogue::create(self.catalogue.path(), &self.head, names(db), &self.identity) {
            Ok(catalogue) => self.catalogue = catalogue,
            Err(error) => tracing::warn!(%error, "the catalogue could not be shortened"),
        }
    }
}

/// Every record's key and revision.
pub(super) fn names(db: &sled::Db) -> impl Iterator<Item = NameChange> + use<> {
    db.iter().filter_map(|entry| {
        let (key, bytes) = entry.ok().filter(|(key, _)| key != HEAD)?;
        let revision = Envelope::decode(&key, &bytes).ok()?.revision;
        Some((key.to_vec(), Some(revision)))
    })
}

fn refuse(waiting: Vec<Waiting>, failure: &Failure) {
    for waiting in waiting {
        waiting.answer(Err(failure.clone().into()));
    }
}
