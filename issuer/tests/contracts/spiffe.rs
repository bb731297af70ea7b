//! docs/spiffe-conformance.md: every requirement of the SPIFFE standards, and the tests that hold us to it.
//!
//! A test names its requirement by the beginning of its own name: `w2_…` is a test of W-2. The page is written
//! from that, so a requirement that loses its last test shows there, and this test fails until somebody has
//! looked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory as _;
use moneyer::cli::Arguments;

use crate::pages::{every_command_parses, is_up_to_date, read, root};

/// The requirements: `ID-1 | section | in our words`.
const REQUIREMENTS: &str = include_str!("spiffe_requirements.txt");

/// Where tests of SPIFFE are. Elsewhere the same letters number faults and hostile inputs.
const PLACES: [&str; 12] = [
    "/spiffe/",
    "/spiffe_bundle",
    "/svid",
    "/jwt_svid",
    "/x509_svid",
    "/workload_api/",
    "/federation",
    "/trust_bundle",
    "/bundles",
    "/login/",
    "/openid_configuration",
    "/keys/schedule",
];

struct Requirement {
    id: String,
    section: String,
    text: String,
}

fn requirements() -> Vec<Requirement> {
    let lines = REQUIREMENTS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |line: &str| {
        let mut parts = line.splitn(3, " | ").map(str::to_owned);
        let mut next = || parts.next().unwrap_or_else(|| panic!("{line}"));
        Requirement { id: next(), section: next(), text: next() }
    };
    lines.map(read).collect()
}

fn with_tests(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !matches!(name, "target" | "node_modules") {
            with_tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "py") {
            found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// `w2_a_call` is of W-2.
fn requirement_of(name: &str) -> Option<String> {
    let (start, _) = name.split_once('_')?;
    let digits = start.find(|letter: char| letter.is_ascii_digit())?;
    let (letters, number) = start.split_at(digits);
    let known = matches!(letters, "id" | "j" | "x" | "b" | "w" | "f" | "o");
    let number = number.parse::<u8>().ok().filter(|_| known)?;
    Some(format!("{}-{number}", letters.to_ascii_uppercase()))
}

/// The tests of each requirement, as `file` and name.
fn tests() -> BTreeMap<String, Vec<(String, String)>> {
    let mut files = Vec::new();
    for folder in ["issuer", "runner-proxy", "deploy/interop/tests"] {
        with_tests(&root().join(folder), &mut files);
    }
    files.sort();
    let mut tests: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for file in files.iter().filter(|file| PLACES.iter().any(|place| file.contains(place))) {
        for line in read(file).lines() {
            let line = line.trim_start();
            let line = line.strip_prefix("async ").unwrap_or(line);
            let Some(rest) = line.strip_prefix("fn ").or_else(|| line.strip_prefix("def test_"))
            else {
                continue;
            };
            let name: String =
                rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if let Some(id) = requirement_of(&name) {
                tests.entry(id).or_default().push((file.clone(), name));
            }
        }
    }
    tests
}

const HEAD: &str = "\
# SPIFFE: requirements and tests

Written from the names of the tests, and compared with them in `make test`, which runs them all. A requirement is *held* if
every test of it passes there, and *open* without a test; what is not for us says why. The sections are those of the standards
([SPIFFE-ID](https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md) and its neighbours).
";

fn page() -> String {
    let tests = tests();
    let mut page = HEAD.to_owned();
    let mut group = String::new();
    for requirement in requirements() {
        let Requirement { id, section, text } = requirement;
        let letters = id.split('-').next().unwrap().to_owned();
        if letters != group {
            let title = match letters.as_str() {
                "ID" => "SPIFFE ID",
                "J" => "JWT-SVID",
                "X" => "X.509-SVID",
                "B" => "Trust bundle",
                "W" => "Workload API",
                "F" => "Federation",
                _ => "Beside OIDC",
            };
            let head = "| | Requirement | Result | Tests |\n| --- | --- | --- | --- |";
            writeln!(page, "\n## {title}\n\n{head}").unwrap();
            group = letters;
        }
        let named: Vec<_> = tests.get(&id).into_iter().flatten().collect();
        let (result, told) = match (named.as_slice(), text.split_once(" — not for us: ")) {
            ([], Some((_, why))) => ("not for us", why.to_owned()),
            ([], None) => ("*open*", "none".to_owned()),
            (named, _) => {
                let cells = named.iter().map(|(file, name)| format!("`{file}` `{name}`"));
                ("held", cells.collect::<Vec<_>>().join("<br>"))
            }
        };
        let text = text.split(" — not for us: ").next().unwrap();
        writeln!(page, "| {id} | {text} ({section}) | {result} | {told} |").unwrap();
    }
    page
}

#[test]
fn the_page_names_every_requirement_and_its_tests() {
    is_up_to_date("docs/spiffe-conformance.md", &page());
}

#[test]
fn the_page_for_people_names_what_there_is() {
    let page = read("docs/spiffe.md");
    let template = moneyer_identity::spiffe::SpiffeIdTemplate::default();
    assert!(page.contains(&format!("| path | `{template}` |")));
    assert!(every_command_parses(&Arguments::command(), &["docs/spiffe.md"]) > 0);
}

#[test]
fn every_test_is_of_a_requirement_that_there_is() {
    let known: Vec<String> = requirements().into_iter().map(|it| it.id).collect();
    let tests = tests();
    assert!(tests.len() > 40, "the tests were not found");
    for (id, named) in tests {
        assert!(known.contains(&id), "{id}: {named:?}");
    }
}
