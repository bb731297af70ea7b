//! `docs/performance.md`.

use time::OffsetDateTime;

use super::plan::{Report, Size};
use super::verdict::{Verdict, bytes_a_sandbox, verdicts};
use crate::work::{Comparison, Latency};

/// The page around the figures.
const PAGE: &str = include_str!("page.md");

/// The page of a report.
pub(super) fn render(report: &Report) -> String {
    PAGE.replace("{machine}", &machine(report))
        .replace("{verdicts}", &promises(&verdicts(report)))
        .replace("{mint}", &minting(&report.sizes))
        .replace("{documents}", &documents(&report.sizes))
        .replace("{while_minting}", &while_minting(&report.sizes))
        .replace("{token_server}", &token_server(&report.sizes))
        .replace("{footing}", &footing(&report.sizes))
}

/// A table in Markdown. The first column is text, the others are numbers.
fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let mut rule = vec!["---:".to_owned(); head.len()];
    if let Some(first) = rule.first_mut() {
        ":---".clone_into(first);
    }
    let rows: String = rows.into_iter().map(|row| line(&row)).collect();
    (line(&head) + &line(&rule) + &rows).trim_end().to_owned()
}

fn machine(report: &Report) -> String {
    let made_at = OffsetDateTime::from_unix_timestamp(report.made_at.0);
    let date = made_at.map_or_else(|_| "unknown".to_owned(), |time| time.date().to_string());
    let machine = &report.machine;
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    table(
        &["Made", &date],
        [
            row("Version", env!("CARGO_PKG_VERSION").to_owned()),
            row("Processor", machine.processor.clone()),
            row("Cores", machine.cores.to_string()),
            row("Memory", format!("{} MiB", grouped(machine.memory_mib))),
            row("Kernel", format!("Linux {}", machine.kernel)),
            row("Busy with other work", busy(&report.sizes)),
            row("Seconds a figure", report.seconds.to_string()),
        ],
    )
}

/// The most that other work took before one of the sizes.
fn busy(sizes: &[Size]) -> String {
    let most = sizes.iter().filter_map(|size| size.busy_part).max_by(f64::total_cmp);
    most.map_or_else(|| "unknown".to_owned(), |part| format!("{:.0} %", part * 100.0))
}

fn promises(verdicts: &[Verdict]) -> String {
    let row = |verdict: &Verdict| {
        let kept = match verdict.kept {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let target = verdict.target.clone();
        vec![verdict.promise.to_owned(), target, verdict.reached.clone(), kept.to_owned()]
    };
    table(&["What", "Target", "Reached", "Kept"], verdicts.iter().map(row))
}

fn minting(sizes: &[Size]) -> String {
    let rows = sizes.iter().flat_map(|size| &size.mints).map(|mint| {
        let compared = &mint.compared;
        let raw = compared.reference.as_ref().and_then(|raw| raw.cpu_us);
        vec![
            grouped(mint.sandboxes),
            mint.in_flight.to_string(),
            mint.batch.to_string(),
            ratio(compared.ratio),
            whole(compared.per_second),
            decimal(compared.p50_ms),
            decimal(compared.p99_ms),
            compared.cpu_us.map_or_else(String::new, whole),
            raw.map_or_else(String::new, whole),
        ]
    });
    let head = [
        "Sandboxes",
        "Calls in flight",
        "Tokens a call",
        "Ratio",
        "Tokens/s",
        "p50 ms",
        "p99 ms",
        "CPU µs a token",
        "CPU µs a raw signature",
    ];
    table(&head, rows)
}

fn documents(sizes: &[Size]) -> String {
    let row = |size: &Size, name: &str, found: &Comparison| {
        let reference = found.reference.as_ref();
        let cpu = |cpu: Option<f64>| cpu.map_or_else(String::new, decimal);
        vec![
            format!("{name}, {}", grouped(size.footing.sandboxes)),
            ratio(found.ratio),
            whole(found.per_second),
            reference.map_or_else(String::new, |nginx| whole(nginx.per_second)),
            decimal(found.p99_ms),
            reference.and_then(|nginx| nginx.p99_ms).map_or_else(String::new, decimal),
            cpu(found.cpu_us),
            cpu(reference.and_then(|nginx| nginx.cpu_us)),
        ]
    };
    let rows = sizes.iter().flat_map(|size| {
        [
            row(size, "key set", &size.key_set.key_set),
            row(size, "discovery", &size.key_set.discovery),
        ]
    });
    let head = [
        "Document, sandboxes",
        "Ratio",
        "Requests/s",
        "nginx",
        "p99 ms",
        "nginx",
        "CPU µs a request",
        "nginx",
    ];
    table(&head, rows)
}

fn while_minting(sizes: &[Size]) -> String {
    let rows = sizes.iter().map(|size| {
        let found = &size.key_set;
        vec![
            grouped(size.footing.sandboxes),
            decimal(found.idle.p50_ms),
            decimal(found.idle.p99_ms),
            decimal(found.while_minting.p50_ms),
            decimal(found.while_minting.p99_ms),
            whole(found.minted_per_second),
        ]
    });
    let head = [
        "Sandboxes",
        "p50 ms idle",
        "p99 ms idle",
        "p50 ms while minting",
        "p99 ms while minting",
        "Tokens/s minted",
    ];
    table(&head, rows)
}

fn token_server(sizes: &[Size]) -> String {
    let row = |size: &Size, name: &str, found: Latency, cpu_us: Option<f64>| {
        vec![
            format!("{name}, {}", grouped(size.footing.sandboxes)),
            whole(found.rate),
            whole(found.per_second),
            decimal(found.p50_ms),
            decimal(found.p99_ms),
            cpu_us.map_or_else(String::new, whole),
        ]
    };
    let rows = sizes.iter().flat_map(|size| {
        let (found, uncached) = (&size.token_server, &size.token_server.uncached);
        let waited = Latency {
            rate: found.uncached_rate,
            per_second: uncached.per_second,
            p50_ms: uncached.p50_ms,
            p99_ms: uncached.p99_ms,
        };
        [
            row(size, "cached", found.cached, found.cached_cpu_us),
            row(size, "uncached", waited, uncached.cpu_us),
        ]
    });
    let head = ["Tokens, sandboxes", "Asked/s", "Answered/s", "p50 ms", "p99 ms", "CPU µs a token"];
    table(&head, rows)
}

fn footing(sizes: &[Size]) -> String {
    let rows = sizes.iter().map(|size| {
        vec![
            grouped(size.footing.sandboxes),
            decimal(size.footing.resident_mib),
            whole(size.footing.start_up_ms),
        ]
    });
    let table = table(&["Sandboxes", "Memory, MiB", "Start, ms"], rows);
    match bytes_a_sandbox(sizes) {
        None => table,
        Some(bytes) => format!("{table}\n\nA sandbox more costs {bytes:.0} bytes."),
    }
}

/// A count with its thousands apart.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "none".to_owned(), |ratio| format!("{ratio:.3}"))
}

fn decimal(value: f64) -> String {
    format!("{value:.2}")
}

fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    digits.parse().map_or(digits, grouped)
}
