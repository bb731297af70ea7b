//! docs/doctor.md: every finding, why it matters and what to do, as the command says them.

use moneyer::doctor::{Check, Severity};

use crate::pages::read;
use crate::tables::{code, rows};

#[test]
fn every_finding_is_on_the_page_in_the_words_of_the_command() {
    let page = read("docs/doctor.md");
    let section = page.split("## What is looked at").nth(1).unwrap();
    let rows = rows(section);
    for check in Check::ALL {
        let row = rows.iter().find(|row| code(&row[0]) == check.as_str());
        let row = row.unwrap_or_else(|| panic!("{} is not on the page", check.as_str()));
        let [_, right, why, advice] = row.as_slice() else { panic!("four cells: {row:?}") };
        assert_eq!((why.as_str(), advice.as_str()), (check.why(), check.advice()), "{right}");
        assert!(!right.is_empty());
    }
    assert_eq!(rows.len(), Check::ALL.len(), "the page has findings that are none");
}

#[test]
fn every_severity_is_on_the_page() {
    let page = read("docs/doctor.md");
    for severity in [Severity::Ok, Severity::Skipped, Severity::Warning, Severity::Failure] {
        assert!(page.contains(&format!("| {} |", severity.as_str())), "{}", severity.as_str());
    }
}
