//! Closed loops on threads, and the tables of what they gave.

use std::time::Duration;

use moneyer_load::measure::{Histogram, Sample};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

/// How long a figure takes where nobody says: enough to see that it runs.
const SMOKE_MS: u64 = 20;

/// What one connection asks again and again; it panics where the answer is not the right one.
pub(crate) type Line = Box<dyn FnMut() + Send>;

/// How long each figure takes, and whether it is to be compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) duration: Duration,
    pub(crate) measured: bool,
}

impl Effort {
    /// As `MONEYER_BENCH_MS` says.
    pub(crate) fn from_environment() -> Self {
        let asked = std::env::var_os("MONEYER_BENCH_MS");
        let read = |text: &std::ffi::OsString| text.to_str().and_then(|text| text.parse().ok());
        let milliseconds =
            asked.as_ref().map_or(SMOKE_MS, |text| read(text).expect("MONEYER_BENCH_MS: a number"));
        Self { duration: Duration::from_millis(milliseconds), measured: asked.is_some() }
    }
}

/// One measurement at a time: they share the cores as it is.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// Runs each line on a thread of its own, the next request as soon as the last is answered, once at least.
pub(crate) fn closed_loop(lines: &mut [Line], duration: Duration) -> Sample {
    let start = Instant::now();
    let mut latencies = Histogram::default();
    std::thread::scope(|scope| {
        let running: Vec<_> = lines
            .iter_mut()
            .map(|line| {
                scope.spawn(move || {
                    let mut own = Histogram::default();
                    while own.count() == 0 || start.elapsed() < duration {
                        let asked = Instant::now();
                        line();
                        own.record(asked.elapsed());
                    }
                    own
                })
            })
            .collect();
        for thread in running {
            latencies.merge(&thread.join().unwrap());
        }
    });
    Sample { latencies, elapsed: start.elapsed() }
}

/// CPU time for each of these, in microseconds.
pub(crate) fn microseconds_each(cpu: Duration, sample: &Sample) -> f64 {
    cpu.as_secs_f64() * 1e6 / number(sample.latencies.count())
}

/// A percentile, in milliseconds.
pub(crate) fn milliseconds(sample: &Sample, per_mille: u64) -> f64 {
    sample.latencies.within(per_mille).as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run stay below 2^53")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
