//! Records for people and for programs.

use std::io::{self, Write as _};

use clap::ValueEnum;
use moneyer_daemon::output;
pub(super) use moneyer_daemon::output::table;
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
    let text = output::pretty(value).map_err(|error| Failure::of("cannot write JSON", &error))?;
    print(&text)
}

/// Text on standard output.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    output::print(text).map_err(|error| Failure::of("cannot write to standard output", &error))
}

/// A remark on standard error, which may be closed.
pub(super) fn remark(text: &str) {
    writeln!(io::stderr(), "moneyer-runner-proxy: {text}").ok();
}
