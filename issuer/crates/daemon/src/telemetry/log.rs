//! The process's log.

use std::io::IsTerminal as _;
use std::sync::Arc;

use moneyer_identity::SystemClock;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{EnvFilter, Layer as _};

use super::warnings::{WarningsLayer, warnings};

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

/// Starts logging to standard error, and keeps the last warnings of what is logged.
pub fn init(format: Format, filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::builder().parse(filter).map_err(TelemetryError::Filter)?;
    // Where standard error cannot be written, there is nobody to tell, and telling panics the task that
    // logged.
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false);
    let lines = match format {
        Format::Text => lines.boxed(),
        Format::Json => lines.json().boxed(),
    };
    let kept = WarningsLayer::new(warnings(), Arc::new(SystemClock));
    tracing_subscriber::registry()
        .with(lines)
        .with(kept)
        .with(filter)
        .try_init()
        .map_err(TelemetryError::Started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_filter_is_refused_before_anything_starts() {
        assert!(matches!(init(Format::Text, "moneyer=loud"), Err(TelemetryError::Filter(_))));
    }
}
