//! Records for people and for programs.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde::Serialize;

use super::failure::Failure;

/// How records are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table, or lines.
    Text,
    /// JSON.
    Json,
}

/// Pretty JSON on standard output.
pub(super) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::of("cannot write JSON", &error))?;
    print(&format!("{text}\n"))
}

/// Text on standard output. A reader that went away (`| head`) is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::of("cannot write to standard output", &error))
        }
        _ => Ok(()),
    }
}

/// A remark on standard error, which may be closed.
pub(super) fn remark(text: &str) {
    writeln!(io::stderr(), "moneyer-runner-proxy: {text}").ok();
}

/// Columns padded to their widest cell, two blanks between them.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["NAME".to_owned(), "N".to_owned()], vec!["a".to_owned(), "1".to_owned()]];
        assert_eq!(table(&rows), "NAME  N\na     1\n");
    }
}
