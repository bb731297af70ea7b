//! Logs and metrics of a process.
//!
//! Logs go to standard error, one line an event: a constant message, values in dotted
//! fields. The last warnings among them are also kept in memory, for who looks at a status page.
//! Metrics are counted by the crate `metrics` and rendered in Prometheus' text
//! format. Both crates keep one receiver for the process; whoever comes second is told so
//! (logs) or shares it (metrics).

mod log;
mod recorder;
mod warnings;

pub use log::{Format, TelemetryError, init};
pub use recorder::{metrics_recorder, upkeep};
pub use warnings::{Warning, WarningLevel, Warnings, WarningsLayer, warnings};
