//! The audit port: what the authority asks of whatever keeps its audit log.
//!
//! Any log of lines is one: its lines are the events as JSON.

use std::fmt;

pub use moneyer_recording::{AuditError, Hasten, Recording, Sequence};
use moneyer_recording::{LineLog, Lines};

use crate::audit::event::AuditEvent;

/// Keeps the audit log.
pub trait Audit: Send + Sync + fmt::Debug {
    /// Takes events in, one at least, to be recorded together and in their order. Returns at once: the work begins
    /// now, and [`Recording::durable`] waits for its end. A recording nobody waits for is made as well.
    fn record(&self, events: Vec<AuditEvent>) -> Result<Recording, AuditError>;

    /// Whether a record could be made now.
    fn health(&self) -> Result<(), AuditError>;
}

impl<L: LineLog> Audit for L {
    fn record(&self, events: Vec<AuditEvent>) -> Result<Recording, AuditError> {
        // Not worth the encoding where nothing is written.
        LineLog::health(self)?;
        self.append(Lines::of(&events)?)
    }

    fn health(&self) -> Result<(), AuditError> {
        LineLog::health(self)
    }
}
