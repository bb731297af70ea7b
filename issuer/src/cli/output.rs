//! Records for people and for programs.

use std::io::{self, Write as _};

use clap::ValueEnum;
use moneyer_identity::UnixTime;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::failure::Failure;

/// How records are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table, or lines.
    Text,
    /// JSON.
    Json,
}

/// Standard output in one of the two forms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    format: Format,
}

/// A column: its heading, and how a record fills it.
pub(super) type Column<T> = (&'static str, fn(&T) -> String);

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether JSON is asked for.
    pub(super) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Several records: a table with headings, or a JSON array.
    pub(super) fn records<T: Serialize>(
        self,
        records: &[T],
        columns: &[Column<T>],
    ) -> Result<(), Failure> {
        if self.is_json() {
            return json(&records);
        }
        let heading = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let row = |record| columns.iter().map(|(_, cell)| cell(record)).collect();
        let rows: Vec<Vec<String>> =
            std::iter::once(heading).chain(records.iter().map(row)).collect();
        print(&table(&rows))
    }

    /// One record: a sentence, or a JSON object.
    pub(super) fn record<T: Serialize>(self, record: &T, sentence: &str) -> Result<(), Failure> {
        if self.is_json() { json(record) } else { print(&format!("{sentence}\n")) }
    }
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

/// Columns padded to their widest cell, two blanks between them.
fn table(rows: &[Vec<String>]) -> String {
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

/// A time for people: RFC 3339 in UTC.
pub(super) fn time(at: UnixTime) -> String {
    OffsetDateTime::from_unix_timestamp(at.0)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| at.to_string())
}

/// A time that may be missing.
pub(super) fn optional_time(at: Option<UnixTime>) -> String {
    at.map_or_else(|| "-".to_owned(), time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["NAME".to_owned(), "N".to_owned()], vec!["a".to_owned(), "1".to_owned()]];
        assert_eq!(table(&rows), "NAME  N\na     1\n");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(UnixTime(0)), "1970-01-01T00:00:00Z");
        assert_eq!(optional_time(None), "-");
    }
}
