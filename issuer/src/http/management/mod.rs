//! The management API, `/api/v1`, for operators and their tools.
//!
//! JSON in snake case, RFC 9457 problems, unknown fields refused. Every handler asks for an
//! [`Operator`](super::authenticate::Operator) first; the `OpenAPI` document, which is that of the release, and `/health`
//! are open. Join tokens and minted tokens are shown in the one
//! answer that makes them.

mod apps;
mod audience_views;
mod audiences;
mod clock;
mod federation_views;
mod federations;
mod issuer;
mod keys;
mod mapping_views;
mod mappings;
mod members;
mod policies;
mod policy_views;
mod profiles;
mod provider_views;
mod providers;
mod publish;
mod revision;
mod routes;
mod sandboxes;
mod scopes;
mod store;
mod views;
mod x509_authorities;

pub(crate) use crate::publish::{PublicCopyStatus, PublishStatus};
pub(crate) use audience_views::{
    AudienceBody, AudienceCheckView, AudienceView, CheckedAppView, NamedBy,
};
pub(crate) use federation_views::{
    EndpointProfileName, FederatedBundleView, FederationBody, FederationView,
};
pub(crate) use mapping_views::{ExchangeDecision, ExchangeQuestion, MappingJson, ScopeJson};
pub(crate) use mappings::{MappingQuery, escaped};
pub(crate) use policies::About;
pub(crate) use policy_views::{
    CandidateView, DecisionView, EffectName, PolicyBody, PolicyView, VerdictName,
};
pub(crate) use provider_views::{
    CredentialBody, CredentialsBody, ProviderBody, ProviderProfileRow, ProviderProfileView,
    ProviderView, SecretText,
};
pub(crate) use routes::{ManagementState, remote, router};
pub(crate) use scopes::ScopeQuery;
pub(crate) use store::RekeyedView;
pub(crate) use views::{
    AppBody, AppView, BackupBody, ClockBody, ClockView, CopiedView, ImportBody, ImportedView,
    InvitationBody, InvitationView, IssuerView, KeyCommandBody, KeyStepsView, KeyVerb, KeyView,
    MemberView, MintBody, MintView, MoveBody, PublicKeyBody, SandboxBody, SandboxPage,
    SandboxQuery, SandboxView, StepView,
};
pub(crate) use x509_authorities::X509AuthorityView;
