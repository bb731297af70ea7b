//! The one thread that writes.
//!
//! It takes what waits as one group, links its lines to the chain, writes them, syncs, and only then
//! answers. A disk that is full costs the reserve: what had come by then is still written, everything
//! after is refused, and the writer looks for space until the reserve can be set aside again. A write or
//! sync that fails otherwise ends the file: what was not acknowledged is cut off by another descriptor,
//! its last acknowledged line is compared with the chain, and a new file carries the chain on. A failed
//! sync is never repeated.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use moneyer_recording::{AuditError, MAXIMUM_LINE_BYTES, Sequence};
use tokio::time::Instant;

use crate::chain::{Head, LineHash};
use crate::directory::file_name;
use crate::disk::{LogFile, Volume};
use crate::line::append;
use crate::options::AuditOptions;
use crate::queue::{Next, Queue, Waiting};

/// How often it looks whether the disk can be written again.
const RETRY: Duration = Duration::from_millis(250);

/// Bytes after which it is tried again to begin a new file, where that failed.
const ROTATE_AGAIN: u64 = 1024 * 1024;

/// How often the end of the chain is told to the log of the daemon, where it has changed.
const EXPORT: Duration = Duration::from_secs(60);

/// Why nothing is written.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Failure {
    /// The disk is full.
    #[error("the disk is full; free space or move old files of the audit log away")]
    Full(#[source] Arc<io::Error>),
    /// Bytes could not be written.
    #[error("records could not be written")]
    Write(#[source] Arc<io::Error>),
    /// The system did not say that the disk has them.
    #[error("records could not be synced to disk")]
    Sync(#[source] Arc<io::Error>),
    /// The file is not as it was left.
    #[error(
        "the file {0} no longer ends with the last acknowledged record: somebody else wrote to it"
    )]
    Changed(String),
}

impl Failure {
    fn of_write(error: io::Error) -> Self {
        if is_full(&error) { Self::Full(error.into()) } else { Self::Write(error.into()) }
    }
}

/// The file that is written.
#[derive(Debug)]
pub(crate) struct Current {
    pub(crate) name: String,
    pub(crate) file: Box<dyn LogFile>,
    /// Bytes that are acknowledged; more may be there after a failure.
    pub(crate) length: u64,
}

/// The state of the writing thread.
#[derive(Debug)]
pub(crate) struct Writer<V> {
    pub(crate) volume: V,
    pub(crate) current: Current,
    pub(crate) head: Head,
    pub(crate) options: AuditOptions,
    pub(crate) queue: Arc<Queue>,
    state: State,
    buffer: Vec<u8>,
    /// The length at which the present file is ended.
    rotate_at: u64,
    exported: (Head, Instant),
}

/// How far the disk can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It works.
    Sound,
    /// It was full, and the reserve is given back.
    Full,
    /// The file failed: what is behind its acknowledged end is not known.
    Suspect,
}

impl<V: Volume> Writer<V> {
    pub(crate) fn new(
        volume: V,
        current: Current,
        head: Head,
        options: AuditOptions,
        queue: Arc<Queue>,
    ) -> Self {
        let exported = (head, Instant::now());
        let (state, buffer) = (State::Sound, Vec::new());
        let rotate_at = options.rotate_bytes;
        Self { volume, current, head, options, queue, state, buffer, rotate_at, exported }
    }

