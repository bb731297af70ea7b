//! `moneyer audit`: the audit log, read from its files. No coordinator has to run, and one that runs is
//! not disturbed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use moneyer_audit::{ExportError, Head, Query, Records, export, verify};
use moneyer_authority::audit::Sequence;
use moneyer_daemon::progress::Progress;
use moneyer_daemon::settings::{Source, Span};
use moneyer_identity::{Clock as _, SystemClock, UnixTime};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::failure::Failure;
use crate::cli::output::{Column, Output, time};
use crate::config::Config;

/// Bytes below which nobody has to be told that it takes its time: half a second.
const LONG: u64 = 64 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Find records.
    Query(QueryArguments),
    /// Walk the whole hash chain and name the first line that breaks it.
    ///
    /// Every change of a line, every line that was removed, added or moved is found by the log alone. Lines
    /// that were cut off at its end are found with --head: the coordinator's log tells a head every minute.
    Verify {
        /// A head that must be in the log.
        #[arg(long, value_name = "SEQ:HASH")]
        head: Option<Head>,
        /// The head before the first line, where older files were moved away.
        #[arg(long, value_name = "SEQ:HASH")]
        after: Option<Head>,
    },
    /// Write lines with their proof: the hash before the first and the hash of the last.
    Export {
        /// Number of the first line.
        #[arg(long, value_name = "SEQ", default_value_t = 1)]
        from: u64,
        /// Number of the last line. Default: the last there is.
        #[arg(long, value_name = "SEQ")]
        to: Option<u64>,
        /// A file that is not there yet. Default: standard output.
        file: Option<PathBuf>,
    },
}

