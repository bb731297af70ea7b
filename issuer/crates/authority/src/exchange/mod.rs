//! Token exchange (RFC 8693): who may have which token for a proof that somebody else issued.
//!
//! A client, as its proof names it, asks for a participant context (the subject of the token), for scopes and for
//! audiences. A [`ResourceMapping`] says which of these it may have, a [`ScopeMapping`] which claims a scope stands
//! for. Both are held in memory, so that an exchange asks nothing of the store; [`Catalog::grant`] is pure and says
//! of every refusal which rule decided. No scope is ever granted unasked.

mod catalog;
mod client;
mod context;
mod domains;
mod error;
mod grant;
mod keeper;
mod kubernetes;
mod mapping;
mod refusal;
mod request;
mod review;
mod scope;
mod source;
mod spent;
mod subject;
mod token;

pub use catalog::{Catalog, Kept};
pub use client::{ClientIdentifier, ClientIdentifierError};
pub use context::{ParticipantContext, ParticipantContextError};
pub use domains::SubjectDomains;
pub use error::MappingsError;
pub use grant::{ExchangeAsk, Grant, NotGranted, Rules};
pub use keeper::{MAXIMUM_MAPPINGS, MAXIMUM_SCOPES, Mappings, Place};
pub use kubernetes::{KubernetesFacts, KubernetesObject};
pub use mapping::{MAXIMUM_GRANTS, MappingError, MappingKey, ResourceMapping};
pub use refusal::ExchangeError;
pub use request::{ExchangeRequest, GRANT_TYPE, RequestError, TokenType};
pub use review::{ReviewStatus, UnreviewedSubject, Weight};
pub use scope::{
    MAXIMUM_CLAIMS_BYTES, RESERVED_CLAIMS, ScopeKey, ScopeMapping, ScopeMappingError, ScopeName,
    ScopeNameError,
};
pub use source::{
    MAXIMUM_SOURCES, Purpose, SourceError, SourceKind, SubjectSource, SubjectSources, Verification,
};
pub use spent::SpentProofs;
pub use subject::{Examined, SubjectError, VerifiedSubject};
pub use token::{ExchangedToken, Proofs};
