//! Starting, watching and ending the tasks of a daemon.
//!
//! One [`Shutdown`] is shared by everything that runs: it says when to stop and knows which
//! tasks have not yet stopped. A task that panics is logged by its name and does not take
//! the daemon with it. Signals come as a stream, so that `main` decides what each means;
//! nothing here ends the process.

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::signal::unix::{Signal as Unix, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The switch that ends a daemon and the list of tasks that must end with it.
///
/// Clones share the same switch and list.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    leaving: CancellationToken,
    token: CancellationToken,
    tasks: TaskTracker,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Drain {
    /// Every task ended in time.
    Complete,
    /// This many tasks were still running at the deadline.
    Abandoned(usize),
}

impl Shutdown {
    /// A switch that is not thrown, with no tasks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that is cancelled when the daemon is about to stop and still does everything: whoever sends work is told
    /// to send it elsewhere.
    #[must_use]
    pub fn leaving(&self) -> &CancellationToken {
        &self.leaving
    }

    /// Tells that the daemon is about to stop. No task is asked to.
    pub fn leave(&self) {
        self.leaving.cancel();
    }

    /// The token that is cancelled when the daemon should stop.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Asks every task to stop, without waiting.
    pub fn begin(&self) {
        self.leave();
        self.token.cancel();
    }

    /// Runs `future` as a task that [`Shutdown::drain`] waits for.
    ///
    /// A panic in it is logged under `name`. The task must watch [`Shutdown::token`]
    /// itself: it is not cut off when the token is cancelled.
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = name.into();
        self.tasks.spawn(async move {
            if let Err(panic) = AssertUnwindSafe(future).catch_unwind().await {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_default();
                tracing::error!(task.name = %name, task.panic = %text, "a task panicked");
            }
        })
    }

    /// Asks every task to stop and waits for them, at most for `deadline`.
    pub async fn drain(&self, deadline: Duration) -> Drain {
        self.begin();
        self.tasks.close();
        match tokio::time::timeout(deadline, self.tasks.wait()).await {
            Ok(()) => Drain::Complete,
            Err(_) => Drain::Abandoned(self.tasks.len()),
        }
    }
}

/// Raises the soft limit of open files to the hard one.
///
/// A daemon holds a descriptor for each connection and socket; the usual soft limit of 1,024 is for
/// programs that use `select`. A system that refuses leaves the limit as it is.
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(error.cause = %error, "the limit of open files could not be raised");
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: finish what is open, then end.
    Terminate,
    /// SIGHUP: read the configuration and certificates again.
    Reload,
}

/// The stream of signals sent to this process; it never ends.
#[derive(Debug)]
pub struct Signals {
    terminate: [Unix; 2],
    reload: Unix,
}

/// Begins to catch SIGTERM, SIGINT and SIGHUP, which from then on no longer kill.
///
/// # Errors
/// When a handler cannot be installed. Needs a Tokio runtime.
pub fn signals() -> io::Result<Signals> {
    Ok(Signals {
        terminate: [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?],
        reload: signal(SignalKind::hangup())?,
    })
}

impl Signals {
    /// Waits for the next signal.
    pub async fn recv(&mut self) -> Signal {
        match self.next().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

impl Stream for Signals {
    type Item = Signal;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        if self.terminate.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
            return Poll::Ready(Some(Signal::Terminate));
        }
        self.reload.poll_recv(cx).map(|_| Some(Signal::Reload))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_descriptor_limit_is_raised_to_the_hard_one() {
        use rustix::process::{Resource, getrlimit};
        raise_descriptor_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn drain_waits_for_tasks_and_counts_those_that_stay() {
        let shutdown = Shutdown::new();
        let token = shutdown.token().clone();
        shutdown.spawn("polite", async move { token.cancelled().await });
        assert_eq!(shutdown.drain(Duration::from_secs(1)).await, Drain::Complete);

        let shutdown = Shutdown::new();
        shutdown.spawn("deaf", std::future::pending());
        assert_eq!(shutdown.drain(Duration::from_secs(1)).await, Drain::Abandoned(1));
    }

    #[tokio::test]
    async fn who_leaves_has_stopped_nothing_and_who_stops_has_left() {
        let shutdown = Shutdown::new();
        shutdown.leave();
        assert!(shutdown.leaving().is_cancelled() && !shutdown.token().is_cancelled());
        let shutdown = Shutdown::new();
        assert_eq!(shutdown.drain(Duration::from_secs(1)).await, Drain::Complete);
        assert!(shutdown.leaving().is_cancelled() && shutdown.token().is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_own_task() {
        let shutdown = Shutdown::new();
        shutdown.spawn("bad", async { panic!("on purpose") }).await.unwrap();
        assert_eq!(shutdown.drain(Duration::from_secs(5)).await, Drain::Complete);
    }

    #[tokio::test]
    async fn signals_say_what_they_ask_for() {
        let mut signals = signals().unwrap();
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::HUP).unwrap();
        assert_eq!(signals.recv().await, Signal::Reload);
        rustix::process::kill_process(own, rustix::process::Signal::TERM).unwrap();
        assert_eq!(signals.recv().await, Signal::Terminate);
        rustix::process::kill_process(own, rustix::process::Signal::INT).unwrap();
        assert_eq!(signals.recv().await, Signal::Terminate);
    }
}
