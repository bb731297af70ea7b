//! The figures every kind of work gives, and their JSON names.

use serde::Serialize;

use crate::measure::{Sample, millis, per};

/// Something measured beside what it was measured against.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    /// How near it comes to the reference: 1 is equal, more is better. `null` without a reference.
    pub(crate) ratio: Option<f64>,
    /// Units of work a second.
    pub(crate) per_second: f64,
    /// Half of the calls took at most this long.
    pub(crate) p50_ms: f64,
    /// 99 of 100 calls took at most this long.
    pub(crate) p99_ms: f64,
    /// CPU time of the process under load for a unit of work, in microseconds, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_us: Option<f64>,
    /// What it is measured against, in the same run.
    pub(crate) reference: Option<Reference>,
}

/// What something is measured against.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reference {
    /// What it is.
    pub(crate) what: &'static str,
    /// Units of work a second on all cores.
    pub(crate) per_second: f64,
    /// CPU time for a unit of work, in microseconds.
    pub(crate) cpu_us: Option<f64>,
    /// Half of the calls took at most this long; absent for work without calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p50_ms: Option<f64>,
    /// 99 of 100 calls took at most this long; absent for work without calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) p99_ms: Option<f64>,
}

/// How long calls took at a fixed rate.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    /// Requests a second that were due.
    pub(crate) rate: f64,
    /// Requests a second that were answered.
    pub(crate) per_second: f64,
    /// Half of the calls took at most this long.
    pub(crate) p50_ms: f64,
    /// 99 of 100 calls took at most this long.
    pub(crate) p99_ms: f64,
}

impl Latency {
    pub(super) fn of(sample: &Sample, rate: f64) -> Self {
        Self { rate, per_second: sample.per_second(), p50_ms: p50(sample), p99_ms: p99(sample) }
    }
}

impl Reference {
    /// Raw signatures: as many a second as all cores together can make.
    pub(super) fn raw_signature(cpu_seconds: f64) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cores = crate::measure::as_f64(cores as u64);
        Self {
            what: "raw RSA-2048 signature",
            per_second: per(cores, cpu_seconds).unwrap_or(0.0),
            cpu_us: Some(cpu_seconds * 1e6),
            p50_ms: None,
            p99_ms: None,
        }
    }
}

pub(super) fn p50(sample: &Sample) -> f64 {
    millis(sample.latencies.within(500))
}

pub(super) fn p99(sample: &Sample) -> f64 {
    millis(sample.latencies.within(990))
}
