//! Values and checks that the coordinator and the runner proxy share.
//!
//! Everything here is pure: no I/O, no threads, no configuration. A value of one of these types is
//! valid by construction: it was parsed, and nothing repairs what does not parse. What a check has
//! established has a type of its own that only the check can make ([`VerifiedToken`]).
//!
//! The crate follows RFC 7515, 7517, 7519, 7638 and 8725 for tokens and keys, OpenID Connect
//! Discovery 1.0 for metadata, and the SPIFFE-ID standard for identities. It signs nothing: private
//! keys live behind the signer port of `moneyer-authority`.

mod algorithm;
mod audience;
mod aws;
mod claims;
mod clock;
mod clock_judge;
mod cloud_accounts;
mod component;
mod error_chain;
mod error_class;
mod foreign;
pub mod grant;
mod issuer_url;
mod key;
mod lifetime;
mod metadata;
mod proven_time;
mod random_id;
mod relying_party;
pub mod spiffe;
mod strict_json;
mod subject;
mod text_value;
mod token;
mod token_issuer;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use audience::{Audience, AudienceError, Audiences, MAXIMUM_AUDIENCE_BYTES};
pub use aws::{
    AwsClaims, RoleArn, RoleArnError, SessionTag, SessionTagError, SessionTags, SourceIdentity,
    SourceIdentityError,
};
pub use claims::{ClaimSet, ExchangedClaims, IdentityType};
pub use clock::{Clock, ClockFault, ClockReport, Evidence, OtherTime, SystemClock, UnixTime};
pub use clock_judge::{ClockJudge, ClockMemory, ClockReading};
pub use cloud_accounts::{
    AzureId, AzureIdError, CloudAccounts, ServiceAccount, ServiceAccountError,
};
pub use component::{
    AppName, ClusterId, ComponentError, ControllerName, CredentialName, MAXIMUM_COMPONENT_BYTES,
    OperatorName, OrganizationId, PolicyName, ProfileName, ProviderName, RoleName, RunnerId,
    SandboxId, SystemWorkloadName,
};
pub use error_chain::error_chain;
pub use error_class::ErrorClass;
pub use foreign::{
    ExaminedForeignToken, ForeignKeys, ForeignTokenError, ForeignTokenRules, VerifiedForeignToken,
    claimed_issuer,
};
pub use issuer_url::{IssuerUrl, IssuerUrlError};
pub use key::{
    Jwk, KeyCertificate, KeyCertificateError, KeyError, KeyId, KeyIdError, KeySet, KeySetError,
    MAXIMUM_KEY_SET_BYTES, MAXIMUM_KEYS, UnsignedCertificate, VerifyingKey,
};
pub use lifetime::{Lifetime, LifetimeError, LifetimeRange};
pub use metadata::ProviderMetadata;
pub use proven_time::{Absence, Absences, MAXIMUM_ABSENCES, ProvenTime, SETTLED_AFTER};
pub use random_id::{AppUid, RandomIdError, TokenId};
pub use relying_party::{RelyingParty, RelyingPartyError};
pub use subject::{Subject, SubjectForm, SubjectFormError, SubjectParts};
pub use token::{
    Expectations, MAXIMUM_TOKEN_BYTES, NotItsSignature, SigningInput, Token, UnsignedToken,
    UnverifiedToken, VerifiedToken, Verifier, VerifyError,
};
pub use token_issuer::{IssueError, MintedToken, SystemTokenRequest, TokenIssuer, TokenRequest};
