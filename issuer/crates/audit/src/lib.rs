//! An audit log of lines ([`moneyer_recording::LineLog`]) in files of a directory of its own.
//!
//! Each record is one line of JSON with its place (`seq`) and the SHA-256 of the line before it (`prev`),
//! so the lines form a chain: none can be changed, removed, added or moved without a break that
//! [`verify`] finds. What the chain alone cannot show, lines cut off at its end, shows beside a [`Head`]
//! that was kept elsewhere. One thread writes and syncs; a sync serves every record that waits.
//!
//! What stands in the lines is the daemon's that records. Reading needs no running daemon and disturbs none.

mod chain;
mod directory;
mod disk;
mod export;
mod line;
mod log;
mod open;
mod options;
mod query;
mod queue;
mod read;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use chain::{Head, HeadError, LineHash};
pub use directory::DirectoryError;
pub use export::{ExportError, Proof, export};
pub use line::LineError;
pub use log::{FileAudit, Written};
pub use open::OpenError;
pub use options::AuditOptions;
pub use query::Query;
pub use read::{ReadError, Record, Records};
pub use verify::{Damage, Finding, Verified, verify};
