//! Why there is no token.
//!
//! The reason is for the log; the sandbox is told nothing of it.

use moneyer_daemon::oauth::TokenEndpointError;
use moneyer_identity::{ErrorClass, IssueError};
use moneyer_recording::AuditError;

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
    /// The grant says of no token endpoint.
    #[error("the grant names no token endpoint")]
    NoEndpoint,
    /// The token endpoint gave none.
    #[error(transparent)]
    Endpoint(#[from] TokenEndpointError),
    /// That there is one could not be recorded, so it is not used.
    #[error("the token could not be recorded")]
    Unrecorded(#[source] AuditError),
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
            Self::Endpoint(error) => error.class(),
            Self::Unrecorded(error) => error.class(),
            Self::NoEndpoint => ErrorClass::Internal,
            Self::CutOff => ErrorClass::Unavailable,
        }
    }

    /// A word for it, of which there are few.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Assertion(_) => "no_assertion",
            Self::Subject(_) => "no_subject_token",
            Self::NoEndpoint => "no_endpoint",
            Self::Endpoint(TokenEndpointError::Unreachable(_)) => "endpoint_unreachable",
            Self::Endpoint(TokenEndpointError::Refused { .. }) => "endpoint_refused",
            Self::Endpoint(TokenEndpointError::Answer(_)) => "malformed_answer",
            Self::Endpoint(TokenEndpointError::Token(_)) => "malformed_token",
            Self::Endpoint(TokenEndpointError::Expired) => "expired",
            Self::Unrecorded(_) => "unrecorded",
            Self::CutOff => "cut_off",
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
