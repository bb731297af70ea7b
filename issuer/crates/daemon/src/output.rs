//! Standard output of a command: text, JSON and tables.
//!
//! Both daemons' commands print alike, and a reader that went away (`| head`) is no failure of either.

use std::io::{self, Write as _};

use serde::Serialize;

/// Text on standard output.
///
/// # Errors
/// It could not be written, though somebody reads.
pub fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// A value as pretty JSON, with a line end.
///
/// # Errors
/// It has no form in JSON.
pub fn pretty<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|text| format!("{text}\n"))
}

/// Columns padded to their widest cell, two blanks between them.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
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
