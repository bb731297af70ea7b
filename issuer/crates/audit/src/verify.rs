//! Walking the chain, and saying which line breaks it.
//!
//! A line that was changed shows in the line after it, which holds its hash; that line is looked at too, so
//! that the one that was changed is named. The last line has none after it: whether it was changed, or
//! lines behind it were cut off, shows only beside a head that was kept elsewhere.

use std::path::{Path, PathBuf};

use moneyer_recording::Sequence;

use crate::chain::{Head, LineHash};
use crate::line::{self, LineError};
use crate::read::{ReadError, Record, Records};

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// It is not a line of a log.
    #[error("{0}")]
    Line(LineError),
    /// Its number does not follow that of the line before.
    #[error("its number is {found} where {expected} is due: lines were removed, added or moved")]
    Sequence {
        /// What is due.
        expected: Sequence,
        /// What is there.
        found: Sequence,
    },
    /// Its bytes are not those whose hash the line after it holds.
    #[error("it was changed: the line after it holds another hash of it")]
    Changed,
    /// It does not hold the hash of the line before it.
    #[error("it does not hold the hash of the line before it")]
    Unlinked,
    /// The file's name says another number than its first line.
    #[error("the file's name says that its first line is {0}")]
    Name(Sequence),
    /// The log ends before the head that was kept.
    #[error("the log ends before line {0}, which was there: its end was cut off")]
    CutOff(Sequence),
    /// The line the kept head names has another hash.
    #[error("its hash is not that of the head that was kept: it, or a line before it, was changed")]
    Head,
}

/// A log that is not as it was written, and where it shows.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// A line breaks the chain.
    #[error("{}:{line}: {finding}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The number of the line in it, from 1.
        line: u64,
        /// What is wrong.
        finding: Finding,
    },
    /// A file cannot be read, or its lines cannot be told apart.
    #[error(transparent)]
    Read(ReadError),
}

/// A log whose chain holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many lines.
    pub lines: u64,
    /// How many files.
    pub files: usize,
    /// Where the chain ends.
    pub head: Head,
    /// Bytes of a line that is being written, or was cut off.
    pub unfinished_bytes: u64,
}

/// The chain as far as it was walked.
#[derive(Debug)]
pub(crate) struct Walk {
    head: Head,
    /// Where its last line stands.
    at: Option<(usize, u64)>,
    lines: u64,
}

impl Walk {
    pub(crate) fn after(head: Head) -> Self {
        Self { head, at: None, lines: 0 }
    }

    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Takes one line further, or says what is wrong with it.
    pub(crate) fn step(&mut self, record: &Record) -> Result<(), Finding> {
        let link = line::link(&record.bytes).map_err(Finding::Line)?;
        let expected = Sequence(self.head.sequence.0.saturating_add(1));
        if link.sequence != expected {
            return Err(Finding::Sequence { expected, found: link.sequence });
        }
        if link.previous != self.head.hash {
            return Err(Finding::Unlinked);
        }
        line::fields(&record.bytes).map_err(Finding::Line)?;
        self.head = Head { sequence: expected, hash: LineHash::of(&record.bytes) };
        self.at = Some((record.file, record.line));
        self.lines += 1;
        Ok(())
    }
}

/// Walks the whole log in a directory.
///
/// `after` is the head before its first line, where older files were moved away; `kept` one that must be
/// in it. `progress` is told the bytes read so far.
pub fn verify(
    directory: &Path,
    after: Head,
    kept: Option<Head>,
    progress: &mut dyn FnMut(u64),
) -> Result<Verified, Damage> {
    let mut records = Records::of(directory).map_err(Damage::Read)?;
    let mut walk = Walk::after(after);
    while let Some(record) = records.next() {
        let record = record.map_err(Damage::Read)?;
        check_name(&records, &record, walk.head)?;
        if let Err(finding) = walk.step(&record) {
            return Err(blame(&mut records, &walk, &record, finding));
        }
        if kept.is_some_and(|kept| kept.sequence == walk.head.sequence && kept != walk.head) {
            return Err(damage(&records, record.file, record.line, Finding::Head));
        }
        progress(records.bytes());
    }
    if let Some(kept) = kept.filter(|kept| kept.sequence > walk.head.sequence) {
        let (file, line) = walk.at.unwrap_or_default();
        return Err(damage(&records, file, line + 1, Finding::CutOff(kept.sequence)));
    }
    Ok(Verified {
        lines: walk.lines,
        files: records.files().len(),
        head: walk.head,
        unfinished_bytes: records.unfinished(),
    })
}

/// A file's first line is the one its name says.
fn check_name(records: &Records, record: &Record, head: Head) -> Result<(), Damage> {
    let named = records.files().get(record.file).map(|(first, _)| *first);
    let due = Sequence(head.sequence.0.saturating_add(1));
    let found = line::link(&record.bytes).map(|link| link.sequence);
    match named {
        Some(named) if record.line == 1 && named != due && found == Ok(due) => {
            Err(damage(records, record.file, record.line, Finding::Name(named)))
        }
        _ => Ok(()),
    }
}

/// Whether the line that does not fit was changed, or the one before it: the line after both knows.
fn blame(records: &mut Records, walk: &Walk, record: &Record, finding: Finding) -> Damage {
    let here = |finding| damage(records, record.file, record.line, finding);
    let (Finding::Unlinked, Some((file, line))) = (finding, walk.at) else { return here(finding) };
    let is_whole = match records.next() {
        Some(Ok(next)) => {
            line::link(&next.bytes).is_ok_and(|link| link.previous == LineHash::of(&record.bytes))
        }
        _ => false,
    };
    if is_whole {
        return damage(records, file, line, Finding::Changed);
    }
    damage(records, record.file, record.line, finding)
}

pub(crate) fn damage(records: &Records, file: usize, line: u64, finding: Finding) -> Damage {
    Damage::Line { path: records.path(file), line, finding }
}
