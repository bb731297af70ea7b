//! The JSON of mappings and scopes, in the names and the case of Jwtlet's API. The command line reads the same types.

use std::collections::BTreeSet;

use moneyer_authority::exchange::{
    ClientIdentifier, Grant, NotGranted, ParticipantContext, ResourceMapping, ScopeMapping,
    ScopeName,
};
use moneyer_identity::{Audience, Lifetime, UnixTime};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A mapping.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MappingJson {
    pub(crate) client_identifier: ClientIdentifier,
    pub(crate) participant_context: ParticipantContext,
    pub(crate) scopes: BTreeSet<ScopeName>,
    #[serde(default)]
    pub(crate) audiences: BTreeSet<Audience>,
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    /// Seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<UnixTime>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token_lifetime: Option<Lifetime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service_account_uid: Option<String>,
    #[serde(default)]
    pub(crate) spend_once: bool,
}

fn yes() -> bool {
    true
}

impl From<MappingJson> for ResourceMapping {
    fn from(json: MappingJson) -> Self {
        Self {
            client_identifier: json.client_identifier,
            participant_context: json.participant_context,
            scopes: json.scopes,
            audiences: json.audiences,
            enabled: json.enabled,
            expires_at: json.expires_at,
            token_lifetime: json.token_lifetime,
            service_account_uid: json.service_account_uid,
            spend_once: json.spend_once,
        }
    }
}

impl From<&ResourceMapping> for MappingJson {
    fn from(mapping: &ResourceMapping) -> Self {
        let mapping = mapping.clone();
        Self {
            client_identifier: mapping.client_identifier,
            participant_context: mapping.participant_context,
            scopes: mapping.scopes,
            audiences: mapping.audiences,
            enabled: mapping.enabled,
            expires_at: mapping.expires_at,
            token_lifetime: mapping.token_lifetime,
            service_account_uid: mapping.service_account_uid,
            spend_once: mapping.spend_once,
        }
    }
}

/// The claims of a scope.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScopeJson {
    pub(crate) scope: ScopeName,
    pub(crate) claims: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) participant_context: Option<ParticipantContext>,
}

impl From<ScopeJson> for ScopeMapping {
    fn from(json: ScopeJson) -> Self {
        let ScopeJson { scope, claims, participant_context } = json;
        Self { scope, claims, participant_context }
    }
}

impl From<&ScopeMapping> for ScopeJson {
    fn from(mapping: &ScopeMapping) -> Self {
        let ScopeMapping { scope, claims, participant_context } = mapping.clone();
        Self { scope, claims, participant_context }
    }
}

/// One, or several at once. Of several the wrong one is named.
pub(crate) fn several<T: DeserializeOwned>(body: Value) -> Result<Vec<T>, String> {
    let list = match body {
        Value::Array(list) => list,
        one => return Ok(vec![serde_json::from_value(one).map_err(|error| error.to_string())?]),
    };
    let read = |(index, one)| {
        serde_json::from_value(one).map_err(|error| format!("entry {index}: {error}"))
    };
    list.into_iter().enumerate().map(read).collect()
}

/// What a client would ask for.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExchangeQuestion {
    pub(crate) client_identifier: ClientIdentifier,
    pub(crate) participant_context: ParticipantContext,
    #[serde(default)]
    pub(crate) scopes: BTreeSet<ScopeName>,
    #[serde(default)]
    pub(crate) audiences: Vec<Audience>,
    /// The uid of its service account, for a mapping that pins one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service_account_uid: Option<String>,
}

/// What it would get, or why it would get nothing.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExchangeDecision {
    pub(crate) granted: bool,
    /// Why not.
    pub(crate) reason: Option<String>,
    /// The mapping that decided, as far as there is one.
    pub(crate) mapping: Option<MappingJson>,
    pub(crate) audiences: Vec<Audience>,
    pub(crate) claims: Map<String, Value>,
    /// Seconds, before the end of the proof is looked at.
    pub(crate) lifetime: Option<Lifetime>,
}

impl ExchangeDecision {
    /// `deciding` is the mapping that was looked at.
    pub(crate) fn of(
        decision: Result<Grant, NotGranted>,
        deciding: Option<&ResourceMapping>,
    ) -> Self {
        let mapping = deciding.map(MappingJson::from);
        match decision {
            Ok(grant) => Self {
                granted: true,
                reason: None,
                mapping,
                audiences: grant.audiences.as_slice().to_vec(),
                claims: grant.claims,
                lifetime: Some(grant.lifetime),
            },
            Err(refused) => Self {
                granted: false,
                reason: Some(crate::chain(&refused)),
                mapping,
                audiences: Vec::new(),
                claims: Map::new(),
                lifetime: None,
            },
        }
    }
}
