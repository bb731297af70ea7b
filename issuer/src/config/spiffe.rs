//! `[spiffe]`: SPIFFE identities of the cluster.

use moneyer_identity::spiffe::{SpiffeIdTemplate, TrustDomain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// SPIFFE identities of the cluster.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpiffeSection {
    /// The trust domain of runners, controllers and sandboxes. Default: the issuer's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<TrustDomain>,
    /// How the SPIFFE IDs of sandboxes are written after the trust domain. An app may have an ending of its
    /// own; what stands before `{app}` is the same for all. Default: `/app/{app}/sandbox/{sandbox}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<SpiffeIdTemplate>,
}
