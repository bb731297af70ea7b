use moneyer_identity::UnixTime;

use super::charts;
use super::machine::Machine;
use super::page::{grouped, render};
use super::plan::{Report, Size};
use super::verdict::{Verdict, bytes_a_sandbox, verdicts};
use crate::stand::Footing;
use crate::work::{Comparison, KeySetFigures, Latency, MintFigures, Reference, TokenServerFigures};

/// A ratio against a reference, everything else plain numbers.
fn compared(ratio: Option<f64>) -> Comparison {
    let reference = ratio.map(|_| Reference {
        what: "nginx",
        per_second: 2000.0,
        cpu_us: Some(300.0),
        p50_ms: Some(1.0),
        p99_ms: Some(2.0),
    });
    let per_second = 1234.5;
    Comparison { ratio, per_second, p50_ms: 1.0, p99_ms: 2.0, cpu_us: Some(400.0), reference }
}

fn latency(p99_ms: f64) -> Latency {
    Latency { rate: 10_000.0, per_second: 9999.0, p50_ms: p99_ms / 2.0, p99_ms }
}

fn mint(sandboxes: u64, in_flight: usize, batch: usize, ratio: f64) -> MintFigures {
    let compared = compared(Some(ratio));
    MintFigures { work: "mint", sandboxes, in_flight, batch, tokens: 9, compared }
}

/// Figures that keep every promise, just.
fn size(sandboxes: u64, resident_mib: f64) -> Size {
    Size {
        busy_part: Some(0.04),
        footing: Footing { sandboxes, start_up_ms: 12.0, resident_mib },
        mints: vec![
            mint(sandboxes, 1, 1, 0.80),
            mint(sandboxes, 64, 1, 0.9),
            mint(sandboxes, 256, 1, 0.9),
            mint(sandboxes, 4, 64, 0.95),
        ],
        key_set: KeySetFigures {
            work: "keyset",
            sandboxes,
            key_set: compared(Some(1.0)),
            discovery: compared(Some(1.0)),
            idle: latency(1.0),
            while_minting: latency(8.0),
            minted_per_second: 5000.0,
        },
        token_server: TokenServerFigures {
            work: "token-server",
            sandboxes,
            uncached: Comparison { p99_ms: 9.9, ..compared(Some(0.5)) },
            uncached_rate: 4000.0,
            cached: latency(0.9),
            cached_cpu_us: Some(20.0),
        },
    }
}

fn report() -> Report {
    let machine = Machine {
        processor: "A processor".to_owned(),
        cores: 2,
        memory_mib: 24_111,
        kernel: "6.1".to_owned(),
    };
    // 1,024 bytes for each of 102,400 sandboxes more.
    let sizes = vec![size(1, 10.0), size(102_401, 110.0)];
    Report { made_at: UnixTime(1_700_000_000), seconds: 10, machine, sizes }
}

fn kept(report: &Report) -> Vec<Option<bool>> {
    verdicts(report).into_iter().map(|verdict: Verdict| verdict.kept).collect()
}

#[test]
fn promises_are_kept_up_to_their_edge() {
    assert_eq!(kept(&report()), [Some(true); 9]);
}

#[test]
fn one_bad_size_breaks_each_promise() {
    let breaks: [fn(&mut Size); 9] = [
        |size| size.mints[1].compared.ratio = Some(0.799),
        |size| size.mints[0].compared.ratio = Some(0.799),
        |size| size.mints[3].compared.ratio = Some(0.949),
        |size| size.key_set.key_set.ratio = Some(0.99),
        |size| size.key_set.discovery.ratio = Some(0.99),
        |size| size.key_set.while_minting.p99_ms = 8.01,
        |size| size.token_server.cached.p99_ms = 1.0,
        |size| size.token_server.uncached.p99_ms = 10.0,
        |size| size.footing.resident_mib = 110.01,
    ];
    for (n, break_promise) in breaks.into_iter().enumerate() {
        let mut report = report();
        break_promise(&mut report.sizes[1]);
        let mut expected = [Some(true); 9];
        expected[n] = Some(false);
        assert_eq!(kept(&report), expected);
    }
}

#[test]
fn what_was_not_measured_is_not_said_to_be_kept() {
    let mut report = report();
    report.sizes[0].key_set.key_set = compared(None);
    report.sizes.truncate(1);
    let kept = kept(&report);
    assert_eq!((kept[3], kept[8]), (None, None));
    assert_eq!(bytes_a_sandbox(&report.sizes), None);
    let page = render(&report);
    assert!(page.contains("| key set fetches ÷ nginx | ≥ 1.00 | not measured |  |"), "{page}");
}

#[test]
fn the_page_has_every_figure_and_no_placeholder() {
    let page = render(&report());
    assert!(!page.contains(['{', '}']), "{page}");
    for text in [
        "| Made | 2023-11-14 |",
        "| Memory | 24,111 MiB |",
        "| Busy with other work | 4 % |",
        "| raw signature ÷ token, one token a call, one in flight | ≥ 0.80 | 0.800 | yes |",
        "| 102,401 | 4 | 64 | 0.950 |",
        "| key set, 102,401 | 1.000 |",
        "| uncached, 1 | 4,000 |",
        "A sandbox more costs 1024 bytes.",
    ] {
        assert!(page.contains(text), "{text} is not in\n{page}");
    }
}

#[test]
fn tables_are_rectangular() {
    let page = render(&report());
    let mut columns = None;
    for line in page.lines() {
        let found = line.starts_with('|').then(|| line.matches('|').count());
        if columns.is_some() && found.is_some() {
            assert_eq!(columns, found, "{line}");
        }
        columns = found;
    }
}

#[test]
fn every_picture_on_the_page_is_written() {
    let docs = tempfile::tempdir().unwrap();
    let report = report();
    report.write(docs.path()).unwrap();
    let page = std::fs::read_to_string(docs.path().join("performance.md")).unwrap();
    for (name, svg) in charts::draw(&report) {
        assert!(page.contains(&format!("](performance/{name})")), "{name}");
        let written = std::fs::read_to_string(docs.path().join("performance").join(name)).unwrap();
        assert_eq!(written, svg);
        assert!(svg.contains("102,401 sandboxes") && svg.contains("1 sandbox<"), "{name}");
    }
}

#[test]
fn thousands_stand_apart() {
    let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (100_000, "100,000")];
    for (count, text) in cases {
        assert_eq!(grouped(count), text);
    }
    assert_eq!(grouped(1_234_567), "1,234,567");
}

#[test]
fn every_kind_of_work_has_the_json_names_scripts_read() {
    let size = size(7, 10.0);
    let kinds = [
        serde_json::to_value(&size.mints[0]),
        serde_json::to_value(&size.key_set),
        serde_json::to_value(&size.token_server),
    ];
    for (kind, work) in kinds.into_iter().zip(["mint", "keyset", "token-server"]) {
        let kind = kind.unwrap();
        assert_eq!(kind["work"], work);
        assert_eq!(kind["sandboxes"], 7);
        for key in ["ratio", "per_second", "p50_ms", "p99_ms"] {
            assert!(kind[key].is_f64(), "{work}: {key}");
        }
        assert!(kind["reference"]["per_second"].is_f64(), "{work}");
    }
}
