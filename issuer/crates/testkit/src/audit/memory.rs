//! An audit log in memory, for tests of what records.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use moneyer_authority::audit::{Audit, AuditError, AuditEvent, Recording, Sequence};
use serde_json::Value;
use tokio::sync::oneshot;

use super::Backend;

type Answer = Result<Sequence, AuditError>;

#[derive(Debug, Default)]
struct State {
    records: Vec<Value>,
    failing: bool,
    hanging: bool,
    /// Answers that are owed while it hangs.
    owed: Vec<(oneshot::Sender<Answer>, Sequence)>,
}

/// Records in memory. A clone is the same log.
#[derive(Debug, Clone, Default)]
pub struct MemoryAudit {
    state: Arc<Mutex<State>>,
}

impl MemoryAudit {
    /// Refuses every record from now on, as a log on a full disk does, or no longer.
    pub fn set_failing(&self, failing: bool) {
        self.state().failing = failing;
    }

    /// Takes records and does not answer from now on, as a log on a disk that hangs; or answers again.
    pub fn set_hanging(&self, hanging: bool) {
        let mut state = self.state();
        state.hanging = hanging;
        if !hanging {
            for (answer, sequence) in state.owed.drain(..) {
                answer.send(Ok(sequence)).ok();
            }
        }
    }

    /// Every record so far.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        self.state().records.clone()
    }

    /// The names of the events so far.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        let records = self.records();
        let name = |record: &Value| record["event"].as_str().unwrap_or_default().to_owned();
        records.iter().map(name).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audit for MemoryAudit {
    fn record(&self, events: Vec<AuditEvent>) -> Result<Recording, AuditError> {
        let mut state = self.state();
        if state.failing {
            return Err(AuditError::Failing("the test made it so".into()));
        }
        if events.is_empty() {
            return Err(AuditError::Encode("there is no event to record".into()));
        }
        let first = Sequence(state.records.len() as u64 + 1);
        for event in events {
            let record = serde_json::to_value(&event);
            let mut record = record.map_err(|error| AuditError::Encode(error.into()))?;
            if let Value::Object(fields) = &mut record {
                fields.insert("seq".to_owned(), (state.records.len() + 1).into());
            }
            state.records.push(record);
        }
        let (answer, answered) = oneshot::channel();
        if state.hanging {
            state.owed.push((answer, first));
        } else {
            answer.send(Ok(first)).ok();
        }
        Ok(Recording::new(answered, None))
    }

    fn health(&self) -> Result<(), AuditError> {
        if self.state().failing {
            return Err(AuditError::Failing("the test made it so".into()));
        }
        Ok(())
    }
}

/// Opens the same [`MemoryAudit`] again and again.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    log: MemoryAudit,
}

#[async_trait]
impl Backend for MemoryBackend {
    type Audit = MemoryAudit;

    async fn open(&self) -> Arc<MemoryAudit> {
        Arc::new(self.log.clone())
    }

    async fn close(&self, log: Arc<MemoryAudit>) {
        drop(log);
    }

    fn read(&self) -> Vec<Value> {
        self.log.records()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::audit_suite!(MemoryBackend::default());
}
