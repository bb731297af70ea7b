//! Why a runner gets no user's token.

use std::fmt;
use std::sync::Arc;

use moneyer_authority::delegation::DelegationError;
use moneyer_authority::providers::ProvidersError;
use moneyer_daemon::oauth::TokenEndpointError;
use moneyer_identity::ErrorClass;

/// Of what there are as many questions as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Of all.
    All,
    /// Of those that this runner began.
    Runner,
    /// Of those that go to this token endpoint.
    Endpoint,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "too many token services are asked",
            Self::Runner => "too many token services are asked for this runner",
            Self::Endpoint => "too much is asked of this token service",
        })
    }
}

/// Why.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum DelegationFailure {
    /// It may not, or the coordinator cannot.
    #[error(transparent)]
    Refused(Arc<DelegationError>),
    /// The token service gave no token that is addressed to the sandbox.
    #[error("the token service did not readdress the user's token")]
    Readdressing(#[source] Arc<TokenEndpointError>),
    /// The token service did not renew the user's token.
    #[error("the user's token could not be renewed")]
    Renewal(#[source] Arc<TokenEndpointError>),
    /// The renewed token could not be kept.
    #[error("the user's token was renewed and could not be kept")]
    Keeping(#[source] Arc<ProvidersError>),
    /// As many questions are asked as may be.
    #[error("{0} at this moment")]
    Busy(Bound),
    /// The answer takes longer than the call may.
    #[error("the token service has not answered yet")]
    TooSlow,
    /// The task that asked ended early.
    #[error("asking was interrupted")]
    Interrupted,
}

impl DelegationFailure {
    /// The kind of failure. That a token service refuses is for the operator to mend and not the runner's fault.
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::Refused(error) => error.class(),
            Self::Readdressing(error) | Self::Renewal(error) => match error.class() {
                ErrorClass::Denied => ErrorClass::Conflict,
                class => class,
            },
            Self::Keeping(error) => error.class(),
            Self::Busy(_) => ErrorClass::Exhausted,
            Self::TooSlow => ErrorClass::Unavailable,
            Self::Interrupted => ErrorClass::Internal,
        }
    }

    /// What the runner is told. What a token service says of itself was made fit for a log.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Refused(error) => error.told().to_owned(),
            Self::Readdressing(error) | Self::Renewal(error) => match &**error {
                TokenEndpointError::Refused { .. } => format!("{self}: {error}"),
                _ => self.to_string(),
            },
            Self::Keeping(_) => "no user's token can be had at this time".to_owned(),
            Self::Busy(_) | Self::TooSlow | Self::Interrupted => self.to_string(),
        }
    }
}

impl From<DelegationError> for DelegationFailure {
    fn from(error: DelegationError) -> Self {
        Self::Refused(Arc::new(error))
    }
}