    /// Sets the reserve aside for the first time. A disk that is full already is waited for as any other:
    /// what needs no record works meanwhile.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        match self.volume.reserve(self.options.reserve_bytes) {
            Err(error) if is_full(&error) => {
                self.fail(Failure::of_write(error), State::Full);
                Ok(())
            }
            other => other,
        }
    }

    /// Writes until the log is closed and everything that waited is answered.
    pub(crate) fn run(mut self) {
        if self.head.sequence.0 > 0 {
            tell("the audit log goes on after this record", self.head);
        }
        let mut gather = false;
        loop {
            if self.state != State::Sound && !self.wait_for_disk() {
                break;
            }
            match self.queue.next(gather, EXPORT) {
                Next::Group(group) => {
                    gather = group.len() > 1;
                    self.queue.set_busy(true);
                    self.write(group);
                    self.queue.set_busy(false);
                }
                Next::Quiet => {}
                Next::Closed => break,
            }
            if self.exported.1.elapsed() >= EXPORT {
                self.export();
            }
        }
        self.export();
    }

    fn write(&mut self, group: Vec<Waiting>) {
        let (firsts, head) = self.compose(&group);
        let mut written = self.put();
        if let (Err(Failure::Full(error)), State::Sound) = (&written, self.state) {
            // Told first: from here on nothing more comes in, and what is there fits the reserve.
            self.fail(Failure::Full(error.clone()), State::Full);
            written = self.use_reserve();
        }
        match written {
            Ok(()) => {
                self.current.length += self.buffer.len() as u64;
                self.acknowledge(group, firsts, head);
                if self.current.length >= self.rotate_at && self.state == State::Sound {
                    self.rotate();
                }
            }
            Err(failure) => {
                let full = matches!(failure, Failure::Full(_));
                self.fail(failure.clone(), if full { State::Full } else { State::Suspect });
                refuse(group, &failure);
            }
        }
    }

    /// The lines of a group in the buffer, the place of each one's first, and the head after all.
    fn compose(&mut self, group: &[Waiting]) -> (Vec<Sequence>, Head) {
        self.buffer.clear();
        let mut head = self.head;
        let mut firsts = Vec::with_capacity(group.len());
        for waiting in group {
            firsts.push(Sequence(head.sequence.0 + 1));
            for event in waiting.events.split(|byte| *byte == b'\n') {
                head = append(&mut self.buffer, head, event);
            }
        }
        (firsts, head)
    }

    /// Writes the buffer and syncs.
    fn put(&mut self) -> Result<(), Failure> {
        if self.state == State::Full {
            // A line that did not fit may be there in part.
            self.current.file.cut(self.current.length).map_err(Failure::of_write)?;
        }
        self.current.file.append(&self.buffer).map_err(Failure::of_write)?;
        self.current.file.sync().map_err(|error| Failure::Sync(error.into()))
    }

    /// Gives the reserve back to the disk and writes once more what did not fit.
    fn use_reserve(&mut self) -> Result<(), Failure> {
        self.volume.release().map_err(Failure::of_write)?;
        self.put()
    }

    fn acknowledge(&mut self, group: Vec<Waiting>, firsts: Vec<Sequence>, head: Head) {
        let records: u64 = group.iter().map(|waiting| waiting.count).sum();
        self.head = head;
        let counts = &self.queue.counts;
        counts.sequence.store(head.sequence.0, Ordering::Release);
        counts.records.fetch_add(records, Ordering::Relaxed);
        counts.groups.fetch_add(1, Ordering::Relaxed);
        for (waiting, first) in group.into_iter().zip(firsts) {
            // Nobody may wait any more, if the caller hung up.
            waiting.answer.send(Ok(first)).ok();
        }
    }

    fn rotate(&mut self) {
        let name = file_name(Sequence(self.head.sequence.0 + 1));
        match self.volume.create(&name) {
            Ok(file) => {
                self.current = Current { name, file, length: 0 };
                self.rotate_at = self.options.rotate_bytes;
                self.export();
            }
            // The present file goes on.
            Err(error) => {
                self.rotate_at = self.current.length.saturating_add(ROTATE_AGAIN);
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "no new file could be begun for the audit log"
                );
            }
        }
    }

    fn fail(&mut self, failure: Failure, state: State) {
        self.queue.counts.failures.fetch_add(1, Ordering::Relaxed);
        if self.state == State::Sound {
            tracing::error!(
                error = &failure as &dyn std::error::Error,
                "the audit log cannot be written: what has to be recorded does not happen"
            );
        }
        // What is suspect stays so, whatever follows.
        self.state = if self.state == State::Suspect { State::Suspect } else { state };
        self.queue.set_failure(Some(failure));
    }

    /// Answers what still comes, and returns true once the disk works again; false if the log was closed.
    fn wait_for_disk(&mut self) -> bool {
        loop {
            let (waiting, closed) = self.queue.drain();
            self.finish(waiting);
            self.queue.set_busy(true);
            let mended = self.mend();
            self.queue.set_busy(false);
            match mended {
                Ok(()) => {
                    self.state = State::Sound;
                    self.queue.set_failure(None);
                    tracing::info!("the audit log is written again");
                    return true;
                }
                Err(_) if closed => return false,
                Err(failure) => self.queue.set_failure(Some(failure)),
            }
            self.queue.pause(RETRY);
        }
    }

    /// What had come when the disk was found full is still written, by the reserve; after any other
    /// failure it is refused.
    fn finish(&mut self, waiting: Vec<Waiting>) {
        if waiting.is_empty() {
            return;
        }
        if self.state == State::Full {
            self.write(waiting);
            return;
        }
        let failure = self
            .queue
            .health()
            .err()
            .map_or_else(|| AuditError::Closed.to_string(), |error| error.to_string());
        for waiting in waiting {
            waiting.answer.send(Err(AuditError::Failing(failure.clone().into()))).ok();
        }
    }

    /// Brings file and reserve back to what they must be before anything is written.
    fn mend(&mut self) -> Result<(), Failure> {
        let Current { name, length, .. } = &self.current;
        let mut file = self.volume.open(name).map_err(Failure::of_write)?;
        // A line that was begun and never acknowledged.
        file.cut(*length).map_err(Failure::of_write)?;
        file.sync().map_err(|error| Failure::Sync(error.into()))?;
        if *length > 0 {
            let tail = file.tail(MAXIMUM_LINE_BYTES as u64 + 1).map_err(Failure::of_write)?;
            if last_line(&tail).map(LineHash::of) != Some(self.head.hash) {
                return Err(Failure::Changed(name.clone()));
            }
        }
        self.volume.reserve(self.options.reserve_bytes).map_err(Failure::of_write)?;
        self.current.file = file;
        if self.state == State::Suspect {
            let name = file_name(Sequence(self.head.sequence.0 + 1));
            let file = self.volume.create(&name).map_err(Failure::of_write)?;
            self.current = Current { name, file, length: 0 };
            self.rotate_at = self.options.rotate_bytes;
        }
        Ok(())
    }

    /// Tells the log of the daemon where the chain ends, if that has changed.
    fn export(&mut self) {
        if self.exported.0 != self.head {
            tell("the audit log has come to this record", self.head);
        }
        self.exported = (self.head, Instant::now());
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn tell(message: &'static str, head: Head) {
    let (sequence, hash) = (head.sequence.0, head.hash.to_string());
    tracing::info!(audit.sequence = sequence, audit.hash = hash, "{message}");
}

fn refuse(group: Vec<Waiting>, failure: &Failure) {
    for waiting in group {
        waiting.answer.send(Err(AuditError::Failing(failure.clone().into()))).ok();
    }
}

/// The last line, without its line end.
pub(crate) fn last_line(tail: &[u8]) -> Option<&[u8]> {
    tail.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n').next()
}
