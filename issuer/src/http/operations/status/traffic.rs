//! Tokens minted and refused, and the last warnings.

use std::collections::BTreeMap;

use moneyer_daemon::telemetry::{Warning, WarningLevel};
use moneyer_identity::UnixTime;
use serde::Serialize;

use crate::rates::{Counts, over_last};

/// Tokens minted and refused.
#[derive(Debug, Serialize)]
pub(super) struct TrafficStatus {
    /// In the last 5, 15 and 60 minutes; the minute that is not over is the last of them.
    pub(super) spans: [SpanStatus; 3],
    /// In each of the last minutes, the oldest first.
    pub(super) minutes: Vec<MinuteStatus>,
}

/// What was counted in the last minutes.
#[derive(Debug, Serialize)]
pub(super) struct SpanStatus {
    pub(super) minutes: usize,
    pub(super) minted: u64,
    /// By class, those that happened.
    pub(super) refused: BTreeMap<&'static str, u64>,
}

/// What was counted in one minute.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct MinuteStatus {
    pub(super) minted: u64,
    pub(super) refused: u64,
}

impl TrafficStatus {
    pub(super) fn of(minutes: &[Counts]) -> Self {
        let span = |count| {
            let counts = over_last(minutes, count);
            let refused = counts.refused().map(|(class, count)| (class.as_str(), count));
            SpanStatus { minutes: count, minted: counts.minted, refused: refused.collect() }
        };
        let minute = |one: &Counts| MinuteStatus { minted: one.minted, refused: one.all_refused() };
        Self { spans: [5, 15, 60].map(span), minutes: minutes.iter().map(minute).collect() }
    }

    /// Refusals of these classes in the last five minutes.
    pub(super) fn lately(&self, classes: &[&str]) -> u64 {
        let [five, ..] = &self.spans;
        classes.iter().filter_map(|class| five.refused.get(class)).sum()
    }
}

/// A message of the log.
#[derive(Debug, Serialize)]
pub(super) struct WarningStatus {
    /// `error` or `warning`.
    pub(super) level: &'static str,
    pub(super) message: String,
    /// The values it came with last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) values: String,
    pub(super) first_at: UnixTime,
    pub(super) last_at: UnixTime,
    pub(super) count: u64,
}

impl From<Warning> for WarningStatus {
    fn from(warning: Warning) -> Self {
        let Warning { level, message, values, first_at, last_at, count } = warning;
        let level = match level {
            WarningLevel::Error => "error",
            WarningLevel::Warning => "warning",
        };
        Self { level, message, values, first_at, last_at, count }
    }
}
