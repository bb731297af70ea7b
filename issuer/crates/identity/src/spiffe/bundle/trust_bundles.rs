//! The bundles of several trust domains, each under its own name.
//!
//! The bundle map of the bundle standard, section 5, is the same as a document. There is no other way
//! from an SVID to a bundle than by the SVID's own trust domain, so no domain can vouch for another.
//! Refresh hints inside a map are not written and, if read, not kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::trust_bundle::{TrustBundle, TrustBundleError};
use crate::spiffe::trust_domain::{TrustDomain, TrustDomainError};
use crate::strict_json;

/// Longest bundle map in bytes: 256 trust domains of 16 KiB each.
pub const MAXIMUM_BUNDLE_MAP_BYTES: usize = 4 * 1024 * 1024;

/// Why a bundle map is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum BundleMapError {
    /// Longer than [`MAXIMUM_BUNDLE_MAP_BYTES`].
    #[error("the bundle map is longer than {MAXIMUM_BUNDLE_MAP_BYTES} bytes")]
    TooLong,
    /// Not a JSON object with an object `trust_domains` of objects, or a name stands twice.
    #[error("the bundle map is not a JSON object with an object trust_domains of bundles")]
    Malformed,
    /// A name is no trust domain.
    #[error("a name in the bundle map is not a trust domain")]
    TrustDomain(#[source] TrustDomainError),
    /// A bundle in it is refused.
    #[error("the bundle of {trust_domain} in the bundle map is refused")]
    Bundle {
        /// Whose.
        trust_domain: TrustDomain,
        /// What is wrong with it.
        #[source]
        source: TrustBundleError,
    },
}

/// Bundles by their trust domains. A copy is cheap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustBundles(BTreeMap<TrustDomain, Arc<TrustBundle>>);

impl TrustBundles {
    /// Reads a bundle map.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleMapError> {
        if bytes.len() > MAXIMUM_BUNDLE_MAP_BYTES {
            return Err(BundleMapError::TooLong);
        }
        let document = strict_json::object(bytes).map_err(|_not_json| BundleMapError::Malformed)?;
        let Some(Value::Object(bundles)) = document.get("trust_domains") else {
            return Err(BundleMapError::Malformed);
        };
        bundles.iter().map(|(name, bundle)| of_pair(name, bundle)).collect()
    }

    /// The document of the map.
    #[must_use]
    pub fn to_document(&self) -> String {
        let bundles: Map<String, Value> = self
            .iter()
            .map(|bundle| {
                let name = bundle.trust_domain().as_str().to_owned();
                (name, Value::Object(bundle.clone().without_refresh_hint().to_object()))
            })
            .collect();
        json!({ "trust_domains": bundles }).to_string()
    }

    /// The bundle of a trust domain, if it is known.
    #[must_use]
    pub fn find(&self, trust_domain: &TrustDomain) -> Option<&Arc<TrustBundle>> {
        self.0.get(trust_domain)
    }

    /// The bundles, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &TrustBundle> {
        self.0.values().map(Arc::as_ref)
    }

    /// How many trust domains are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is known, in which case nothing verifies.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts a bundle in the place of the one of its trust domain.
    pub fn insert(&mut self, bundle: impl Into<Arc<TrustBundle>>) {
        let bundle = bundle.into();
        self.0.insert(bundle.trust_domain().clone(), bundle);
    }

    /// Forgets a trust domain.
    pub fn remove(&mut self, trust_domain: &TrustDomain) {
        self.0.remove(trust_domain);
    }
}

impl FromIterator<TrustBundle> for TrustBundles {
    fn from_iter<I: IntoIterator<Item = TrustBundle>>(bundles: I) -> Self {
        let mut all = Self::default();
        bundles.into_iter().for_each(|bundle| all.insert(bundle));
        all
    }
}

fn of_pair(name: &str, bundle: &Value) -> Result<TrustBundle, BundleMapError> {
    let trust_domain = TrustDomain::parse(name).map_err(BundleMapError::TrustDomain)?;
    let object = bundle.as_object().ok_or(BundleMapError::Malformed)?;
    TrustBundle::of_object(trust_domain.clone(), object)
        .map(TrustBundle::without_refresh_hint)
        .map_err(|source| BundleMapError::Bundle { trust_domain, source })
}
