//! `[spiffe]`: SPIFFE identities of the cluster, and how long what proves them lasts.

use moneyer_daemon::settings::Span;
use moneyer_identity::spiffe::{SpiffeIdTemplate, TrustDomain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// SPIFFE identities of the cluster.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpiffeSection {
    /// The trust domain of runners, controllers and sandboxes. Default: the issuer's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_domain: Option<TrustDomain>,
    /// How the SPIFFE IDs of sandboxes are written after the trust domain. An app may have an ending of its
    /// own; what stands before `{app}` is the same for all. Default: `/app/{app}/sandbox/{sandbox}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<SpiffeIdTemplate>,
    /// How long an X.509-SVID lives: 60 s to 24 h. Runners renew it at half of that. Default: `1h`.
    pub x509_svid_lifetime: Span,
    /// How long an authority signs X.509-SVIDs before the next one takes over: 365 days at most.
    /// Default: `30d`.
    pub ca_rotate_every: Span,
    /// How long an authority is in the trust bundle before it signs, so that whoever verifies has it by then:
    /// three times as long as other trust domains take to ask for the bundle again. Runners are told at once.
    /// `0s` switches that off, for tests. Default: `1d`.
    pub ca_publish_before_use: Span,
}

impl Default for SpiffeSection {
    fn default() -> Self {
        Self {
            trust_domain: None,
            id: None,
            x509_svid_lifetime: Span::from_secs(3600),
            ca_rotate_every: Span::from_secs(30 * 24 * 3600),
            ca_publish_before_use: Span::from_secs(24 * 3600),
        }
    }
}
