//! Records for people and for programs.

use clap::ValueEnum;
use moneyer_daemon::output;
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
        print(&output::table(&rows))
    }

    /// One record: a sentence, or a JSON object.
    pub(super) fn record<T: Serialize>(self, record: &T, sentence: &str) -> Result<(), Failure> {
        if self.is_json() { json(record) } else { print(&format!("{sentence}\n")) }
    }
}

/// Pretty JSON on standard output.
pub(super) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = output::pretty(value).map_err(|error| Failure::of("cannot write JSON", &error))?;
    print(&text)
}

/// Text on standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    output::print(text).map_err(|error| Failure::of("cannot write to standard output", &error))
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

/// Several in one cell, or a dash.
pub(super) fn joined<T: ToString>(several: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<_> = several.into_iter().map(|one| one.to_string()).collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(UnixTime(0)), "1970-01-01T00:00:00Z");
        assert_eq!(optional_time(None), "-");
    }
}
