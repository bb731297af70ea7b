//! Lines of a log with what proves them.
//!
//! An export is the lines as they stand, and behind them one more that says which hash comes before the
//! first and which hash the last has. Whoever knows a head that was told at the time, or holds the exports
//! before and after, can link them.

use std::io;
use std::path::Path;

use moneyer_recording::Sequence;
use serde::{Serialize, Serializer};

use crate::chain::{Head, LineHash};
use crate::line;
use crate::read::Records;
use crate::verify::{Damage, Finding, Walk, damage};

/// Why nothing, or not everything, was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A line in the range breaks the chain.
    #[error(transparent)]
    Damage(Damage),
    /// No line in the range is there.
    #[error("the log has no line from {0} on")]
    Empty(Sequence),
    /// The lines could not be written where they were to go.
    #[error("the lines could not be written")]
    Write(#[source] io::Error),
}

/// What proves the lines of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The first line's number.
    pub first: Sequence,
    /// The hash of the line before it.
    pub previous: LineHash,
    /// The last line's number.
    pub last: Sequence,
    /// Its hash.
    pub hash: LineHash,
}

impl Serialize for LineHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How the proof stands behind the lines.
#[derive(Serialize)]
struct Last {
    proof: Proof,
}

/// Writes the lines from one number to another, as many as are there, and their proof. The chain is walked
/// on the way.
pub fn export(
    directory: &Path,
    from: Sequence,
    to: Sequence,
    out: &mut dyn io::Write,
) -> Result<Proof, ExportError> {
    let read = |error| ExportError::Damage(Damage::Read(error));
    let mut records = Records::of(directory).map_err(read)?;
    records.skip_to(from);
    let mut walk: Option<(Walk, Sequence, LineHash)> = None;
    while let Some(record) = records.next() {
        let record = record.map_err(read)?;
        let broken =
            |finding| ExportError::Damage(damage(&records, record.file, record.line, finding));
        let link = line::link(&record.bytes).map_err(|error| broken(Finding::Line(error)))?;
        if link.sequence < from {
            continue;
        }
        if link.sequence > to {
            break;
        }
        let (walk, _, _) = walk.get_or_insert_with(|| {
            let sequence = Sequence(link.sequence.0.saturating_sub(1));
            let head = Head { sequence, hash: link.previous };
            (Walk::after(head), link.sequence, link.previous)
        });
        walk.step(&record).map_err(broken)?;
        out.write_all(&record.bytes).map_err(ExportError::Write)?;
        out.write_all(b"\n").map_err(ExportError::Write)?;
    }
    let (walk, first, previous) = walk.ok_or(ExportError::Empty(from))?;
    let Head { sequence: last, hash } = walk.head();
    let proof = Proof { first, previous, last, hash };
    let failed = |error: serde_json::Error| ExportError::Write(error.into());
    serde_json::to_writer(&mut *out, &Last { proof }).map_err(failed)?;
    out.write_all(b"\n").map_err(ExportError::Write)?;
    Ok(proof)
}
