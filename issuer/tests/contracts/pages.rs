//! The pages, where they are and how they are read.

use std::path::{Path, PathBuf};

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares a generated page with the one that is committed.
pub(crate) fn is_up_to_date(path: &str, text: &str) {
    let committed = std::fs::read_to_string(root().join(path)).unwrap_or_default();
    if committed == text {
        return;
    }
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Path::new(path).file_name().unwrap());
    std::fs::write(&fresh, text).unwrap();
    panic!("{path} is out of date; look at it and run: cp {} {path}", fresh.display());
}

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
