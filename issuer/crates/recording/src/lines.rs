//! [`Lines`]: events as text, before they have a place in the log.

use serde::Serialize;

use crate::error::AuditError;

/// Longest line in bytes, without its line end: four times the largest record of the store.
pub const MAXIMUM_LINE_BYTES: usize = 256 * 1024;

/// Bytes of an event's text: most fit without growing.
const EVENT_BYTES: usize = 512;

/// What a line has beside its event: number, hash, and the names of both.
const LINK_BYTES: usize = 128;

/// An event is longer than a line may be.
#[derive(Debug, thiserror::Error)]
#[error("the event is longer than {MAXIMUM_LINE_BYTES} bytes")]
struct TooLong;

/// Nothing was told.
#[derive(Debug, thiserror::Error)]
#[error("there is no event to record")]
struct NoEvent;

/// Events that are recorded together: each one's JSON object, one a line. JSON has no line end within.
#[derive(Debug)]
pub struct Lines {
    text: Vec<u8>,
    count: u64,
}

impl Lines {
    /// The lines of these events, of which there is one at least. Each has to be a JSON object with a field.
    pub fn of<E: Serialize>(events: &[E]) -> Result<Self, AuditError> {
        if events.is_empty() {
            return Err(AuditError::Encode(NoEvent.into()));
        }
        let mut text = Vec::with_capacity(EVENT_BYTES.saturating_mul(events.len()));
        for event in events {
            if !text.is_empty() {
                text.push(b'\n');
            }
            let begin = text.len();
            serde_json::to_writer(&mut text, event)
                .map_err(|error| AuditError::Encode(error.into()))?;
            if text.len() - begin > MAXIMUM_LINE_BYTES - LINK_BYTES {
                return Err(AuditError::Encode(TooLong.into()));
            }
        }
        Ok(Self { text, count: events.len() as u64 })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their text.
    #[must_use]
    pub fn into_text(self) -> Vec<u8> {
        self.text
    }
}
