//! [`Recording`]: a record on its way to the disk, and the bounded wait for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::error::AuditError;
use crate::sequence::Sequence;

/// Longest time a token or a change waits for its record. A disk answers in milliseconds; one that hangs
/// must not hold callers until their own deadlines.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(1);

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
