//! Whether an API server answered the last question: told to `/readyz`, to metrics, and once to the log.

use metrics::{Gauge, gauge};

/// An API server that did not answer the last question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Away {
    /// The name of its cluster here.
    pub(crate) cluster: String,
    /// Why there was no answer.
    pub(crate) cause: String,
    /// Whether it is left alone for a while.
    pub(crate) left_alone: bool,
}

/// Gauge of each API server that is asked: as many values as there are clusters, 64 at most.
pub(crate) const API_SERVER_ANSWERS: &str = "moneyer_api_server_answers";

/// How it stands with one API server.
pub(super) struct Standing {
    cluster: String,
    cause: Option<String>,
    gauge: Gauge,
}

impl std::fmt::Debug for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Standing({}: {:?})", self.cluster, self.cause)
    }
}

impl Standing {
    pub(super) fn new(cluster: &str) -> Self {
        let gauge = gauge!(API_SERVER_ANSWERS, "cluster" => cluster.to_owned());
        gauge.set(1.0);
        Self { cluster: cluster.to_owned(), cause: None, gauge }
    }

    /// It answered.
    pub(super) fn answered(&mut self) {
        self.gauge.set(1.0);
        if self.cause.take().is_some() {
            tracing::info!(
                cluster.name = self.cluster,
                "the API server of a cluster answers again"
            );
        }
    }

    /// It did not answer. The log is told once of one cause.
    pub(super) fn failed(&mut self, cause: String) {
        self.gauge.set(0.0);
        if self.cause.as_ref() == Some(&cause) {
            return;
        }
        tracing::warn!(
            cluster.name = self.cluster,
            error.cause = cause,
            "the API server of a cluster does not answer: tokens of its service accounts that it has to review are \
             refused with 503, but for those it has answered for a moment ago"
        );
        self.cause = Some(cause);
    }

    /// What is told of it, while it does not answer.
    pub(super) fn away(&self, left_alone: bool) -> Option<Away> {
        let cause = self.cause.clone()?;
        Some(Away { cluster: self.cluster.clone(), cause, left_alone })
    }
}
