//! Logs and metrics of a process.
//!
//! Logs go to standard error, one line an event: a constant message, values in dotted
//! fields. Metrics are counted by the crate `metrics` and rendered in Prometheus' text
//! format. Both crates keep one receiver for the process; whoever comes second is told so
//! (logs) or shares it (metrics).

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::TryInitError;

/// Time between two rounds of upkeep: at 10,000 measurements a second under 1 MiB waits.
const UPKEEP: Duration = Duration::from_secs(5);

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("the filter is not one; `info` and `info,moneyer=debug` are")]
    Filter(#[source] ParseError),
    /// Logging was started before.
    #[error("logging was started before in this process")]
    Started(#[source] TryInitError),
}

/// Starts logging to standard error.
pub fn init(format: Format, filter: &str) -> Result<(), TelemetryError> {
    use tracing_subscriber::util::SubscriberInitExt as _;
    let filter = EnvFilter::builder().parse(filter).map_err(TelemetryError::Filter)?;
    // Where standard error cannot be written, there is nobody to tell, and telling panics the task that
    // logged.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false);
    let started = match format {
        Format::Text => builder.finish().try_init(),
        Format::Json => builder.json().finish().try_init(),
    };
    started.map_err(TelemetryError::Started)
}

/// The process's metrics recorder, installed by the first call.
///
/// A recorder that another library installed before keeps receiving; this one then renders nothing.
#[must_use]
pub fn metrics_recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics stays empty");
        }
        handle
    };
    HANDLE.get_or_init(install).clone()
}

/// Folds measurements together for as long as it is polled.
///
/// Rendering does the same; without either, histograms grow while nobody scrapes.
pub async fn upkeep(metrics: PrometheusHandle) {
    let mut rounds = tokio::time::interval(UPKEEP);
    loop {
        rounds.tick().await;
        metrics.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_filter_is_refused_before_anything_starts() {
        assert!(matches!(init(Format::Text, "moneyer=loud"), Err(TelemetryError::Filter(_))));
    }

    #[test]
    fn metrics_are_rendered_by_every_handle() {
        let first = metrics_recorder();
        metrics::counter!("telemetry_test_total").increment(2);
        assert!(first.render().contains("telemetry_test_total 2"));
        assert!(metrics_recorder().render().contains("telemetry_test_total 2"));
    }
}
