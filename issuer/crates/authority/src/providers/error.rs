//! Why profiles and providers cannot be loaded or changed.

use moneyer_identity::{AppName, CredentialName, ErrorClass, ProviderName, SandboxId};

use super::credential::MAXIMUM_CREDENTIAL_BYTES;
use super::in_force::MAXIMUM_GRANTED;
use super::keeper::{MAXIMUM_ATTACHMENTS, MAXIMUM_PROFILES, MAXIMUM_PROVIDERS};
use crate::audit::{AuditError, LedgerError};
use crate::profiles::{Ambiguity, Findings, ProfileId};
use crate::store::StoreError;

/// Why. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ProvidersError {
    /// The records cannot be read or written.
    #[error("the profiles and providers cannot be read or written")]
    Store(#[source] StoreError),
    /// The change could not be recorded in the audit log.
    #[error(
        "the change could not be recorded in the audit log, so it was not made; /readyz says why"
    )]
    Audit(#[source] AuditError),
    /// A stored profile is none by the rules of this version.
    #[error(
        "the stored profile {profile} is none by the rules of this version ({findings}); put it anew"
    )]
    StoredProfile {
        /// Its id.
        profile: ProfileId,
        /// What is wrong.
        findings: Findings,
    },
    /// The document is no profile.
    #[error("this is no profile: {0}")]
    Profile(Findings),
    /// The profile names another id than its place.
    #[error("the profile is {0}: put it there")]
    OtherId(ProfileId),
    /// There is no such profile.
    #[error("there is no profile {0}; `moneyer profile list` names them")]
    NoSuchProfile(ProfileId),
    /// There is no such provider.
    #[error("there is no provider {0}; `moneyer provider list` names them")]
    NoSuchProvider(ProviderName),
    /// There is a provider of this name.
    #[error("there is a provider {0} already; update it, or remove it first")]
    Exists(ProviderName),
    /// A provider is made of this profile.
    #[error("the provider {provider} is made of the profile {profile}; remove it first")]
    InUse {
        /// The profile.
        profile: ProfileId,
        /// One of its providers.
        provider: ProviderName,
    },
    /// It is not what the caller has seen.
    #[error("it was changed meanwhile; look at it again")]
    Changed,
    /// The profile has no such credential.
    #[error("the profile {profile} has no credential {credential}")]
    NoSuchCredential {
        /// The profile.
        profile: ProfileId,
        /// The name.
        credential: CredentialName,
    },
    /// The credential is none that is stored.
    #[error(
        "{0} is no subject token of its profile: only those are stored, and nothing else would be done with it"
    )]
    NotStored(CredentialName),
    /// A credential that a provider needs is missing.
    #[error("a provider of this profile needs {0}: give it with --credential")]
    Missing(CredentialName),
    /// Neither a credential nor word that none is needed.
    #[error("give a credential, or say that all of them are obtained when they are needed")]
    NoCredentials,
    /// The value of a credential is empty, too long, or has a blank or another character that no token has.
    #[error("the value of {0} must be 1 to {MAXIMUM_CREDENTIAL_BYTES} visible ASCII characters")]
    Value(CredentialName),
    /// A credential that is to be renewed has no end, so nobody would know when.
    #[error("{0} comes with a refresh token, so its end has to be said too")]
    NoEnd(CredentialName),
    /// A credential that is to be renewed goes to several token services, of which one gave the refresh token.
    #[error("{0} is exchanged at several token endpoints, so no refresh token is held for it")]
    SeveralEndpoints(CredentialName),
    /// The credential has ended already.
    #[error("{0} has ended already")]
    Ended(CredentialName),
    /// There is no such app.
    #[error("there is no app {0}")]
    NoSuchApp(AppName),
    /// There is no such sandbox.
    #[error("there is no sandbox {0}")]
    NoSuchSandbox(SandboxId),
    /// It is not attached there.
    #[error("the provider is not attached there")]
    NotAttached,
    /// Nothing would decide between two tokens of one sandbox.
    #[error(transparent)]
    Ambiguous(Ambiguity),
    /// A sandbox would have more endpoints or tokens than it may.
    #[error("a sandbox may have at most {MAXIMUM_GRANTED} endpoints and as many tokens for them")]
    TooMuch,
    /// The list of profiles is full.
    #[error("{MAXIMUM_PROFILES} profiles are put already; remove one first")]
    TooManyProfiles,
    /// The list of providers is full.
    #[error("there are {MAXIMUM_PROVIDERS} providers already; remove one first")]
    TooManyProviders,
    /// The provider is attached to as much as it may be.
    #[error(
        "it is attached to {MAXIMUM_ATTACHMENTS} apps and sandboxes already; detach it somewhere first"
    )]
    TooManyAttachments,
    /// The task that makes the change ended early.
    #[error("the change was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl ProvidersError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Audit(error) => error.class(),
            Self::Profile(_)
            | Self::OtherId(_)
            | Self::NoSuchCredential { .. }
            | Self::NotStored(_)
            | Self::Missing(_)
            | Self::NoCredentials
            | Self::Value(_)
            | Self::Ended(_)
            | Self::NoEnd(_)
            | Self::SeveralEndpoints(_)
            | Self::TooMuch => ErrorClass::Invalid,
            Self::NoSuchProfile(_)
            | Self::NoSuchProvider(_)
            | Self::NoSuchApp(_)
            | Self::NoSuchSandbox(_)
            | Self::NotAttached => ErrorClass::NotFound,
            Self::Exists(_)
            | Self::InUse { .. }
            | Self::Changed
            | Self::Ambiguous(_)
            | Self::StoredProfile { .. } => ErrorClass::Conflict,
            Self::TooManyProfiles | Self::TooManyProviders | Self::TooManyAttachments => {
                ErrorClass::Exhausted
            }
            Self::Interrupted(_) => ErrorClass::Internal,
        }
    }
}

impl From<LedgerError> for ProvidersError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Audit(error) => Self::Audit(error),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}
