//! `mint`: what a token costs the coordinator, against what its signature alone would.
//!
//! The ratio is CPU time of a raw signature over CPU time the coordinator's process spends on a token,
//! so 1 would be a coordinator that does nothing but sign. Raw signatures and minting alternate.

use std::time::Duration;

use serde::Serialize;

use super::figures::{Comparison, Reference, p50, p99};
use super::mint_load::{MintLoad, MintLoadError, Minters};
use crate::measure::{
    ProcessError, RawSignature, RawSignatureCost, RawSignatureError, Sample, as_f64, per,
};
use crate::stand::Cluster;

/// Slices of minting, with raw signatures before, between and after them: many, since what neighbours on the
/// machine take changes within seconds.
const SLICES: u32 = 12;

/// Raw signatures take this part of a slice's time.
const RAW_PART: u32 = 4;

/// Connections are made and caches filled before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// Why minting gave no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintError {
    /// Minting failed.
    #[error("minting failed")]
    Load(#[source] MintLoadError),
    /// The yardstick failed.
    #[error("raw signatures failed")]
    RawSignature(#[source] RawSignatureError),
    /// The coordinator could not be measured.
    #[error("the coordinator's CPU time cannot be measured")]
    Process(#[source] ProcessError),
}

/// What minting costs.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MintFigures {
    /// Always `mint`.
    pub(crate) work: &'static str,
    /// Registered sandboxes.
    pub(crate) sandboxes: u64,
    /// Calls in flight.
    pub(crate) in_flight: usize,
    /// Tokens a call.
    pub(crate) batch: usize,
    /// Tokens minted.
    pub(crate) tokens: u64,
    /// Rates and costs are of tokens, latencies of calls.
    #[serde(flatten)]
    pub(crate) compared: Comparison,
}

/// Mints for about `duration`.
pub(crate) async fn measure(
    cluster: &Cluster,
    yardstick: &RawSignature,
    load: MintLoad,
    duration: Duration,
) -> Result<MintFigures, MintError> {
    let minters = Minters::connect(cluster.runner(), load, cluster.sandboxes()).await;
    let minters = minters.map_err(MintError::Load)?;
    minters.run(WARM_UP).await.map_err(MintError::Load)?;
    let coordinator = cluster.coordinator().process();
    let slice = duration / SLICES;
    let raw = |cost: &mut RawSignatureCost| {
        let sample = tokio::task::block_in_place(|| yardstick.sample(slice / RAW_PART));
        sample.map(|sample| cost.append(sample)).map_err(MintError::RawSignature)
    };
    let (mut cost, mut calls, mut cpu) =
        (RawSignatureCost::default(), Sample::default(), Duration::ZERO);
    for _ in 0..SLICES {
        raw(&mut cost)?;
        let before = coordinator.cpu_time().map_err(MintError::Process)?;
        calls.append(&minters.run(slice).await.map_err(MintError::Load)?);
        let after = coordinator.cpu_time().map_err(MintError::Process)?;
        cpu += after.saturating_sub(before);
    }
    raw(&mut cost)?;
    Ok(figures(cluster.sandboxes(), load, &calls, cpu, cost))
}

fn figures(
    sandboxes: u64,
    load: MintLoad,
    calls: &Sample,
    cpu: Duration,
    cost: RawSignatureCost,
) -> MintFigures {
    let tokens = calls.latencies.count() * load.batch.max(1) as u64;
    let per_token = per(cpu.as_secs_f64(), as_f64(tokens));
    let raw = cost.seconds();
    let compared = Comparison {
        ratio: raw.zip(per_token).and_then(|(raw, token)| per(raw, token)),
        per_second: per(as_f64(tokens), calls.elapsed.as_secs_f64()).unwrap_or(0.0),
        p50_ms: p50(calls),
        p99_ms: p99(calls),
        cpu_us: per_token.map(|seconds| seconds * 1e6),
        reference: raw.map(Reference::raw_signature),
    };
    let MintLoad { in_flight, batch } = load;
    MintFigures { work: "mint", sandboxes, in_flight, batch, tokens, compared }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_raw_cpu_over_cpu_a_token() {
        let mut calls = Sample { elapsed: Duration::from_secs(2), ..Sample::default() };
        for _ in 0..100 {
            calls.latencies.record(Duration::from_millis(3));
        }
        let yardstick = RawSignature::generate().unwrap();
        let cost = yardstick.sample(Duration::from_millis(10)).unwrap();
        let raw = cost.seconds().unwrap();
        // A coordinator that needs exactly twice a raw signature for each of 6,400 tokens.
        let cpu = Duration::from_secs_f64(raw * 2.0 * 6400.0);
        let load = MintLoad { in_flight: 4, batch: 64 };
        let figures = figures(7, load, &calls, cpu, cost);
        assert_eq!(figures.tokens, 6400);
        assert!((figures.compared.per_second - 3200.0).abs() < 1e-6);
        assert!((figures.compared.ratio.unwrap() - 0.5).abs() < 1e-6);
    }

    #[test]
    fn the_json_has_the_names_scripts_read() {
        let load = MintLoad { in_flight: 1, batch: 1 };
        let nothing = (Sample::default(), RawSignatureCost::default());
        let figures = figures(1, load, &nothing.0, Duration::ZERO, nothing.1);
        let json = serde_json::to_value(figures).unwrap();
        for key in ["ratio", "per_second", "p50_ms", "p99_ms", "reference"] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert_eq!(json["ratio"], serde_json::Value::Null);
    }
}
