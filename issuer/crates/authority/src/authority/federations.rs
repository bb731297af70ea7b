//! Federation, for operators and for whoever fetches.

use std::sync::Arc;

use moneyer_identity::spiffe::{TrustBundle, TrustBundles, TrustDomain};

use super::open::Authority;
use crate::enrollment::{AuthenticatedOperator, Places as _};
use crate::federation::{Federation, Federations, FederationsError};
use crate::unbroken::unbroken;

impl Authority {
    /// The federations.
    #[must_use]
    pub fn federations(&self) -> &Arc<Federations> {
        &self.federations
    }

    /// What SVIDs are verified with at this moment: the cluster's own bundle, and the federated ones that are
    /// in force.
    #[must_use]
    pub fn trust_bundles(&self) -> TrustBundles {
        let mut bundles = self.federations.in_force(self.now());
        bundles.insert(self.bundle.now());
        bundles
    }

    /// Makes a federation, or changes it.
    pub async fn put_federation(
        &self,
        by: &AuthenticatedOperator,
        federation: Federation,
    ) -> Result<(), FederationsError> {
        let (federations, who) = (self.federations.clone(), by.actor());
        let put = async move { federations.put(&who, federation).await };
        unbroken(FederationsError::Interrupted, put).await
    }

    /// Ends a federation.
    pub async fn remove_federation(
        &self,
        by: &AuthenticatedOperator,
        trust_domain: TrustDomain,
    ) -> Result<(), FederationsError> {
        let (federations, who, now) = (self.federations.clone(), by.actor(), self.now());
        let removal = async move { federations.remove(&who, &trust_domain, now).await };
        unbroken(FederationsError::Interrupted, removal).await
    }

    /// Takes a bundle that was fetched for this federation, and tells whether anything in it is new.
    pub async fn take_bundle(
        &self,
        federation: Federation,
        came: TrustBundle,
    ) -> Result<bool, FederationsError> {
        let (federations, now) = (self.federations.clone(), self.now());
        let taking = async move { federations.take(&federation, came, now).await };
        unbroken(FederationsError::Interrupted, taking).await
    }
}
