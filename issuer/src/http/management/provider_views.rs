//! The JSON of profiles and providers. The command line reads the same types. A credential has a place in what is
//! sent and none in what is answered.

use std::collections::BTreeMap;

use moneyer_authority::profiles::{Credential, Finding, Profile, ProfileId};
use moneyer_authority::providers::{
    CredentialValue, NewCredential, NewProvider, Provider, StoredRefresh,
};
use moneyer_identity::grant::OAuthClientId;
use moneyer_identity::{AppName, CredentialName, ProviderName, SandboxId, UnixTime};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A profile among others.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProviderProfileRow {
    pub(crate) id: ProfileId,
    /// Empty where it says nothing.
    pub(crate) display_name: String,
    pub(crate) credentials: Vec<ProfileCredentialView>,
    /// Host and ports of each.
    pub(crate) endpoints: Vec<String>,
}

impl From<&Profile> for ProviderProfileRow {
    fn from(profile: &Profile) -> Self {
        let endpoint = |endpoint: &moneyer_authority::profiles::Endpoint| {
            let ports: Vec<_> = endpoint.ports.iter().map(ToString::to_string).collect();
            format!("{}:{}", endpoint.host(), ports.join(","))
        };
        Self {
            id: profile.id().clone(),
            display_name: profile.display_name().to_owned(),
            credentials: profile.credentials().iter().map(|one| credential(profile, one)).collect(),
            endpoints: profile.endpoints().iter().map(endpoint).collect(),
        }
    }
}

/// A credential of a profile.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProfileCredentialView {
    pub(crate) name: CredentialName,
    /// Whether a provider is none without it.
    pub(crate) required: bool,
    /// `client_credentials` or `token_exchange` where it is obtained when it is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) grant_type: Option<String>,
    /// Whether providers hold it: a user's token that is exchanged.
    pub(crate) subject_token: bool,
}

fn credential(profile: &Profile, credential: &Credential) -> ProfileCredentialView {
    ProfileCredentialView {
        name: credential.name.clone(),
        required: credential.required,
        grant_type: credential.grant.as_ref().map(|grant| grant.kind.as_str().to_owned()),
        subject_token: profile.exchanges_of(&credential.name).next().is_some(),
    }
}

/// A profile.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProviderProfileView {
    #[serde(flatten)]
    pub(crate) row: ProviderProfileRow,
    /// What of it does nothing here.
    pub(crate) warnings: Vec<Finding>,
    /// The document, as it was put.
    pub(crate) document: Value,
}

impl From<&Profile> for ProviderProfileView {
    fn from(profile: &Profile) -> Self {
        let document = profile.document().clone();
        let warnings = Profile::read(&document).map(|(_, findings)| findings.0).unwrap_or_default();
        Self { row: profile.into(), warnings, document }
    }
}

/// A secret on its way in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretText(pub(crate) CredentialValue);

impl JsonSchema for SecretText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretText".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// A credential that a provider is to hold.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialBody {
    pub(crate) value: SecretText,
    /// When it ends, in seconds since 1970, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<UnixTime>,
    /// By what it is renewed when it ends; then its end has to be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<SecretText>,
    /// The public client that the refresh token was given to. Without it the coordinator shows its own assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(crate) client_id: Option<OAuthClientId>,
}

impl CredentialBody {
    /// One of which nothing else is known.
    pub(crate) fn bare(value: SecretText) -> Self {
        Self { value, expires_at: None, refresh_token: None, client_id: None }
    }
}

impl From<CredentialBody> for NewCredential {
    fn from(body: CredentialBody) -> Self {
        let CredentialBody { value: SecretText(value), expires_at, refresh_token, client_id } =
            body;
        let refresh = refresh_token.map(|SecretText(token)| StoredRefresh { token, client_id });
        Self { value, expires_at, refresh }
    }
}

/// Credentials, by the names the profile gives them.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialsBody {
    pub(crate) credentials: BTreeMap<CredentialName, CredentialBody>,
}

impl From<CredentialsBody> for BTreeMap<CredentialName, NewCredential> {
    fn from(body: CredentialsBody) -> Self {
        let new = |(name, credential): (CredentialName, CredentialBody)| (name, credential.into());
        body.credentials.into_iter().map(new).collect()
    }
}

/// A provider that is to be made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderBody {
    pub(crate) name: ProviderName,
    pub(crate) profile: ProfileId,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) credentials: BTreeMap<CredentialName, CredentialBody>,
    /// That it holds nothing is meant: every token is obtained when it is needed.
    #[serde(default)]
    pub(crate) runtime_credentials: bool,
}

impl From<ProviderBody> for NewProvider {
    fn from(body: ProviderBody) -> Self {
        let ProviderBody { name, profile, credentials, runtime_credentials } = body;
        let credentials = CredentialsBody { credentials }.into();
        Self { name, profile, credentials, runtime_credentials }
    }
}

/// What is told of a credential that a provider holds.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct HeldCredentialView {
    pub(crate) name: CredentialName,
    /// When it ends, in seconds since 1970, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<UnixTime>,
    /// Whether it is renewed when it ends.
    pub(crate) renewed: bool,
    /// When it was handed over, or renewed.
    pub(crate) stored_at: UnixTime,
    /// The only token endpoints it is sent to.
    pub(crate) for_endpoints: Vec<String>,
}

/// A provider.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ProviderView {
    pub(crate) name: ProviderName,
    pub(crate) profile: ProfileId,
    pub(crate) credentials: Vec<HeldCredentialView>,
    /// The apps it is attached to.
    pub(crate) apps: Vec<AppName>,
    /// The sandboxes it is attached to.
    pub(crate) sandboxes: Vec<SandboxId>,
}

impl From<&Provider> for ProviderView {
    fn from(provider: &Provider) -> Self {
        let held = provider.credentials.iter().map(|(name, credential)| HeldCredentialView {
            name: name.clone(),
            expires_at: credential.expires_at,
            renewed: credential.refresh.is_some(),
            stored_at: credential.stored_at,
            for_endpoints: credential.for_endpoints.iter().map(ToString::to_string).collect(),
        });
        Self {
            name: provider.name.clone(),
            profile: provider.profile.clone(),
            credentials: held.collect(),
            apps: provider.apps.keys().cloned().collect(),
            sandboxes: provider.sandboxes.keys().cloned().collect(),
        }
    }
}
