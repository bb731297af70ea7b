//! What relying parties are told: the key set and the provider metadata, as values.
//!
//! Both are functions of the ring and of configuration alone. No request changes a byte of them.

use moneyer_identity::{IssuerUrl, KeySet, ProviderMetadata};

use crate::keys::ring::KeyRing;

/// The two public documents of one moment.
#[derive(Debug, Clone)]
pub struct Published {
    /// The key set, the active key first.
    pub key_set: KeySet,
    /// The provider metadata.
    pub metadata: ProviderMetadata,
}

impl Published {
    /// The documents of a ring.
    #[must_use]
    pub fn of(ring: &KeyRing, issuer: &IssuerUrl, key_set_path: &str) -> Self {
        let key_set = ring.key_set().clone();
        let metadata =
            ProviderMetadata::new(issuer.clone(), issuer.join(key_set_path), &key_set.algorithms());
        Self { key_set, metadata }
    }
}
