//! The wire is for ever: a number that was once given may not change its meaning, or be given again.
//!
//! `frozen.txt` has a line for every field, value and call there ever was. A line may not change. It may
//! go with what it names only where the number is `reserved`, so that nobody gives it again. What is new is
//! added to it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

const PACKAGE: &str = "moneyer.v1";

const FILES: [&str; 5] = ["control", "enrollment", "grant", "minting", "placement"];

/// The wire as it is: what each name means, and the numbers that are reserved in each message.
#[derive(Default)]
struct Wire {
    lines: BTreeMap<String, String>,
    reserved: BTreeMap<String, Vec<std::ops::Range<i32>>>,
}

fn wire() -> Wire {
    let files = FILES.map(|file| format!("moneyer/v1/{file}.proto"));
    let set = protox::compile(files, [env!("CARGO_MANIFEST_DIR")]).unwrap();
    let mut wire = Wire::default();
    for file in set.file.iter().filter(|file| file.package() == PACKAGE) {
        for message in &file.message_type {
            assert!(
                message.nested_type.is_empty() && message.enum_type.is_empty(),
                "not read here"
            );
            let name = message.name();
            for field in &message.field {
                let kind =
                    format!("{:?} {:?} {}", field.label(), field.r#type(), field.type_name());
                let meaning = format!("{} {}", field.number(), kind.trim());
                wire.lines.insert(format!("{name}.{}", field.name()), meaning);
            }
            let ranges = message.reserved_range.iter();
            let ranges = ranges.map(|range| range.start()..range.end()).collect();
            wire.reserved.insert(name.to_owned(), ranges);
        }
        for kind in &file.enum_type {
            for value in &kind.value {
                wire.lines.insert(
                    format!("{}.{}", kind.name(), value.name()),
                    format!("{} value", value.number()),
                );
            }
            // The end of an enum's range is in it.
            let ranges = kind.reserved_range.iter();
            let ranges = ranges.map(|range| range.start()..range.end() + 1).collect();
            wire.reserved.insert(kind.name().to_owned(), ranges);
        }
        for service in &file.service {
            for method in &service.method {
                let streams = if method.server_streaming() { "stream " } else { "" };
                assert!(!method.client_streaming(), "not read here");
                wire.lines.insert(
                    format!("{}/{}", service.name(), method.name()),
                    format!("call {} -> {streams}{}", method.input_type(), method.output_type()),
                );
            }
        }
    }
    wire
}

fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines().map(|line| line.split_once(" = ").unwrap()).map(own).collect()
}

fn own((name, meaning): (&str, &str)) -> (String, String) {
    (name.to_owned(), meaning.to_owned())
}

fn number(meaning: &str) -> Option<i32> {
    meaning.split(' ').next()?.parse().ok()
}

/// What of the frozen wire no longer holds.
fn broken(frozen: &BTreeMap<String, String>, wire: &Wire) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, meaning) in frozen {
        let now = wire.lines.get(name);
        let of = name.split(['.', '/']).next().unwrap();
        let is_reserved = |number| {
            let ranges = wire.reserved.get(of).into_iter().flatten();
            ranges.into_iter().any(|range| range.contains(&number))
        };
        match now {
            Some(now) if now == meaning => {}
            Some(now) => broken.push(format!("{name} was {meaning} and is {now}")),
            None if number(meaning).is_some_and(is_reserved) => {}
            None => broken.push(format!("{name} = {meaning} is gone, and its number not reserved")),
        }
    }
    broken
}

#[test]
fn no_number_changes_or_is_given_again() {
    let wire = wire();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut frozen = parse(&text);
    let broken = broken(&frozen, &wire);
    assert!(broken.is_empty(), "older daemons would misread this: {broken:#?}");
    let known = frozen.len();
    frozen.extend(wire.lines);
    if frozen.len() > known {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("frozen.txt");
        let mut text = String::new();
        for (name, meaning) in &frozen {
            writeln!(text, "{name} = {meaning}").unwrap();
        }
        std::fs::write(&fresh, text).unwrap();
        panic!(
            "something is new on the wire; look at it and run: cp {} proto/tests/frozen.txt",
            fresh.display()
        );
    }
}

/// The comparison finds what it is for.
#[test]
fn a_change_a_gap_and_a_number_given_again_are_found() {
    let line = |name: &str, meaning: &str| own((name, meaning));
    let frozen: BTreeMap<_, _> =
        [line("A.x", "1 T"), line("A.y", "2 T"), line("A.z", "3 T")].into();
    let mut wire = Wire { lines: frozen.clone(), ..Wire::default() };
    assert_eq!(broken(&frozen, &wire), [""; 0]);
    wire.lines.insert("A.x".to_owned(), "4 T".to_owned());
    assert_eq!(broken(&frozen, &wire), ["A.x was 1 T and is 4 T"]);
    wire.lines = [line("A.x", "1 T"), line("A.other", "2 T"), line("A.z", "3 T")].into();
    assert_eq!(broken(&frozen, &wire), ["A.y = 2 T is gone, and its number not reserved"]);
    wire.lines.remove("A.other");
    wire.reserved.insert("A".to_owned(), std::iter::once(2..3).collect());
    assert_eq!(broken(&frozen, &wire), [""; 0]);
}
