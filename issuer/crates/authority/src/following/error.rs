//! Why what others changed is not taken in.

use moneyer_identity::ErrorClass;

use crate::audiences::AudiencesError;
use crate::exchange::MappingsError;
use crate::federation::FederationsError;
use crate::issuers::IssuersError;
use crate::keys::KeysError;
use crate::login::PoliciesError;
use crate::providers::ProvidersError;
use crate::store::StoreError;
use crate::trust_bundle::BundleError;

/// Why what others changed is not taken in. It is tried again; what was taken in stays.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The store does not say what changed.
    #[error("the store does not say what other coordinators have changed")]
    Store(#[source] StoreError),
    /// Another look that began after this one was asked for came to nothing; the log has why.
    #[error("what other coordinators have changed could not be taken in a moment ago")]
    Shared,
    /// The keys of tokens, or the authorities of X.509-SVIDs.
    #[error("the keys that another coordinator changed cannot be taken in")]
    Keys(#[source] KeysError),
    /// The trust bundle.
    #[error("the number that another coordinator gave the trust bundle cannot be taken in")]
    Bundle(#[source] BundleError),
    /// The issuers.
    #[error("the issuers that another coordinator changed cannot be taken in")]
    Issuers(#[source] IssuersError),
    /// The audience profiles: two coordinators whose configurations differ refuse each other's.
    #[error(
        "the audience profiles that another coordinator changed cannot be taken in; coordinators that share a \
         store need the same configuration"
    )]
    Audiences(#[source] AudiencesError),
    /// The federations.
    #[error("the federations that another coordinator changed cannot be taken in")]
    Federations(#[source] FederationsError),
    /// The mappings and scopes.
    #[error("the mappings that another coordinator changed cannot be taken in")]
    Mappings(#[source] MappingsError),
    /// The policies.
    #[error("the policies that another coordinator changed cannot be taken in")]
    Policies(#[source] PoliciesError),
    /// The profiles and providers.
    #[error("the providers that another coordinator changed cannot be taken in")]
    Providers(#[source] ProvidersError),
}

impl FollowError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Shared => ErrorClass::Unavailable,
            _ => ErrorClass::Internal,
        }
    }
}
