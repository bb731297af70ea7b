//! How long the coordinator has not been heard, also over a restart.
//!
//! While there is a session with it, it is heard all the time. The time since then is counted as the life of a token is, on
//! while the host sleeps, and over a restart by the wall clock (`heard.json`). What cannot be known is taken for too
//! long: that it was never heard, or that the clock was put back meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moneyer_daemon::file;
use moneyer_identity::{Clock, UnixTime};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::token::Timeline;

/// How often it is kept on disk that the coordinator is heard: so much longer the time looks after a crash.
const KEEP_EVERY: Duration = Duration::from_secs(60);

/// By how much the wall clock may have been put back over a restart: more than keeping time does.
const PUT_BACK: Duration = Duration::from_secs(60);

/// What is on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    heard_at: UnixTime,
}

/// When the coordinator was heard last.
#[derive(Debug)]
pub(crate) struct Heard {
    path: PathBuf,
    connected: watch::Receiver<bool>,
    clock: Arc<dyn Clock>,
    timeline: Timeline,
    last: Mutex<Option<Last>>,
}

/// That it was `before` ago at one instant.
#[derive(Debug, Clone, Copy)]
struct Last {
    at: Instant,
    before: Duration,
}

impl Heard {
    /// As it was when the proxy last ran.
    pub(crate) fn read(
        path: &Path,
        connected: watch::Receiver<bool>,
        clock: Arc<dyn Clock>,
        timeline: Timeline,
    ) -> Arc<Self> {
        let kept = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice::<Kept>(&bytes).map_err(io::Error::other),
            Err(error) => Err(error),
        };
        let before = kept.map(|kept| since(kept.heard_at, clock.now()));
        let before = before.unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "when the coordinator was heard last cannot be read");
            }
            None
        });
        let last = Mutex::new(before.map(|before| Last { at: timeline.now(), before }));
        Arc::new(Self { path: path.to_owned(), connected, clock, timeline, last })
    }

    /// How long it has not been heard; `None` where nobody knows.
    pub(crate) fn not_for(&self) -> Option<Duration> {
        if *self.connected.borrow() {
            return Some(Duration::ZERO);
        }
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| self.timeline.now().saturating_duration_since(last.at) + last.before)
    }

    /// Notes when a session ends, and keeps on disk that there is one, until `stop`.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut connected = self.connected.clone();
        loop {
            let is_connected = *connected.borrow_and_update();
            if is_connected {
                self.note().await;
            }
            let is_over = tokio::select! {
                () = stop.cancelled() => true,
                changed = connected.changed() => changed.is_err(),
                () = tokio::time::sleep(KEEP_EVERY), if is_connected => false,
            };
            // It was heard until now, whatever comes.
            if is_connected && (is_over || !*self.connected.borrow()) {
                self.note().await;
            }
            if is_over {
                return;
            }
        }
    }

    async fn note(&self) {
        let last = Last { at: self.timeline.now(), before: Duration::ZERO };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
        let (path, kept) = (self.path.clone(), Kept { heard_at: self.clock.now() });
        let write = move || {
            let bytes = serde_json::to_vec(&kept).map_err(io::Error::other)?;
            file::write_atomic(&path, &bytes, 0o600)
        };
        let written = tokio::task::spawn_blocking(write).await.map_err(io::Error::other);
        if let Err(error) = written.and_then(|written| written) {
            tracing::error!(%error, "when the coordinator was heard last could not be kept on disk");
        }
    }
}

/// How long something is past; `None` where it would have to come, but for what a clock may be wrong by.
fn since(past: UnixTime, now: UnixTime) -> Option<Duration> {
    let put_back = i64::try_from(PUT_BACK.as_secs()).unwrap_or(i64::MAX);
    let seconds = now.0.saturating_sub(past.0);
    (seconds >= -put_back).then(|| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct At(Mutex<i64>);

    impl Clock for At {
        fn now(&self) -> UnixTime {
            UnixTime(*self.0.lock().unwrap())
        }
    }

    struct Host {
        state: tempfile::TempDir,
        clock: Arc<At>,
        connected: watch::Sender<bool>,
    }

    impl Host {
        fn new() -> Self {
            let (state, connected) = (tempfile::tempdir().unwrap(), watch::Sender::new(false));
            Self { state, clock: Arc::new(At(Mutex::new(1_800_000_000))), connected }
        }

        fn start(&self) -> Arc<Heard> {
            let path = self.state.path().join("heard.json");
            let (clock, timeline) =
                (Arc::clone(&self.clock) as _, Timeline::new(|| Duration::ZERO));
            Heard::read(&path, self.connected.subscribe(), clock, timeline)
        }

        /// As long as it is connected.
        async fn run(&self, seconds: u64) -> (Arc<Heard>, tokio::task::JoinHandle<()>) {
            let (heard, stop) = (self.start(), CancellationToken::new());
            let keeping = tokio::spawn(Arc::clone(&heard).keep(stop));
            self.connected.send_replace(true);
            for _ in 0..seconds {
                tokio::time::sleep(Duration::from_secs(1)).await;
                *self.clock.0.lock().unwrap() += 1;
            }
            (heard, keeping)
        }
    }

    /// Lets what is under way come to rest.
    async fn settle() {
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(50)))
            .await
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_counted_from_the_end_of_the_session_and_over_a_restart() {
        let host = Host::new();
        assert_eq!(host.start().not_for(), None, "it was never heard");
        let (heard, keeping) = host.run(200).await;
        assert_eq!(heard.not_for(), Some(Duration::ZERO));
        host.connected.send_replace(false);
        settle().await;
        tokio::time::advance(Duration::from_secs(10)).await;
        let away = heard.not_for().unwrap().as_secs();
        assert!((10..=11).contains(&away), "{away}");
        keeping.abort();
        *host.clock.0.lock().unwrap() += 100;
        let away = host.start().not_for().unwrap().as_secs();
        assert!((100..=101).contains(&away), "{away}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_crash_at_most_a_minute_is_added() {
        let host = Host::new();
        let (_, keeping) = host.run(200).await;
        settle().await;
        keeping.abort();
        host.connected.send_replace(false);
        let away = host.start().not_for().unwrap();
        assert!(away <= KEEP_EVERY + Duration::from_secs(2), "{away:?}");
    }

    #[test]
    fn a_clock_that_was_put_back_says_nothing() {
        let now = UnixTime(1_800_000_000);
        let at = |ahead: i64| since(UnixTime(now.0 + ahead), now);
        assert_eq!(at(-10), Some(Duration::from_secs(10)));
        assert_eq!((at(60), at(61)), (Some(Duration::ZERO), None));
        assert_eq!(since(UnixTime(i64::MIN), now).map(|age| age > KEEP_EVERY), Some(true));
    }

    #[tokio::test]
    async fn what_is_no_record_is_none() {
        let host = Host::new();
        std::fs::write(host.state.path().join("heard.json"), "{").unwrap();
        assert_eq!(host.start().not_for(), None);
    }
}
