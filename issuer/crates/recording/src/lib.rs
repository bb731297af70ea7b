//! What a daemon asks of whatever keeps its audit log: lines go in, and somebody waits until they are durable.
//!
//! The log is a port, [`LineLog`]; what stands in the lines is said by whoever records: the coordinator's events are
//! `moneyer-authority`'s, the runner proxy's its own. A record is durable before what it tells of happens, and where it
//! cannot be written, that does not happen. There is no file here, and no event.

mod error;
mod lines;
mod recording;
mod sequence;

pub use error::{AuditError, Cause};
pub use lines::{Lines, MAXIMUM_LINE_BYTES};
pub use recording::{Hasten, Recording};
pub use sequence::Sequence;

use std::fmt;

/// Keeps lines.
pub trait LineLog: Send + Sync + fmt::Debug {
    /// Takes lines in, to be recorded together and in their order. Returns at once: the work begins now, and
    /// [`Recording::durable`] waits for its end. A recording nobody waits for is made as well.
    fn append(&self, lines: Lines) -> Result<Recording, AuditError>;

    /// Whether a record could be made now.
    fn health(&self) -> Result<(), AuditError>;
}
