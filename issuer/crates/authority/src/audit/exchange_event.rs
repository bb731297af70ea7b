//! What is recorded of mappings and scopes: names alone, never the value of a claim.

use moneyer_identity::Audience;
use serde::Serialize;

use crate::exchange::{
    ClientIdentifier, MappingKey, ParticipantContext, ResourceMapping, ScopeKey, ScopeMapping,
    ScopeName,
};

/// A mapping that is made, or changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MappingPut {
    /// The client.
    pub client: ClientIdentifier,
    /// The context it may speak for.
    pub participant_context: ParticipantContext,
    /// The scopes it may ask for.
    pub scopes: Vec<ScopeName>,
    /// The audiences it may ask for; empty for the usual one.
    pub audiences: Vec<Audience>,
    /// Whether it counts.
    pub enabled: bool,
}

impl From<&ResourceMapping> for MappingPut {
    fn from(mapping: &ResourceMapping) -> Self {
        Self {
            client: mapping.client_identifier.clone(),
            participant_context: mapping.participant_context.clone(),
            scopes: mapping.scopes.iter().cloned().collect(),
            audiences: mapping.audiences.iter().cloned().collect(),
            enabled: mapping.enabled,
        }
    }
}

/// A mapping that is removed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MappingRemoved {
    /// The client.
    pub client: ClientIdentifier,
    /// The context it could speak for.
    pub participant_context: ParticipantContext,
}

impl From<&MappingKey> for MappingRemoved {
    fn from(key: &MappingKey) -> Self {
        Self { client: key.client.clone(), participant_context: key.context.clone() }
    }
}

/// A scope that is made, or changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScopePut {
    /// The scope.
    pub scope: ScopeName,
    /// For this context alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant_context: Option<ParticipantContext>,
    /// The names of the claims it stands for.
    pub claims: Vec<String>,
}

impl From<&ScopeMapping> for ScopePut {
    fn from(mapping: &ScopeMapping) -> Self {
        Self {
            scope: mapping.scope.clone(),
            participant_context: mapping.participant_context.clone(),
            claims: mapping.claims.keys().cloned().collect(),
        }
    }
}

/// A scope that is removed: it stands for nothing from then on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScopeRemoved {
    /// The scope.
    pub scope: ScopeName,
    /// For this context alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant_context: Option<ParticipantContext>,
}

impl From<&ScopeKey> for ScopeRemoved {
    fn from(key: &ScopeKey) -> Self {
        Self { scope: key.scope.clone(), participant_context: key.context.clone() }
    }
}

/// An exchange that is refused. Whoever is known by a good proof stands in `who`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExchangeRefused {
    /// The context that was asked for. Where several refusals are counted in one record, none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant_context: Option<ParticipantContext>,
    /// The kind of refusal.
    pub class: &'static str,
    /// Why: more than the caller was told.
    pub reason: String,
    /// How many refusals this record stands for.
    pub count: u64,
}
