//! The report's charts: which figures stand in which picture.

use super::chart::Chart;
use super::plan::{Report, Size};
use super::verdict::{BATCH_RATIO, SINGLE_RATIO};
use crate::work::{Comparison, MintFigures};

/// A picture's file name and its SVG.
pub(super) type Picture = (&'static str, String);

/// The kinds of minting, in the order they are measured.
const LOADS: [&str; 4] = ["1 in flight", "64 in flight", "256 in flight", "batches of 64"];

/// All pictures of a report.
pub(super) fn draw(report: &Report) -> [Picture; 4] {
    [
        ("mint-ratio.svg", mint_ratio(report).draw()),
        ("mint-rate.svg", mint_rate(report).draw()),
        ("key-set.svg", key_set(report).draw()),
        ("latency.svg", latency(report).draw()),
    ]
}

fn groups(
    report: &Report,
    values: impl Fn(&Size) -> Vec<Option<f64>>,
) -> Vec<(String, Vec<Option<f64>>)> {
    report.sizes.iter().map(|size| (label(size.footing.sandboxes), values(size))).collect()
}

fn label(sandboxes: u64) -> String {
    let plural = if sandboxes == 1 { "sandbox" } else { "sandboxes" };
    format!("{} {plural}", super::page::grouped(sandboxes))
}

fn mint_ratio(report: &Report) -> Chart<'_> {
    let ratio = |figures: &MintFigures| figures.compared.ratio;
    Chart {
        title: "CPU time of a raw RSA-2048 signature over CPU time of a minted token",
        unit: "1 would be a coordinator that does nothing but sign; more is better",
        series: &LOADS,
        groups: groups(report, |size| size.mints.iter().map(ratio).collect()),
        targets: &[
            (SINGLE_RATIO, "target, one token a call: 0.80"),
            (BATCH_RATIO, "target, batches: 0.95"),
        ],
    }
}

fn mint_rate(report: &Report) -> Chart<'_> {
    let rate = |figures: &MintFigures| Some(figures.compared.per_second);
    Chart {
        title: "Tokens minted over mutually authenticated gRPC",
        unit: "tokens a second, the load generator on the same cores; more is better",
        series: &LOADS,
        groups: groups(report, |size| size.mints.iter().map(rate).collect()),
        targets: &[],
    }
}

fn key_set(report: &Report) -> Chart<'_> {
    let pair = |found: &Comparison| {
        [Some(found.per_second), found.reference.as_ref().map(|nginx| nginx.per_second)]
    };
    Chart {
        title: "Key set and discovery document beside nginx",
        unit: "requests a second over HTTP/1.1 keep-alive, the same bytes; more is better",
        series: &["key set", "key set, nginx", "discovery", "discovery, nginx"],
        groups: groups(report, |size| {
            [pair(&size.key_set.key_set), pair(&size.key_set.discovery)].concat()
        }),
        targets: &[],
    }
}

fn latency(report: &Report) -> Chart<'_> {
    Chart {
        title: "Time within which 99 of 100 requests are answered",
        unit: "milliseconds at a fixed rate; less is better",
        series: &["key set, idle", "key set, 64 mints", "token, cached", "token, uncached"],
        groups: groups(report, |size| {
            let (key_set, token) = (&size.key_set, &size.token_server);
            let all = [
                key_set.idle.p99_ms,
                key_set.while_minting.p99_ms,
                token.cached.p99_ms,
                token.uncached.p99_ms,
            ];
            all.map(Some).to_vec()
        }),
        targets: &[],
    }
}