/// What is looked for.
#[derive(Debug, Args)]
pub(super) struct QueryArguments {
    /// Not before this time: RFC 3339, or how long ago, as 1h30m.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<UnixTime>,
    /// Before this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<UnixTime>,
    /// Of this sandbox.
    #[arg(long, value_name = "ID")]
    sandbox: Option<String>,
    /// Of this app.
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Of this runner: placed there, asked by it, or about it.
    #[arg(long, value_name = "ID")]
    runner: Option<String>,
    /// Of the token with this id.
    #[arg(long, value_name = "ID")]
    jti: Option<String>,
    /// Of this key.
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
    /// Of this kind, as `token_minted`.
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Decided so: allowed, refused or withheld.
    #[arg(long, value_name = "DECISION")]
    decision: Option<String>,
    /// The newest so many.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

/// A record as it was found.
pub(super) type Found = Map<String, Value>;

const COLUMNS: &[Column<Found>] = &[
    ("SEQ", |record| number(record, "seq").to_string()),
    ("TIME", |record| time(UnixTime(number(record, "time")))),
    ("EVENT", |record| text(record, "event").to_owned()),
    ("WHO", |record| text(record, "who").to_owned()),
    ("OF", |record| {
        let names = ["sandbox", "system_workload", "app", "member", "policy", "kid"];
        let found = names.iter().map(|name| text(record, name)).find(|text| !text.is_empty());
        found.unwrap_or("-").to_owned()
    }),
    ("DECISION", |record| text(record, "decision").to_owned()),
    ("DETAIL", |record| {
        let names = ["jti", "reason", "runner", "serial"];
        let found = names.iter().map(|name| text(record, name)).find(|text| !text.is_empty());
        found.unwrap_or("-").to_owned()
    }),
];

/// A field that is a text; empty where there is none.
pub(super) fn text<'a>(record: &'a Found, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A field that is a number; zero where there is none.
pub(super) fn number(record: &Found, name: &str) -> i64 {
    record.get(name).and_then(Value::as_i64).unwrap_or_default()
}

pub(super) fn run(command: &AuditCommand, path: &Path, output: Output) -> Result<(), Failure> {
    let (config, _) = Config::load(&Source::read(path, "MONEYER")?)?;
    let directory = &config.audit.path;
    match command {
        AuditCommand::Query(arguments) => output.records(&arguments.find(directory)?, COLUMNS),
        AuditCommand::Verify { head, after } => {
            run_verify(directory, after.unwrap_or_default(), *head, output)
        }
        AuditCommand::Export { from, to, file } => {
            let to = Sequence(to.unwrap_or(u64::MAX));
            run_export(directory, (Sequence(*from), to), file.as_deref())
        }
    }
}

impl QueryArguments {
    fn query(&self) -> Query {
        let fields = [
            ("event", &self.event),
            ("decision", &self.decision),
            ("sandbox", &self.sandbox),
            ("app", &self.app),
            ("jti", &self.jti),
            ("kid", &self.kid),
        ];
        let asked = |(name, value): (&'static str, &Option<String>)| Some((name, value.clone()?));
        Query {
            since: self.since.map(|since| since.0),
            until: self.until.map(|until| until.0),
            fields: fields.into_iter().filter_map(asked).collect(),
            runner: self.runner.clone(),
        }
    }

    fn find(&self, directory: &Path) -> Result<Vec<Found>, Failure> {
        let query = self.query();
        let mut found = VecDeque::new();
        for record in records(directory)? {
            let record = record.map_err(|error| Failure::damaged(&error))?;
            let Some(record) = query.find(&record) else { continue };
            if found.len() >= self.limit {
                found.pop_front();
            }
            found.push_back(record);
        }
        found.truncate(self.limit);
        Ok(found.into())
    }
}

fn records(directory: &Path) -> Result<Records, Failure> {
    Records::of(directory).map_err(|error| Failure::new(crate::chain(&error)))
}

fn run_verify(
    directory: &Path,
    after: Head,
    kept: Option<Head>,
    output: Output,
) -> Result<(), Failure> {
    let total = records(directory)?.total_bytes();
    let is_long = total > LONG && io::stderr().is_terminal();
    let progress = is_long.then(|| Progress::bar(total, "walking the chain"));
    let mut told = 0;
    let mut tell = |bytes: u64| {
        if let Some(progress) = &progress {
            progress.advance(bytes.saturating_sub(told));
            told = bytes;
        }
    };
    let verified = verify(directory, after, kept, &mut tell);
    let verified = verified.map_err(|error| Failure::damaged(&error))?;
    if let Some(progress) = progress {
        progress.finish("walked the chain");
    }
    let record = json!({
        "good": true,
        "lines": verified.lines,
        "files": verified.files,
        "head": verified.head.to_string(),
        "unfinished_bytes": verified.unfinished_bytes,
    });
    let unfinished = match verified.unfinished_bytes {
        0 => String::new(),
        bytes => format!(
            "\n{bytes} bytes behind it are a line that is being written, or was cut off by a crash"
        ),
    };
    let sentence = format!(
        "the audit log is good (lines: {}, files: {})\nhead {}{unfinished}",
        verified.lines, verified.files, verified.head
    );
    output.record(&record, &sentence)
}

fn run_export(
    directory: &Path,
    (from, to): (Sequence, Sequence),
    file: Option<&Path>,
) -> Result<(), Failure> {
    let Some(path) = file else {
        let mut out = BufWriter::new(io::stdout().lock());
        let exported = export(directory, from, to, &mut out);
        let flushed = out.flush();
        return match (exported, flushed) {
            // A reader that went away (`| head`) is no failure.
            (Err(ExportError::Write(error)), _) | (Ok(_), Err(error)) => {
                if error.kind() == io::ErrorKind::BrokenPipe {
                    return Ok(());
                }
                Err(Failure::of("cannot write to standard output", &error))
            }
            (Err(error), _) => Err(failure(&error)),
            (Ok(_), Ok(())) => Ok(()),
        };
    };
    if path.exists() {
        let text = format!("{} is there already; name another file", path.display());
        return Err(Failure::new(text));
    }
    let failed =
        |error: io::Error| Failure::of(&format!("cannot write {}", path.display()), &error);
    let made = File::options().write(true).create_new(true).mode(0o600).open(path);
    let made = made.map_err(failed)?;
    let mut out = BufWriter::new(&made);
    let exported = export(directory, from, to, &mut out).map_err(|error| failure(&error));
    let exported =
        exported.and_then(|_| out.flush().and_then(|()| made.sync_all()).map_err(failed));
    if exported.is_err() {
        // Half an export proves nothing, and the failure says more than one of the removal could.
        std::fs::remove_file(path).ok();
    }
    exported
}

fn failure(error: &ExportError) -> Failure {
    match error {
        ExportError::Damage(damage) => Failure::damaged(damage),
        _ => Failure::new(crate::chain(error)),
    }
}

/// RFC 3339, or a length of time before now.
fn moment(text: &str) -> Result<UnixTime, String> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Ok(UnixTime(time.unix_timestamp()));
    }
    let ago: Result<Span, _> = text.parse();
    let ago = ago.map_err(|_no_span| {
        "write a time as 2026-01-31T12:00:00Z, or how long ago as 1h30m".to_owned()
    })?;
    Ok(SystemClock.now().minus(std::time::Duration::from_secs(ago.as_secs())))
}
