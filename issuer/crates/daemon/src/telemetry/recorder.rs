//! The process's metrics recorder.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Time between two rounds of upkeep: at 10,000 measurements a second under 1 MiB waits.
const UPKEEP: Duration = Duration::from_secs(5);

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
    fn metrics_are_rendered_by_every_handle() {
        let first = metrics_recorder();
        metrics::counter!("telemetry_test_total").increment(2);
        assert!(first.render().contains("telemetry_test_total 2"));
        assert!(metrics_recorder().render().contains("telemetry_test_total 2"));
    }
}
