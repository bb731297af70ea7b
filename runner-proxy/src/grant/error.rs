//! Why there is no token.
//!
//! The reason is for the log. What a token endpoint says of itself is repeated only where it is an OAuth error
//! (RFC 6749 section 5.2), cut short and without control characters; the sandbox is told nothing of it.

use http::StatusCode;
use moneyer_daemon::outbound::OutboundError;
use moneyer_identity::grant::BearerTokenError;
use moneyer_identity::{ErrorClass, IssueError};

use super::answer::{AnswerFault, OAuthError};
use super::assertion::AssertionError;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GrantError {
    /// The sandbox has no assertion.
    #[error("the sandbox's JWT-SVID could not be had")]
    Assertion(#[source] AssertionError),
    /// The user's token could not be readdressed to the sandbox.
    #[error("the coordinator gave no token on the user's behalf")]
    Subject(#[source] IssueError),
    /// The token endpoint did not answer.
    #[error("the token endpoint gave no answer")]
    Unreachable(#[source] OutboundError),
    /// It refused.
    #[error("the token endpoint answered {status}: {error}")]
    Refused {
        /// With which status.
        status: StatusCode,
        /// What it says of it.
        error: OAuthError,
    },
    /// It said yes, in a form that is none.
    #[error("the token endpoint's answer is no token response")]
    Answer(#[source] AnswerFault),
    /// What it calls an access token cannot stand on a request.
    #[error("the token endpoint's token cannot be used")]
    Token(#[source] BearerTokenError),
    /// It has ended already.
    #[error("the token endpoint's token has expired; check the clocks of both")]
    Expired,
    /// Whoever asked for it ended before it was there.
    #[error("asking for the token was cut off")]
    CutOff,
}

impl GrantError {
    /// Which class of failure it is.
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Assertion(error) => error.class(),
            Self::Subject(error) => error.class,
            Self::Unreachable(_) | Self::CutOff => ErrorClass::Unavailable,
            Self::Refused { status, .. } if status.is_server_error() => ErrorClass::Unavailable,
            Self::Refused { .. } => ErrorClass::Denied,
            Self::Answer(_) | Self::Token(_) | Self::Expired => ErrorClass::Internal,
        }
    }

    /// Whether the coordinator is away: it passes, and the token endpoint has nothing to do with it.
    pub(crate) fn is_coordinator_away(&self) -> bool {
        let class = match self {
            Self::Assertion(error) => error.class(),
            Self::Subject(error) => error.class,
            _ => return false,
        };
        class == ErrorClass::Unavailable
    }
}
