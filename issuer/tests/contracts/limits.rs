//! docs/limits.md: every number is the code's, every test it names exists, and none is left out.

use crate::pages::{read, root};
use crate::tables::{code, has_test, rows, sources};

struct Limit {
    value: String,
    file: String,
    name: String,
    tests: Vec<(String, String)>,
}

fn table() -> Vec<Limit> {
    let pair = |text: &str| {
        let (file, name) = text.split_once(' ').unwrap_or_else(|| panic!("no file: {text}"));
        (file.to_owned(), name.to_owned())
    };
    let limit = |row: Vec<String>| {
        let [_, value, _, _, place, tests] = row.as_slice() else { panic!("six cells: {row:?}") };
        let (file, name) = pair(code(place));
        let tests = tests.split(", ").filter(|test| test.starts_with('`'));
        let tests = tests.map(|test| pair(code(test))).collect();
        Limit { value: value.clone(), file, name, tests }
    };
    rows(&read("docs/limits.md")).into_iter().map(limit).collect()
}

/// What stands after `const NAME: Type =`, or after `NAME:` where a default is made.
fn expression(text: &str, name: &str) -> Option<String> {
    let constant = text.split_once(&format!("const {name}:")).map(|(_, rest)| {
        let value = rest.split_once('=').unwrap().1;
        value.split_once(';').unwrap().0
    });
    let field = text.rsplit_once(&format!("\n            {name}: "));
    let value = constant.or_else(|| field.and_then(|(_, rest)| Some(rest.split_once(",\n")?.0)))?;
    Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The value of an expression of the few forms constants have; times in milliseconds.
fn evaluate(text: &str) -> u64 {
    let text = text.trim();
    for (call, unit) in [("from_secs(", 1000), ("from_millis(", 1), ("number(", 1)] {
        if let Some((_, rest)) = text.split_once(call) {
            return evaluate(rest.strip_suffix(')').unwrap()) * unit;
        }
    }
    if let Some((more, less)) = text.split_once(" - ") {
        return evaluate(more) - evaluate(less);
    }
    if let Some((one, bits)) = text.split_once(" << ") {
        return evaluate(one) << evaluate(bits);
    }
    let factor = |text: &str| text.trim().replace('_', "").parse::<u64>();
    text.split('*').map(|part| factor(part).unwrap_or_else(|_| panic!("{text}"))).product()
}

/// `10 s`, `16 KiB`, `10,000`, `65,535 bytes`.
fn written(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number: u64 = number.replace(',', "").parse().unwrap_or_else(|_| panic!("{text}"));
    number
        * match unit {
            "KiB" => 1024,
            "MiB" => 1024 * 1024,
            "s" => 1000,
            "min" => 60 * 1000,
            "h" => 3600 * 1000,
            "days" => 24 * 3600 * 1000,
            "" | "ms" | "bytes" | "a second" => 1,
            other => panic!("no such unit: {other}"),
        }
}

#[test]
fn every_number_is_the_codes() {
    let limits = table();
    assert!(limits.len() > 40, "the table was not found");
    for limit in limits {
        let found = expression(&read(&limit.file), &limit.name);
        let found = found.unwrap_or_else(|| panic!("no {} in {}", limit.name, limit.file));
        // Some are told in seconds, as claims are.
        let unit = if limit.name.ends_with("_SECONDS") { 1000 } else { 1 };
        let value = evaluate(&found) * unit;
        assert_eq!(written(&limit.value), value, "{}: {found}", limit.name);
    }
}

/// What paces the work and refuses nothing: there is nothing at its end to be shown.
const PACING: [&str; 27] = [
    "QUEUE_COMMITS",
    "IDLE_AT_MOST",
    "LISTEN_EVERY",
    "FORGET_EVERY",
    "SAY_EVERY",
    "COMPACT_AFTER_BYTES",
    "KEPT",
    "BATCH_RECORDS",
    "TOLD",
    "PIECE",
    "GROUP",
    "HAND_OVER_AFTER",
    "GATHER",
    "EXPORT",
    "ZEROS",
    "CHANGES",
    "LOOK_EVERY",
    "WAIT_FIRST",
    "WAIT_LONGEST",
    "GOOD_SESSION",
    "WAIT_AFTER_GOOD_SESSION",
    "REISSUE_SPREAD",
    "COALESCE",
    "KEEP_EVERY",
    "COMPLAIN_EVERY",
    "TICKS_BETWEEN_LOOKS",
    "SETTLE_EVERY",
];

/// Limits that no test goes to. hyper's own, handed through: its tests prove them. And the longest answer
/// of a coordinator, which takes one that breaks its promises. And a security module that hangs over a new key.
const UNTRIED: [&str; 6] = [
    "H2_STREAMS",
    "PENDING_ACCEPT_RESETS",
    "LOCAL_ERROR_RESETS",
    "LONGEST_MAKING",
    "MAXIMUM_ANSWER_BYTES",
    "SEND_BUFFER_BYTES",
];

/// Sizes of a format, which nothing can exceed, capacities that a buffer begins with, modes of files, and
/// parts of a life.
const NO_LIMITS: [&str; 24] = [
    "DIGITS",
    "HEX_DIGITS",
    "NAME_DIGITS",
    "EVENT_BYTES",
    "LINK_BYTES",
    "CHECK_BYTES",
    "BUFFER_BYTES",
    "HEAD_BYTES",
    "HEADER_BYTES",
    "BYTES",
    "KEY_BYTES",
    "ID_BYTES",
    "SALT_BYTES",
    "TAG_BYTES",
    "OTHERS",
    "SECRET_BYTES",
    "DIRECTORY_MODE",
    "FILE_MODE",
    "RENEW_AT_PERCENT",
    "DEGRADED_AT_PERCENT",
    "ALARM_AT_PERCENT",
    "LOOKS_IN_A_LIFE",
    "WAITS_IN_A_LIFE",
    "JITTER_SHARE_OF_LIFE",
];

/// Whoever adds a number or a time to what keeps records, seals or signs them, or to the runner proxy,
/// explains it, or says why it bounds nothing.
#[test]
fn no_number_of_store_audit_seal_signer_and_runner_proxy_is_left_out() {
    let folders = [
        "issuer/src/seal",
        "issuer/crates/audit/src",
        "issuer/crates/recording/src",
        "issuer/crates/signer/src",
        "issuer/crates/store/src",
        "runner-proxy/src",
    ];
    let bounds = |place: &str, name: &str, kind: &str| {
        let is_number = matches!(kind, "usize" | "u32" | "u64" | "Duration");
        let tests = ["/tests/", "/fuzzed/"].iter().any(|folder| place.contains(folder));
        is_number && !tests && !NO_LIMITS.contains(&name)
    };
    assert!(listed_constants(&folders, bounds) > 50, "the sources were not found");
}

/// How many constants of these folders `is_limit` takes, by file, name and type; each is on the page.
fn listed_constants(folders: &[&str], is_limit: impl Fn(&str, &str, &str) -> bool) -> usize {
    let listed: Vec<_> = table().into_iter().map(|limit| (limit.file, limit.name)).collect();
    let mut found = 0;
    for file in folders.iter().flat_map(|folder| sources(&root().join(folder))) {
        let path = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        for rest in text.split("const ").skip(1) {
            let Some((name, rest)) = rest.split_once(": ") else { continue };
            let kind = rest.split_once(" =").map_or("", |(kind, _)| kind);
            if is_limit(&path, name, kind) {
                let place = (path.clone(), name.to_owned());
                assert!(listed.contains(&place), "{path} {name} is not in docs/limits.md");
                found += 1;
            }
        }
    }
    found
}

#[test]
fn every_named_test_exists() {
    let mut unproved = Vec::new();
    for limit in table() {
        for (file, name) in &limit.tests {
            assert!(has_test(file, name), "{}: there is no {name} in {file}", limit.name);
        }
        if limit.tests.is_empty() {
            unproved.push(limit.name);
        }
    }
    unproved.retain(|name| !PACING.contains(&name.as_str()));
    assert_eq!(unproved, UNTRIED);
}

/// Whoever adds a constant that begins with `MAX` explains it.
#[test]
fn no_maximum_is_left_out() {
    let folders = [
        "issuer/src",
        "issuer/crates/audit/src",
        "issuer/crates/authority/src",
        "issuer/crates/daemon/src",
        "issuer/crates/identity/src",
        "issuer/crates/recording/src",
        "issuer/crates/signer/src",
        "issuer/crates/store/src",
        "runner-proxy/src",
    ];
    let found = listed_constants(&folders, |_, name, _| name.starts_with("MAX"));
    assert!(found > 15, "the sources were not found");
}
