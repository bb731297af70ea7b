//! Why a token endpoint gave no token.
//!
//! The reason is for the log. What a token endpoint says of itself is repeated only where it is an OAuth error
//! (RFC 6749 section 5.2), cut short and without control characters.

use http::StatusCode;
use moneyer_identity::ErrorClass;
use moneyer_identity::grant::BearerTokenError;

use super::answer::{AnswerFault, OAuthError};
use crate::outbound::OutboundError;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenEndpointError {
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
}

impl TokenEndpointError {
    /// Which class of failure it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable(_) => ErrorClass::Unavailable,
            Self::Refused { status, .. } if status.is_server_error() => ErrorClass::Unavailable,
            Self::Refused { .. } => ErrorClass::Denied,
            Self::Answer(_) | Self::Token(_) | Self::Expired => ErrorClass::Internal,
        }
    }
}
