//! Exchanges of a coordinator beside Jwtlet's call pattern, over the same models and in the same run.

use std::time::Duration;

use moneyer_load::measure::Sample;
use tokio::time::Instant;

use crate::figures::{Effort, Line, alone, closed_loop, microseconds_each, milliseconds, number};
use crate::issuer::{Issuer, Mode};
use crate::models::{Models, PODS};
use crate::pattern::{self, PATTERN_KEY};

/// What each answer of the models is later by, in milliseconds.
const LATENCIES: [u64; 3] = [0, 2, 10];

/// Exchanges in flight.
const IN_FLIGHT: [usize; 2] = [1, 16];

/// Calls that a coordinator makes of itself now and then: a look at Vault's keys, at its token.
const NOW_AND_THEN: u64 = 20;

/// Reviews are remembered this long, in seconds.
const REMEMBERED_SECONDS: u64 = 10;

/// A figure.
struct Figure {
    what: &'static str,
    sample: Sample,
    reviews: u64,
    vault: u64,
    cpu_us: Option<f64>,
    /// Since before every token was exchanged once.
    since_warm: Duration,
}

impl Figure {
    fn upstream(&self) -> f64 {
        number(self.reviews + self.vault) / number(self.sample.latencies.count())
    }

    /// A row of the table, beside the pattern's figure.
    fn row(&self, pattern: &Self) -> String {
        let sample = &self.sample;
        let cpu = self.cpu_us.map_or_else(|| "not measured".to_owned(), |cpu| format!("{cpu:.0}"));
        format!(
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {cpu} | {:.1} |",
            self.what,
            sample.per_second(),
            milliseconds(sample, 500),
            milliseconds(sample, 990),
            self.upstream(),
            sample.per_second() / pattern.sample.per_second()
        )
    }
}

/// The models, and who is measured over them.
struct Bench {
    models: Models,
    issuers: Vec<(Mode, Issuer)>,
}

impl Bench {
    async fn start(algorithm: &str, kind: &str) -> Self {
        let models = Models::start(PATTERN_KEY, kind).await;
        let mut issuers = Vec::new();
        for mode in Mode::ALL {
            let issuer = Issuer::start(mode, &models, algorithm, &[]).await;
            issuer.map();
            issuers.push((mode, issuer));
        }
        Self { models, issuers }
    }

    fn measure(&self, what: &'static str, mut lines: Vec<Line>, effort: Effort) -> Figure {
        let (before, _) = self.models.calls();
        let run = || closed_loop(&mut lines, effort.duration);
        let sample = tokio::task::block_in_place(run);
        let (after, vault) = self.models.calls();
        Figure {
            what,
            sample,
            reviews: after - before,
            vault,
            cpu_us: None,
            since_warm: Duration::ZERO,
        }
    }

    /// The pattern, then each mode.
    async fn figures(&self, in_flight: usize, effort: Effort) -> Vec<Figure> {
        let tokens = self.models.tokens();
        let lines = (0..in_flight).map(|from| pattern::line(&self.models, &tokens, from));
        let pattern = "Jwtlet's call pattern, nothing else";
        let mut figures = vec![self.measure(pattern, lines.collect(), effort)];
        for (mode, issuer) in &self.issuers {
            let warmed = Instant::now();
            issuer.warm(&tokens).await;
            let lines = (0..in_flight).map(|from| issuer.line(&tokens, from)).collect();
            let before = issuer.cpu();
            let mut figure = self.measure(mode.what(), lines, effort);
            let cpu = issuer.cpu().saturating_sub(before);
            figure.cpu_us = Some(microseconds_each(cpu, &figure.sample));
            figure.since_warm = warmed.elapsed();
            figures.push(figure);
        }
        figures
    }
}

/// What does not hang on the machine.
fn check_calls(figures: &[Figure]) {
    let [pattern, offline, reviewed, vault] = figures else { panic!("four figures") };
    let spare = |calls: u64, least: u64| (least..=least + NOW_AND_THEN).contains(&calls);
    let count = |figure: &Figure| figure.sample.latencies.count();
    assert!(spare(pattern.reviews, count(pattern)) && spare(pattern.vault, 2 * count(pattern)));
    assert!(spare(offline.reviews, 0) && spare(offline.vault, 0));
    for figure in [reviewed, vault] {
        let rounds = figure.since_warm.as_secs() / REMEMBERED_SECONDS;
        assert!(figure.reviews <= PODS * rounds, "{} reviews", figure.reviews);
    }
    assert!(spare(reviewed.vault, 0), "{} calls of Vault", reviewed.vault);
    assert!(spare(vault.vault, count(vault)), "{} calls of Vault", vault.vault);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_asks_others_at_most_once_where_the_pattern_of_jwtlet_asks_three_times() {
    let _alone = alone().await;
    let effort = Effort::from_environment();
    let algorithms = [("ES256", "ecdsa-p256"), ("RS256", "rsa-2048")];
    // Making RSA keys takes longer than the rest, and shows nothing more of the calls.
    for (algorithm, kind) in algorithms.into_iter().take(if effort.measured { 2 } else { 1 }) {
        let bench = Bench::start(algorithm, kind).await;
        for latency in LATENCIES {
            bench.models.delay(latency);
            for in_flight in IN_FLIGHT {
                let figures = bench.figures(in_flight, effort).await;
                println!("\n{algorithm}, every answer {latency} ms later, {in_flight} in flight\n");
                println!(
                    "| What | Exchanges/s | p50 ms | p99 ms | Calls of others | CPU µs | Ratio |"
                );
                println!("| :--- | ---: | ---: | ---: | ---: | ---: | ---: |");
                for figure in &figures {
                    println!("{}", figure.row(&figures[0]));
                }
                check_calls(&figures);
            }
        }
    }
}
