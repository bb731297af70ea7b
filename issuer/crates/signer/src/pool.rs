//! The threads that sign, and those that wait for a security module.
//!
//! A fixed number of threads and a bounded queue: what does not fit is refused at once, since a token
//! that comes after its caller's deadline is wasted work. A job that panics costs its caller the answer
//! and the pool nothing.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use moneyer_authority::signer::SignerError;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How much the pool does at once.
#[derive(Debug, Clone, Copy)]
pub struct PoolLimits {
    /// Threads. One per core signs as fast as the machine can.
    pub threads: NonZeroUsize,
    /// Jobs that may wait. 1,024 RSA-2048 signatures are a quarter of a second on one core, half of the
    /// time a caller should have to wait at most.
    pub queue: usize,
}

impl Default for PoolLimits {
    fn default() -> Self {
        let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { threads, queue: 1024 }
    }
}

/// Does its work, and gives what hands the answer over.
type Job = Box<dyn FnOnce() -> Handover + Send>;
type Handover = Box<dyn FnOnce() + Send>;

/// Most jobs a thread takes at once, so that others find work too.
const GROUP: usize = 8;

/// How long a thread works before it hands over the answers it has: a group of RSA-2048 signatures on a
/// slow core. Each hand-over wakes an async thread, which takes the core from a signature under way, and
/// ends in a write to a socket: under load several answers for one of each. A job that waits alone is
/// answered at once; nobody waits longer than this for a finished answer.
const HAND_OVER_AFTER: Duration = Duration::from_millis(8);

/// A bounded pool. Its threads end when the last handle is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    handle: Arc<Handle>,
}

/// What every clone of a pool shares; closes the queue when it goes.
struct Handle {
    queue: Arc<Queue>,
    limit: usize,
}

/// Jobs that wait. One job wakes one thread: with the receiver of a channel behind a lock it would wake
/// two, the one that takes the job and the one that takes its place at the lock.
struct Queue {
    waiting: Mutex<Waiting>,
    ready: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
    /// Threads that wait for a job: where none does, waking one would be a system call for nothing.
    idle: usize,
    /// Threads of the pool at work, and whoever has the turn to work without one.
    working: usize,
}

/// The right to do a job where it is asked for, while nothing else is being done. It ends when it is
/// dropped.
pub(crate) struct Turn(Arc<Queue>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.lock().working -= 1;
    }
}

impl Pool {
    pub(crate) fn start(limits: PoolLimits) -> std::io::Result<Self> {
        let waiting = Mutex::new(Waiting::default());
        let queue = Arc::new(Queue { waiting, ready: Condvar::new() });
        // Made first: if a thread cannot be started, dropping it ends those that were.
        let handle = Arc::new(Handle { queue: queue.clone(), limit: limits.queue });
        let threads = limits.threads.get();
        for number in 0..threads {
            let queue = queue.clone();
            let name = format!("signer-{number}");
            thread::Builder::new().name(name).spawn(move || queue.work(threads))?;
        }
        Ok(Self { handle })
    }

    /// Runs a job on the pool and waits for it without holding a thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SignerError> {
        self.submit(job)?.wait().await
    }

    /// The turn to do a short job without the pool, if the pool has nothing to do: what comes alone is
    /// spared two changes of threads, which cost a fifth of a signature. One at a time has it, so that it
    /// never keeps more than one async thread from its other work.
    pub(crate) fn turn(&self) -> Option<Turn> {
        let queue = &self.handle.queue;
        let mut waiting = queue.lock();
        if waiting.working > 0 || !waiting.jobs.is_empty() {
            return None;
        }
        waiting.working = 1;
        Some(Turn(queue.clone()))
    }

    /// Hands a job to the pool at once; what is returned waits for it.
    pub(crate) fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Answer<T>, SignerError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody may wait any more, if the caller hung up: then there is nothing to do.
            let done = (!answer.is_closed()).then(job);
            let hand_over: Handover = Box::new(move || {
                if let Some(done) = done {
                    answer.send(done).ok();
                }
            });
            hand_over
        });
        let queue = &self.handle.queue;
        let mut waiting = queue.lock();
        if waiting.jobs.len() >= self.handle.limit {
            return Err(SignerError::Overloaded);
        }
        waiting.jobs.push_back(job);
        let wake = waiting.idle > 0;
        drop(waiting);
        if wake {
            queue.ready.notify_one();
        }
        Ok(Answer(answered))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.ready.notify_all();
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Queue {
    /// Only pushes and pops happen under the lock: a panic cannot leave it half done.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, threads: usize) {
        while let Some(jobs) = self.next(threads) {
            // What unwinds drops the sender of the answer, and the caller sees that. Nothing a job
            // holds is used afterwards.
            let mut done = Vec::with_capacity(jobs.len());
            let mut since = Instant::now();
            for job in jobs {
                done.extend(catch_unwind(AssertUnwindSafe(job)));
                if since.elapsed() >= HAND_OVER_AFTER {
                    for hand_over in done.drain(..) {
                        hand_over();
                    }
                    since = Instant::now();
                }
            }
            for hand_over in done {
                hand_over();
            }
            self.lock().working -= 1;
        }
    }

    /// This thread's share of what waits, at most a group; `None` once the pool is gone and nothing
    /// waits.
    fn next(&self, threads: usize) -> Option<Vec<Job>> {
        let mut waiting = self.lock();
        loop {
            let share = waiting.jobs.len().div_ceil(threads).min(GROUP);
            if share > 0 {
                waiting.working += 1;
                return Some(waiting.jobs.drain(..share).collect());
            }
            if waiting.closed {
                return None;
            }
            waiting.idle += 1;
            waiting = self.ready.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            waiting.idle -= 1;
        }
    }
}

/// What a job will answer.
#[derive(Debug)]
pub(crate) struct Answer<T>(oneshot::Receiver<T>);

impl<T> Answer<T> {
    /// Waits for it.
    pub(crate) async fn wait(self) -> Result<T, SignerError> {
        self.0.await.map_err(|error| SignerError::Unavailable(error.into()))
    }
}
