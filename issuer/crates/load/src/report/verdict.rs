//! What was promised beside what was reached: the worst figure over all numbers of sandboxes.

use super::plan::{Report, Size};

/// CPU time of a raw signature over that of a token, one token a call, at least.
pub(super) const SINGLE_RATIO: f64 = 0.80;

/// The same in batches of 64.
pub(super) const BATCH_RATIO: f64 = 0.95;

/// The key set's 99th percentile while 64 mints run: at most this many times the idle one ...
const MINTING_TIMES: f64 = 3.0;

/// ... and this many milliseconds.
const MINTING_PLUS_MS: f64 = 5.0;

/// Memory of a registered sandbox, in bytes, at most.
const SANDBOX_BYTES: f64 = 1024.0;

/// A promise and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) promise: &'static str,
    pub(super) target: String,
    /// What was reached; "not measured" where there was nothing to measure with.
    pub(super) reached: String,
    /// `None` where it was not measured.
    pub(super) kept: Option<bool>,
}

/// All promises.
pub(super) fn verdicts(report: &Report) -> Vec<Verdict> {
    let sizes = &report.sizes;
    let singles = |loaded: bool| {
        let mints = sizes.iter().flat_map(|size| &size.mints).filter(|mint| mint.batch == 1);
        mints.filter(move |mint| (mint.in_flight > 1) == loaded).map(|mint| mint.compared.ratio)
    };
    let batches = sizes.iter().flat_map(|size| &size.mints).filter(|mint| mint.batch > 1);
    vec![
        at_least(
            "raw signature ÷ token, one token a call, 64 and more in flight",
            SINGLE_RATIO,
            smallest(singles(true)),
        ),
        at_least(
            "raw signature ÷ token, one token a call, one in flight",
            SINGLE_RATIO,
            smallest(singles(false)),
        ),
        at_least(
            "raw signature ÷ token, batches of 64",
            BATCH_RATIO,
            smallest(batches.map(|mint| mint.compared.ratio)),
        ),
        at_least(
            "key set fetches ÷ nginx",
            1.0,
            smallest(sizes.iter().map(|size| size.key_set.key_set.ratio)),
        ),
        at_least(
            "discovery fetches ÷ nginx",
            1.0,
            smallest(sizes.iter().map(|size| size.key_set.discovery.ratio)),
        ),
        key_set_while_minting(sizes),
        below(
            "token server, cached, 10,000 requests/s: p99",
            1.0,
            largest(sizes.iter().map(|size| size.token_server.cached.p99_ms)),
        ),
        below(
            "token server, uncached, half of all raw signatures: p99",
            10.0,
            largest(sizes.iter().map(|size| size.token_server.uncached.p99_ms)),
        ),
        memory(sizes),
    ]
}

fn at_least(promise: &'static str, target: f64, reached: Option<f64>) -> Verdict {
    Verdict {
        promise,
        target: format!("≥ {target:.2}"),
        reached: reached.map_or_else(not_measured, |reached| format!("{reached:.3}")),
        kept: reached.map(|reached| reached >= target),
    }
}

fn below(promise: &'static str, target_ms: f64, reached: Option<f64>) -> Verdict {
    Verdict {
        promise,
        target: format!("< {target_ms} ms"),
        reached: reached.map_or_else(not_measured, |reached| format!("{reached:.2} ms")),
        kept: reached.map(|reached| reached < target_ms),
    }
}

fn key_set_while_minting(sizes: &[Size]) -> Verdict {
    let worst = sizes
        .iter()
        .map(|size| {
            let allowed = MINTING_TIMES * size.key_set.idle.p99_ms + MINTING_PLUS_MS;
            (size.key_set.while_minting.p99_ms, allowed)
        })
        .max_by(|(p99, allowed), (other, other_allowed)| {
            (p99 / allowed).total_cmp(&(other / other_allowed))
        });
    Verdict {
        promise: "key set while 64 mints run: p99",
        target: match worst {
            None => "≤ 3 × idle + 5 ms".to_owned(),
            Some((_, allowed)) => format!("≤ 3 × idle + 5 ms = {allowed:.2} ms"),
        },
        reached: worst.map_or_else(not_measured, |(p99, _)| format!("{p99:.2} ms")),
        kept: worst.map(|(p99, allowed)| p99 <= allowed),
    }
}

fn memory(sizes: &[Size]) -> Verdict {
    let bytes = bytes_a_sandbox(sizes);
    Verdict {
        promise: "memory of a registered sandbox",
        target: format!("≤ {SANDBOX_BYTES} bytes"),
        reached: bytes.map_or_else(not_measured, |bytes| format!("{bytes:.0} bytes")),
        kept: bytes.map(|bytes| bytes <= SANDBOX_BYTES),
    }
}

/// What the coordinator's memory grows by from the fewest to the most sandboxes, for each; `None`
/// where they are too few to tell.
pub(super) fn bytes_a_sandbox(sizes: &[Size]) -> Option<f64> {
    let footings = sizes.iter().map(|size| size.footing);
    let fewest = footings.clone().min_by_key(|footing| footing.sandboxes)?;
    let most = footings.max_by_key(|footing| footing.sandboxes)?;
    // Below that, what the allocator happens to hold weighs more than the sandboxes.
    let more = most.sandboxes.checked_sub(fewest.sandboxes).filter(|more| *more >= 10_000)?;
    Some((most.resident_mib - fewest.resident_mib) * 1_048_576.0 / crate::measure::as_f64(more))
}

fn not_measured() -> String {
    "not measured".to_owned()
}

/// The smallest, if all were measured.
fn smallest(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let all: Option<Vec<f64>> = values.collect();
    all?.into_iter().min_by(f64::total_cmp)
}

fn largest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.max_by(f64::total_cmp)
}
