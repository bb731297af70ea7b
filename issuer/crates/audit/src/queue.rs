//! Records that wait for the writer, and what the writer lets others see.
//!
//! The writer is woken as seldom as can be: for the first record of a quiet time, and when somebody waits.
//! Between the two it gathers, since a token's record is not needed before its signature is made. While
//! records come one by one it does not gather, so that record and signature are made at the same time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moneyer_recording::{AuditError, Hasten, Sequence};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::writer::Failure;

/// Bytes of records that may wait: a second of more than any coordinator mints.
const MAXIMUM_WAITING_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of a group: beyond, the first would wait for the last.
const MAXIMUM_GROUP_BYTES: usize = 4 * 1024 * 1024;

/// How long records are gathered while nobody waits for one.
const GATHER: Duration = Duration::from_millis(10);

/// How long a sync may take before callers are refused at once.
const STALLED: Duration = Duration::from_secs(1);

/// Events that are recorded together.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// Each event's JSON object, one a line.
    pub(crate) events: Vec<u8>,
    /// How many.
    pub(crate) count: u64,
    /// Who wants to know. That nobody does any more changes nothing.
    pub(crate) answer: oneshot::Sender<Result<Sequence, AuditError>>,
}

/// What the writer is doing, as far as whoever brings a record has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Writer {
    /// It writes, and looks at what waits when it is done.
    #[default]
    Busy,
    /// It waits for a record.
    Idle,
    /// It waits for somebody who waits.
    Gathering,
}

#[derive(Debug, Default)]
struct Line {
    waiting: Vec<Waiting>,
    bytes: usize,
    urgent: bool,
    closed: bool,
    writer: Writer,
}

/// What the writer and those who record share.
#[derive(Debug)]
pub(crate) struct Queue {
    line: Mutex<Line>,
    ready: Condvar,
    failing: AtomicBool,
    failure: Mutex<Option<Failure>>,
    /// When this was made: times are kept as milliseconds since.
    epoch: Instant,
    /// Since when the writer has been at the disk, or zero.
    busy_since: AtomicU64,
    pub(crate) counts: Counts,
}

/// What was done so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sequence: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) failures: AtomicU64,
}

/// What the writer finds when it looks.
#[derive(Debug)]
pub(crate) enum Next {
    /// Records to write.
    Group(Vec<Waiting>),
    /// Nothing came in the time it waited.
    Quiet,
    /// The log was closed, and nothing waits.
    Closed,
}

impl Queue {
    pub(crate) fn new(sequence: Sequence) -> Self {
        let counts = Counts { sequence: AtomicU64::new(sequence.0), ..Counts::default() };
        Self {
            line: Mutex::default(),
            ready: Condvar::new(),
            failing: AtomicBool::new(false),
            failure: Mutex::default(),
            epoch: Instant::now(),
            busy_since: AtomicU64::new(0),
            counts,
        }
    }

    /// Takes a record in.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(), AuditError> {
        let mut line = self.lock();
        if line.closed {
            return Err(AuditError::Closed);
        }
        let bytes = line.bytes.saturating_add(waiting.events.len());
        if bytes > MAXIMUM_WAITING_BYTES {
            return Err(AuditError::Overloaded);
        }
        line.bytes = bytes;
        line.waiting.push(waiting);
        let wake = line.writer == Writer::Idle;
        drop(line);
        if wake {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Waits for records, not longer than `at_most`. `gather`: until somebody waits for one.
    pub(crate) fn next(&self, gather: bool, at_most: Duration) -> Next {
        let mut line = self.lock();
        if line.waiting.is_empty() && !line.closed {
            line.writer = Writer::Idle;
            let empty = |line: &mut Line| line.waiting.is_empty() && !line.closed;
            let waited = self.ready.wait_timeout_while(line, at_most, empty);
            line = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if gather && !line.waiting.is_empty() {
            line.writer = Writer::Gathering;
            let more =
                |line: &mut Line| !line.urgent && !line.closed && line.bytes < MAXIMUM_GROUP_BYTES;
            let waited = self.ready.wait_timeout_while(line, GATHER, more);
            line = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        line.writer = Writer::Busy;
        if line.waiting.is_empty() {
            return if line.closed { Next::Closed } else { Next::Quiet };
        }
        Next::Group(take(&mut line))
    }

    /// Waits without looking at records, until the time is over or the log is closed.
    pub(crate) fn pause(&self, time: Duration) {
        let line = self.lock();
        drop(self.ready.wait_timeout_while(line, time, |line| !line.closed));
    }

    /// Everything that waits, and whether the log was closed.
    pub(crate) fn drain(&self) -> (Vec<Waiting>, bool) {
        let mut line = self.lock();
        line.bytes = 0;
        line.urgent = false;
        (std::mem::take(&mut line.waiting), line.closed)
    }

    /// Takes no more records.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    /// Says that the writer is at the disk, or no longer.
    pub(crate) fn set_busy(&self, busy: bool) {
        let since = if busy { self.since_epoch().max(1) } else { 0 };
        self.busy_since.store(since, Ordering::Release);
    }

    /// Says why nothing is written, or that it is again.
    pub(crate) fn set_failure(&self, failure: Option<Failure>) {
        let failing = failure.is_some();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        self.failing.store(failing, Ordering::Release);
    }

    /// Whether a record could be made now.
    pub(crate) fn health(&self) -> Result<(), AuditError> {
        if self.failing.load(Ordering::Acquire) {
            let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(failure) = failure {
                return Err(AuditError::Failing(failure.into()));
            }
        }
        let busy_since = self.busy_since.load(Ordering::Acquire);
        let stalled = u64::try_from(STALLED.as_millis()).unwrap_or(u64::MAX);
        if busy_since != 0 && self.since_epoch().saturating_sub(busy_since) > stalled {
            return Err(AuditError::Slow);
        }
        Ok(())
    }

    fn since_epoch(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Only pushes, takes and flags happen under the lock: a panic cannot leave it half done.
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hasten for Queue {
    fn hasten(&self) {
        let mut line = self.lock();
        if line.waiting.is_empty() || line.urgent {
            return;
        }
        line.urgent = true;
        let wake = line.writer == Writer::Gathering;
        drop(line);
        if wake {
            self.ready.notify_one();
        }
    }
}

/// What waits, at most a group.
fn take(line: &mut Line) -> Vec<Waiting> {
    let mut bytes = 0_usize;
    let fits = |waiting: &&Waiting| {
        let first = bytes == 0;
        bytes = bytes.saturating_add(waiting.events.len());
        first || bytes <= MAXIMUM_GROUP_BYTES
    };
    let count = line.waiting.iter().take_while(fits).count();
    let rest = line.waiting.split_off(count);
    let group = std::mem::replace(&mut line.waiting, rest);
    line.bytes = line.waiting.iter().map(|waiting| waiting.events.len()).sum();
    // Whoever waits may be in the rest.
    line.urgent = line.urgent && !line.waiting.is_empty();
    group
}
