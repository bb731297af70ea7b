//! `moneyer-runner-proxy audit`: the audit log of this host, read from its files. No daemon has to run, and one that runs
//! is not disturbed.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use clap::{Args, Subcommand};
use moneyer_audit::{Head, Query, Records, verify};
use moneyer_daemon::settings::Span;
use moneyer_identity::{Clock as _, SystemClock, UnixTime};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::failure::Failure;
use super::output::{self, Format, print, table};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Find records.
    Query(QueryArguments),
    /// Walk the whole hash chain and name the first line that breaks it.
    ///
    /// Every change of a line, every line that was removed, added or moved is found by the log alone. Lines
    /// that were cut off at its end are found with --head: the daemon's log tells a head every minute.
    Verify {
        /// A head that must be in the log.
        #[arg(long, value_name = "SEQ:HASH")]
        head: Option<Head>,
        /// The head before the first line, where older files were moved away.
        #[arg(long, value_name = "SEQ:HASH")]
        after: Option<Head>,
    },
}

/// What is looked for.
#[derive(Debug, Args)]
pub(super) struct QueryArguments {
    /// Not longer ago than this, as 1h30m.
    #[arg(long, value_name = "TIME")]
    since: Option<Span>,
    /// Of this sandbox.
    #[arg(long, value_name = "ID")]
    sandbox: Option<String>,
    /// Of this provider.
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Of this kind, as `token_granted`.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Decided so: allowed or refused.
    #[arg(long, value_name = "DECISION")]
    decision: Option<String>,
    /// The newest so many.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

type Found = Map<String, Value>;

pub(super) fn run(command: &AuditCommand, config: &Config, format: Format) -> Result<(), Failure> {
    let directory = &config.audit_directory();
    match command {
        AuditCommand::Query(arguments) => show(&arguments.find(directory)?, format),
        AuditCommand::Verify { head, after } => {
            run_verify(directory, after.unwrap_or_default(), *head, format)
        }
    }
}

impl QueryArguments {
    fn query(&self) -> Query {
        let fields = [
            ("event", &self.event),
            ("decision", &self.decision),
            ("sandbox", &self.sandbox),
            ("provider", &self.provider),
        ];
        let asked = |(name, value): (&'static str, &Option<String>)| Some((name, value.clone()?));
        let ago = |ago: Span| SystemClock.now().minus(Duration::from_secs(ago.as_secs())).0;
        let fields = fields.into_iter().filter_map(asked).collect();
        Query { since: self.since.map(ago), fields, ..Query::default() }
    }

    fn find(&self, directory: &Path) -> Result<Vec<Found>, Failure> {
        let query = self.query();
        let mut found = VecDeque::new();
        let records = Records::of(directory);
        for record in records.map_err(|error| Failure::new(crate::chain(&error)))? {
            let record = record.map_err(|error| Failure::damaged(&error))?;
            let Some(record) = query.find(&record) else { continue };
            found.push_back(record);
            if found.len() > self.limit {
                found.pop_front();
            }
        }
        Ok(found.into())
    }
}

fn show(found: &[Found], format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return output::json(&found);
    }
    let names = ["SEQ", "TIME", "EVENT", "SANDBOX", "PROVIDER", "DESTINATION", "DETAIL"];
    let mut rows = vec![names.map(str::to_owned).to_vec()];
    rows.extend(found.iter().map(row));
    print(&table(&rows))
}

fn row(record: &Found) -> Vec<String> {
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| record.get(*name).and_then(Value::as_str));
        found.unwrap_or("-").to_owned()
    };
    let number = |name: &str| record.get(name).and_then(Value::as_i64).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(UnixTime(number("time")).0).ok();
    let time = time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| "-".to_owned());
    let detail = match number("count") {
        0 => text(&["audience"]),
        count => format!("{} (count: {count})", text(&["reason"])),
    };
    vec![
        number("seq").to_string(),
        time,
        text(&["event"]),
        text(&["sandbox"]),
        text(&["provider"]),
        text(&["destination", "endpoint"]),
        detail,
    ]
}

fn run_verify(
    directory: &Path,
    after: Head,
    kept: Option<Head>,
    format: Format,
) -> Result<(), Failure> {
    let verified = verify(directory, after, kept, &mut |_bytes| {});
    let verified = verified.map_err(|error| Failure::damaged(&error))?;
    let (lines, files, head) = (verified.lines, verified.files, verified.head.to_string());
    let unfinished_bytes = verified.unfinished_bytes;
    match format {
        Format::Json => output::json(&json!({
            "good": true,
            "lines": lines,
            "files": files,
            "head": head,
            "unfinished_bytes": unfinished_bytes,
        })),
        Format::Text => {
            print(&format!("the audit log is good (lines: {lines}, files: {files})\nhead {head}\n"))
        }
    }
}
