//! docs/security.md: a promise names a test that exists, and what README.md says holds is promised there.

use std::collections::BTreeSet;

use crate::pages::read;
use crate::tables::{code, has_test, rows};

/// The numbers of the promises that have a row.
fn promised() -> BTreeSet<String> {
    rows(&read("docs/security.md")).into_iter().map(|row| row[0].clone()).collect()
}

#[test]
fn every_promise_names_its_test() {
    let promises = rows(&read("docs/security.md"));
    assert!(promises.len() > 10, "the table was not found");
    for promise in promises {
        let [number, _, test] = promise.as_slice() else { panic!("{promise:?}") };
        let digits = number.strip_prefix('P').unwrap_or_else(|| panic!("{number}"));
        assert!(digits.parse::<u8>().is_ok_and(|number| (1..=30).contains(&number)), "{number}");
        let (file, name) = code(test).split_once(' ').unwrap_or_else(|| panic!("{test}"));
        assert!(has_test(file, name), "there is no {name} in {file}");
    }
}

#[test]
fn a_part_of_a_name_names_no_test() {
    let file = "issuer/crates/identity/src/token/tests/signatures.rs";
    assert!(has_test(file, "case_72_no_algorithm"));
    assert!(!has_test(file, "case_72"));
}

#[test]
fn whatever_the_readme_says_holds_is_promised() {
    let page = read("README.md");
    let section = page.split("## What holds").nth(1).unwrap().split("\n\nEach of these").next();
    let bullets: Vec<_> = section.unwrap().split("\n- ").skip(1).collect();
    assert!(bullets.len() > 5, "the list was not found");
    let promised = promised();
    for bullet in bullets {
        let (_, numbers) = bullet.rsplit_once('(').unwrap_or_else(|| panic!("no number: {bullet}"));
        let numbers = numbers.trim_end().trim_end_matches(").");
        for number in numbers.split(", ") {
            assert!(promised.contains(number), "{number} has no row: {bullet}");
        }
    }
}
