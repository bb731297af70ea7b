//! What is recorded of providers. As everywhere, no token and no credential has a field here, only their names.

use moneyer_identity::{AppName, CredentialName, ProviderName, SandboxId};
use serde::Serialize;

use crate::profiles::ProfileId;

/// A provider that is made, or holds other credentials.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderPut {
    /// Its name.
    pub provider: ProviderName,
    /// Its profile.
    pub provider_profile: ProfileId,
    /// The names of what it holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialName>,
}

/// A provider, and to what it is attached or from what it is detached: an app or a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProviderPlace {
    /// Its name.
    pub provider: ProviderName,
    /// The app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// The sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxId>,
}
