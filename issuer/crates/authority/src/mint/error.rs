//! Why a token is not minted.

use moneyer_identity::spiffe::SpiffeIdError;
use moneyer_identity::{Audience, AudienceError, ClockFault, ErrorClass, LifetimeError};

use crate::audiences::Misfit;
use crate::audit::AuditError;
use crate::registry::RegistryError;
use crate::signer::SignerError;
use crate::store::{Cause, StoreError};

/// A refusal or failure to mint.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The caller may not have a token for this holder.
    #[error("no token for this caller")]
    Registry(#[source] RegistryError),
    /// The audiences asked for are not well-formed, repeated or too many.
    #[error("the audiences are refused")]
    Audiences(#[source] AudienceError),
    /// The audience is reserved, or not one the app may ask for.
    #[error("the audience {0} may not be asked for")]
    AudienceDenied(Audience),
    /// These audiences may not stand in one token.
    #[error("these audiences may not stand in one token")]
    Combination,
    /// The token would be longer than [`moneyer_identity::MAXIMUM_TOKEN_BYTES`].
    #[error("what the token names, such as audiences, roles or policies, is too long together")]
    TooLong,
    /// The SPIFFE ID is too long for a subject.
    #[error("the SPIFFE ID is longer than the {0} bytes that relying parties take as a subject")]
    LongId(usize),
    /// The id of the sandbox is no SPIFFE ID.
    #[error("the sandbox has no SPIFFE ID")]
    SpiffeId(#[source] SpiffeIdError),
    /// The key that would sign is of an algorithm that JWT-SVIDs may not have.
    #[error("no key may sign JWT-SVIDs")]
    NoSvidKey,
    /// The audience's relying party would refuse the token.
    #[error(transparent)]
    Misfit(Misfit),
    /// What the audience asks for was changed while the token was signed.
    #[error("the audience's profile was changed meanwhile")]
    Changed,
    /// The policies were changed while the token was signed.
    #[error("its holder's policies were changed meanwhile")]
    Policies,
    /// The mappings were changed while the token was signed.
    #[error("its holder's mapping was changed meanwhile")]
    Mappings,
    /// The lifetime is out of range.
    #[error(transparent)]
    Lifetime(LifetimeError),
    /// No key may sign now: the active one has reached its end.
    #[error("no key may sign at this time")]
    NoKey,
    /// The audit log cannot be written now: a token that is not recorded is not given out.
    #[error("the token was not recorded")]
    Audit(#[source] AuditError),
    /// The wall clock cannot be trusted.
    #[error("no token is minted by a clock that is wrong")]
    Clock(#[source] ClockFault),
    /// The store was rolled back: what was removed since would be in force again.
    #[error("no token is minted from a store that was put back to an older state")]
    RolledBack(#[source] StoreError),
    /// The claims cannot be written.
    #[error("the claims cannot be written")]
    Encode(#[source] Cause),
    /// The signer refused or failed.
    #[error("the token was not signed")]
    Signer(#[source] SignerError),
}

impl MintError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Registry(error) => error.class(),
            Self::Audiences(_)
            | Self::Combination
            | Self::TooLong
            | Self::Misfit(_)
            | Self::LongId(_)
            | Self::Lifetime(_) => ErrorClass::Invalid,
            Self::AudienceDenied(_) => ErrorClass::Denied,
            Self::NoKey
            | Self::NoSvidKey
            | Self::Changed
            | Self::Policies
            | Self::Mappings
            | Self::Clock(_)
            | Self::RolledBack(_) => ErrorClass::Unavailable,
            Self::Audit(error) => error.class(),
            Self::Encode(_) | Self::SpiffeId(_) => ErrorClass::Internal,
            Self::Signer(error) => error.class(),
        }
    }

    /// What the caller is told: enough to mend its request, nothing about others.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::Registry(_) => "no such sandbox or system workload on this caller".to_owned(),
            Self::Audiences(error) => error.to_string(),
            Self::AudienceDenied(_) => "this audience may not be asked for".to_owned(),
            Self::Combination
            | Self::TooLong
            | Self::LongId(_)
            | Self::Misfit(_)
            | Self::Lifetime(_) => self.to_string(),
            Self::NoKey
            | Self::NoSvidKey
            | Self::Changed
            | Self::Policies
            | Self::Mappings
            | Self::Clock(_)
            | Self::Audit(_)
            | Self::RolledBack(_) => "no token can be minted at this time".to_owned(),
            Self::Encode(_) | Self::SpiffeId(_) => "the token could not be minted".to_owned(),
            Self::Signer(SignerError::Overloaded) => "too much to do; try again later".to_owned(),
            Self::Signer(_) => "the token could not be signed".to_owned(),
        }
    }
}
