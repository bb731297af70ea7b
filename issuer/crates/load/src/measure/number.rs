//! Counts and times as the floating-point numbers a report divides.

use std::time::Duration;

/// A count as a number to divide; exact below 2^53, which no run here reaches.
#[expect(clippy::cast_precision_loss, reason = "counts of one run stay below 2^53")]
pub(crate) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The quotient; `None` where there is nothing to divide by.
pub(crate) fn per(whole: f64, parts: f64) -> Option<f64> {
    (parts > 0.0).then(|| whole / parts)
}
