//! `[telemetry]`: logs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Logs. They go to standard error.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySection {
    /// `text` or `json`. Default: `text`.
    pub format: LogFormat,
    /// What is logged, as `info` or `info,moneyer_runner_proxy=debug`. Default: `info`.
    pub filter: String,
}

impl Default for TelemetrySection {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}
