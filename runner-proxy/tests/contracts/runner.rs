//! docs/runner.md: the variables, the fields of `/readyz` and the words of a certificate are those of the sources.

use std::collections::BTreeSet;

use crate::pages::read;

/// What stands in the first cell of the rows below a heading of a table.
fn first_cells(heading: &str) -> BTreeSet<String> {
    let page = read("docs/runner.md");
    let table = page.split(heading).nth(1).unwrap_or_else(|| panic!("no table {heading}"));
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| "));
    let cell =
        |row: &str| row.split('|').nth(1).map(|cell| cell.trim().trim_matches('`').to_owned());
    rows.filter_map(cell).collect()
}

/// Every text between quotes in a source, its tests left out, that looks like this.
fn quoted(file: &str, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let text = read(file);
    let code = text.split("#[cfg(test)]").next().unwrap();
    let code: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    code.split('"').filter(|text| is_wanted(text)).map(str::to_owned).collect()
}

#[test]
fn every_variable_is_on_the_page() {
    let is_letter = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let is_variable = |text: &str| text.contains('_') && text.chars().all(is_letter);
    let sources = ["environment", "sdk"].map(|name| format!("runner-proxy/src/sandbox/{name}.rs"));
    let made = sources.iter().flat_map(|file| quoted(file, is_variable)).collect::<BTreeSet<_>>();
    assert!(made.len() > 14, "the sources were not found");
    assert_eq!(first_cells("| Variable | What it is |"), made);
}

#[test]
fn every_field_of_readyz_is_on_the_page() {
    let text = read("runner-proxy/src/operations.rs");
    let body = text.split("serde_json::json!({").nth(1).unwrap().split("})").next().unwrap();
    let fields: BTreeSet<_> = body.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(fields.len() > 3, "the source was not found");
    assert_eq!(first_cells("| Field | Value |"), fields);
}

#[test]
fn every_health_of_a_certificate_is_on_the_page() {
    let page = read("docs/runner.md");
    let text = read("runner-proxy/src/coordinator/certificate.rs");
    let words = text.split("fn as_str").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let words: Vec<_> = words.split('"').skip(1).step_by(2).collect();
    assert_eq!(words.len(), 4);
    for word in words {
        assert!(page.contains(&format!("`{word}`")), "{word}");
    }
}
