//! What the tables of pages say, and the sources that they speak of.

use std::path::{Path, PathBuf};

use crate::pages::read;

/// The cells of every row of the tables in a page, headings and rules left out.
pub(crate) fn rows(page: &str) -> Vec<Vec<String>> {
    let lines: Vec<_> = page.lines().collect();
    let is_rule = |line: &&str| line.starts_with("| -");
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let heading = lines.get(at + 1).is_some_and(is_rule);
        if line.starts_with("| ") && !heading && !is_rule(line) {
            let cells = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned());
            rows.push(cells.collect());
        }
    }
    rows
}

/// The text of a cell that is code.
pub(crate) fn code(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// Whether a file has a test of exactly this name.
pub(crate) fn has_test(file: &str, name: &str) -> bool {
    let text = read(file);
    let ends = |rest: &str| rest.starts_with(['(', '<']);
    text.split(&format!("fn {name}")).skip(1).any(ends)
}

/// Every source below a folder, tests left out.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("tests") {
            continue;
        }
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files
}
