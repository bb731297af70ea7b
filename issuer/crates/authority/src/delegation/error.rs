//! Why a user's token is not readdressed.

use moneyer_identity::grant::TokenEndpoint;
use moneyer_identity::{Audience, CredentialName, ErrorClass, ProviderName, VerifyError};

use crate::audit::AuditError;
use crate::mint::MintError;
use crate::registry::RegistryError;

/// Why. Nothing left the process.
#[derive(Debug, thiserror::Error)]
pub enum DelegationError {
    /// The sandbox is not on the runner that asks.
    #[error("no user's token for this caller")]
    Sandbox(#[source] RegistryError),
    /// The sandbox does not have the provider, or there is none.
    #[error("the sandbox does not have the provider {0}")]
    NotAttached(ProviderName),
    /// The credential is no exchange.
    #[error(
        "the profile of the provider {provider} has no token exchange by the name {credential}"
    )]
    NoExchange {
        /// The provider.
        provider: ProviderName,
        /// What was asked for.
        credential: CredentialName,
    },
    /// The provider does not hold the user's token.
    #[error("the provider does not hold {0}; hand it over with `moneyer provider update`")]
    NotHeld(CredentialName),
    /// The profile names another token service than when the token was handed over.
    #[error(
        "{credential} was not handed over for {endpoint}, which the profile names since; hand it over anew"
    )]
    OtherEndpoint {
        /// What the provider holds.
        credential: CredentialName,
        /// Where it would be sent.
        endpoint: TokenEndpoint,
    },
    /// The user's token has ended, and there is nothing to renew it with.
    #[error("{0} has ended; hand over another with `moneyer provider update`")]
    Ended(CredentialName),
    /// An assertion of the coordinator for this audience is not shown to that server.
    #[error(
        "the coordinator asserts itself to {endpoint} only for audiences of that server, and {audience} is none; name it \
         in grants.assertion_audiences if that server may have it"
    )]
    ForeignAudience {
        /// Of the profile.
        audience: Audience,
        /// Of the profile.
        endpoint: TokenEndpoint,
    },
    /// The sandbox's assertion is none of this cluster's, or not for this token service.
    #[error("the sandbox's assertion is refused")]
    Assertion(#[source] VerifyError),
    /// The assertion is that of somebody else.
    #[error("the assertion is not that of the sandbox it is asked for, on this runner")]
    AnothersAssertion,
    /// The coordinator has no assertion of its own.
    #[error("the coordinator has no assertion of its own")]
    OwnAssertion(#[source] MintError),
    /// The sandbox, the provider or its profile was changed meanwhile.
    #[error("the provider was changed meanwhile")]
    Changed,
    /// It could not be recorded.
    #[error("it was not recorded, so nothing was handed out")]
    Audit(#[source] AuditError),
}

impl DelegationError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Sandbox(error) => error.class(),
            Self::NotAttached(_) | Self::Assertion(_) | Self::AnothersAssertion => {
                ErrorClass::Denied
            }
            Self::NoExchange { .. }
            | Self::NotHeld(_)
            | Self::OtherEndpoint { .. }
            | Self::ForeignAudience { .. }
            | Self::Ended(_) => ErrorClass::Conflict,
            Self::OwnAssertion(error) => error.class(),
            Self::Changed => ErrorClass::Unavailable,
            Self::Audit(error) => error.class(),
        }
    }

    /// What the runner is told: nothing about others, and nothing of the assertion.
    #[must_use]
    pub fn told(&self) -> &'static str {
        match self {
            Self::Sandbox(_) => "no such sandbox on this caller",
            Self::NotAttached(_) => "the sandbox does not have this provider",
            Self::NoExchange { .. } => "the provider exchanges no token by this credential",
            Self::NotHeld(_) => "the provider does not hold the user's token",
            Self::OtherEndpoint { .. } => "the user's token was handed over for another endpoint",
            Self::ForeignAudience { .. } => "the coordinator has no assertion for this audience",
            Self::Ended(_) => "the user's token has ended",
            Self::Assertion(_) | Self::AnothersAssertion => "the assertion is refused",
            Self::OwnAssertion(_) | Self::Changed | Self::Audit(_) => {
                "no user's token can be had at this time"
            }
        }
    }
}
