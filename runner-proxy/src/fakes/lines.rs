//! A log of lines in memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use moneyer_identity::{Clock, SystemClock};
use moneyer_recording::{AuditError, LineLog, Lines, Recording, Sequence};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::audit::GrantAudit;

/// Keeps lines for as long as it is told that it can.
#[derive(Debug, Default)]
pub(crate) struct FakeLines {
    kept: Mutex<Vec<Value>>,
    fails: AtomicBool,
    hangs: AtomicBool,
}

impl FakeLines {
    /// A log, and what grants tell it, by the clock of the system.
    pub(crate) fn audit() -> (Arc<Self>, GrantAudit) {
        Self::audit_by(Arc::new(SystemClock))
    }

    pub(crate) fn audit_by(clock: Arc<dyn Clock>) -> (Arc<Self>, GrantAudit) {
        let lines = Arc::new(Self::default());
        let audit = GrantAudit::new(Arc::clone(&lines) as _, clock);
        (lines, audit)
    }

    /// Everything that was recorded.
    pub(crate) fn kept(&self) -> Vec<Value> {
        self.kept.lock().unwrap().clone()
    }

    /// The values of a field, with nothing where a record has none.
    pub(crate) fn all(&self, field: &str) -> Vec<Value> {
        self.kept().iter().map(|record| record[field].clone()).collect()
    }

    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// Takes lines and never says that they are durable.
    pub(crate) fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }
}

impl LineLog for FakeLines {
    fn append(&self, lines: Lines) -> Result<Recording, AuditError> {
        self.health()?;
        let (answer, answered) = oneshot::channel();
        if self.hangs.load(Ordering::SeqCst) {
            // Nobody answers, and nobody is told so.
            std::mem::forget(answer);
            return Ok(Recording::new(answered, None));
        }
        let mut kept = self.kept.lock().unwrap();
        let text = String::from_utf8(lines.into_text()).unwrap();
        kept.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        answer.send(Ok(Sequence(kept.len() as u64))).unwrap();
        Ok(Recording::new(answered, None))
    }

    fn health(&self) -> Result<(), AuditError> {
        let fails = self.fails.load(Ordering::SeqCst);
        if fails { Err(AuditError::Failing("the disk is full".into())) } else { Ok(()) }
    }
}
