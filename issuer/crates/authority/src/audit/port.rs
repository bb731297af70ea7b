//! The audit port: what the authority asks of whatever keeps its audit log.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::ErrorClass;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::audit::event::AuditEvent;
use crate::store::Cause;

/// Longest time a token or a change waits for its record. A disk answers in milliseconds; one that hangs
/// must not hold callers until their own deadlines.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// A record's place in the log: from 1, without a gap.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Why something is not recorded. What was to be recorded must then not happen.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The log cannot be written at this time. It is tried again until it can.
    #[error("the audit log cannot be written")]
    Failing(#[source] Cause),
    /// The log did not answer in time. The record may still be written.
    #[error("the audit log did not answer within {} s", LONGEST_WAIT.as_secs())]
    Slow,
    /// More records wait than may.
    #[error("too many records wait for the audit log")]
    Overloaded,
    /// The event cannot be written as text.
    #[error("an audit record cannot be encoded")]
    Encode(#[source] Cause),
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
}

impl AuditError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Failing(_) | Self::Slow | Self::Overloaded | Self::Closed => {
                ErrorClass::Unavailable
            }
            Self::Encode(_) => ErrorClass::Internal,
        }
    }
}

/// Keeps the audit log.
pub trait Audit: Send + Sync + fmt::Debug {
    /// Takes events in, one at least, to be recorded together and in their order. Returns at once: the work begins
    /// now, and [`Recording::durable`] waits for its end. A recording nobody waits for is made as well.
    fn record(&self, events: Vec<AuditEvent>) -> Result<Recording, AuditError>;

    /// Whether a record could be made now.
    fn health(&self) -> Result<(), AuditError>;
}

/// Makes whoever writes the log begin, where it gathers records.
pub trait Hasten: Send + Sync {
    /// Somebody waits.
    fn hasten(&self);
}

/// The answer a recording waits for.
type Answer = oneshot::Receiver<Result<Sequence, AuditError>>;

/// A recording under way.
#[must_use = "what is recorded may happen only once the recording is durable"]
pub struct Recording {
    answer: Answer,
    deadline: Instant,
    hasten: Option<Arc<dyn Hasten>>,
}

impl Recording {
    /// Is done when `answer` comes; `hasten` is told once somebody waits.
    pub fn new(answer: Answer, hasten: Option<Arc<dyn Hasten>>) -> Self {
        Self { answer, deadline: Instant::now() + LONGEST_WAIT, hasten }
    }

    /// Waits until every event of it survives power loss, and gives the place of the first. Never waits
    /// longer than a second since it was begun.
    pub async fn durable(mut self) -> Result<Sequence, AuditError> {
        // A signature takes longer than a sync, so the answer is mostly there.
        match self.answer.try_recv() {
            Ok(answer) => return answer,
            Err(oneshot::error::TryRecvError::Closed) => return Err(AuditError::Closed),
            Err(oneshot::error::TryRecvError::Empty) => {}
        }
        if let Some(hasten) = self.hasten.take() {
            hasten.hasten();
        }
        match timeout_at(self.deadline, self.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_gone)) => Err(AuditError::Closed),
            Err(_elapsed) => Err(AuditError::Slow),
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}
