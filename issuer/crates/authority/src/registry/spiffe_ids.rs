//! The SPIFFE IDs of sandboxes: the cluster's template, with the ending that an app may have of its own.
//!
//! An id is built from records alone, for JWT-SVIDs and X.509-SVIDs alike.

use moneyer_identity::SandboxId;
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdError, SpiffeIdTemplate, TrustDomain};

use crate::registry::app::App;

/// Writes the SPIFFE IDs of one cluster's sandboxes.
#[derive(Debug, Clone)]
pub struct SpiffeIds {
    trust_domain: TrustDomain,
    template: SpiffeIdTemplate,
}

impl SpiffeIds {
    /// Of a trust domain, by a template.
    #[must_use]
    pub fn new(trust_domain: TrustDomain, template: SpiffeIdTemplate) -> Self {
        Self { trust_domain, template }
    }

    /// The id of a sandbox of this app.
    pub fn of(&self, app: &App, sandbox: &SandboxId) -> Result<SpiffeId, SpiffeIdError> {
        self.template.id(&self.trust_domain, (&app.name, app.spiffe_ending.as_ref()), sandbox)
    }
}
