//! The threads that sign.
//!
//! A fixed number of threads and a bounded queue: what does not fit is refused at once, since a token
//! that comes after its caller's deadline is wasted work. A job that panics costs its caller the answer
//! and the pool nothing.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use moneyer_authority::signer::SignerError;
use tokio::sync::oneshot;

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

type Job = Box<dyn FnOnce() + Send>;

/// A bounded pool. Its threads end when the last handle is dropped.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    jobs: SyncSender<Job>,
}

impl Pool {
    pub(super) fn start(limits: PoolLimits) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel::<Job>(limits.queue);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..limits.threads.get() {
            let queue = queue.clone();
            let name = format!("signer-{number}");
            thread::Builder::new().name(name).spawn(move || work(&queue))?;
        }
        Ok(Self { jobs })
    }

    /// Runs a job on the pool and waits for it without holding a thread.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SignerError> {
        self.submit(job)?.wait().await
    }

    /// Hands a job to the pool at once; what is returned waits for it.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Answer<T>, SignerError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody waits any more: the caller hung up.
            if !answer.is_closed() {
                answer.send(job()).ok();
            }
        });
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => SignerError::Overloaded,
            TrySendError::Disconnected(_) => SignerError::Unavailable("no thread is left".into()),
        })?;
        Ok(Answer(answered))
    }
}

/// What a job will answer.
#[derive(Debug)]
pub(super) struct Answer<T>(oneshot::Receiver<T>);

impl<T> Answer<T> {
    /// Waits for it.
    pub(super) async fn wait(self) -> Result<T, SignerError> {
        self.0.await.map_err(|error| SignerError::Unavailable(error.into()))
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            // What unwinds drops the sender of the answer, and the caller sees that. Nothing a job
            // holds is used afterwards.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}
