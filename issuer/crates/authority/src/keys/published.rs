//! What relying parties are told: the key set, the provider metadata and the trust bundle, as values.
//!
//! All of it is a function of the ring, the issuers and configuration alone. No request changes a byte
//! of it. A previous issuer has the metadata it always had and the key set of the moment.

use std::sync::Arc;

use moneyer_identity::spiffe::TrustBundle;
use moneyer_identity::{IssuerUrl, KeySet, ProviderMetadata};

use crate::issuers::IssuerList;
use crate::keys::ring::KeyRing;

/// The public documents of one moment.
#[derive(Debug, Clone)]
pub struct Published {
    /// The key set, the active key first.
    pub key_set: KeySet,
    /// The provider metadata of the current issuer.
    pub metadata: ProviderMetadata,
    /// That of each previous issuer, the one left last first.
    pub previous: Vec<ProviderMetadata>,
    /// The trust bundle.
    pub bundle: Arc<TrustBundle>,
}

impl Published {
    /// The documents of a ring.
    #[must_use]
    pub fn of(
        ring: &KeyRing,
        issuers: &IssuerList,
        key_set_path: &str,
        bundle: Arc<TrustBundle>,
    ) -> Self {
        let key_set = ring.key_set().clone();
        let algorithms = key_set.algorithms();
        let metadata = |issuer: &IssuerUrl| {
            ProviderMetadata::new(issuer.clone(), issuer.join(key_set_path), &algorithms)
        };
        Self {
            metadata: metadata(issuers.current()),
            previous: issuers.previous().iter().map(|left| metadata(&left.issuer)).collect(),
            key_set,
            bundle,
        }
    }
}
