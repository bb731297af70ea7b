//! Why an API server has not answered: for the log and `/readyz`.

use std::time::Duration;

use http::StatusCode;
use moneyer_daemon::outbound::OutboundError;

/// Why there is no answer. It says nothing of the token that was asked about.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReviewFailure {
    /// What we show ourselves cannot be read.
    #[error("our own token: {0}")]
    Bearer(String),
    /// Our own token is not taken, also when it was read anew.
    #[error("it does not take our own token (401): is the one in `bearer_file` still good?")]
    Unauthorized,
    /// We may not ask.
    #[error(
        "we may not ask it (403): bind the service account of `bearer_file` to the cluster role system:auth-delegator"
    )]
    Forbidden,
    /// Another status.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// Not what a `TokenReview` is answered with.
    #[error("what it answered is no answer to a TokenReview: {0}")]
    Answer(String),
    /// No connection, or no answer in time.
    #[error("no answer came")]
    Outbound(#[source] OutboundError),
    /// No answer in time, with all that it took to ask.
    #[error("no answer came within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// As many are asked or wait already as may.
    #[error("as many questions wait for it as may")]
    Busy,
    /// It is left alone, since it did not answer before.
    #[error("it is left alone for a while, since it did not answer: {0}")]
    LeftAlone(String),
    /// The task that asked ended early.
    #[error("the question was interrupted")]
    Interrupted,
}

impl ReviewFailure {
    /// Whether it tells something of the server, and not of how busy we are.
    pub(super) fn is_of_the_server(&self) -> bool {
        !matches!(self, Self::Busy | Self::LeftAlone(_))
    }
}
