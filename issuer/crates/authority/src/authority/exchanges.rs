//! Token exchange, for operators: what clients may ask for, and what they would get.

use std::sync::Arc;

use super::open::Authority;
use crate::enrollment::{AuthenticatedOperator, Places as _};
use crate::exchange::{
    Catalog, ClientIdentifier, ExchangeAsk, Grant, MappingKey, MappingsError, NotGranted, Place,
    ResourceMapping, Rules, ScopeKey, ScopeMapping,
};
use crate::store::Generation;
use crate::unbroken::unbroken;

impl Authority {
    /// Every mapping and every scope of this moment.
    #[must_use]
    pub fn exchange_catalog(&self) -> Arc<Catalog> {
        self.mappings.catalog()
    }

    /// What holds for every exchange.
    #[must_use]
    pub fn exchange_rules(&self) -> Rules {
        let policy = &self.charter.policy;
        Rules {
            audience: policy.default_audience().clone(),
            maximum_audiences: policy.maximum_audiences(),
            lifetime: policy.lifetimes().default_lifetime(),
        }
    }

    /// What a client would get for what it asks for, at this moment. `account` is the uid of its service account.
    pub fn decide_exchange(
        &self,
        client: &ClientIdentifier,
        account: Option<&str>,
        ask: &ExchangeAsk,
    ) -> Result<Grant, NotGranted> {
        let catalog = self.mappings.catalog();
        catalog.grant((client, account), ask, &self.exchange_rules(), self.now())
    }

    /// Writes mappings, all or none.
    pub async fn put_mappings(
        &self,
        by: &AuthenticatedOperator,
        several: Vec<ResourceMapping>,
        place: Place,
    ) -> Result<(), MappingsError> {
        let lifetimes = self.charter.policy.lifetimes();
        for mapping in several.iter().filter(|mapping| mapping.token_lifetime.is_some()) {
            let refused = |error| MappingsError::Lifetime { key: mapping.key(), error };
            lifetimes.choose(mapping.token_lifetime).map_err(refused)?;
        }
        let (mappings, who) = (self.mappings.clone(), by.actor());
        let put = async move { mappings.put_mappings(&who, several, place).await };
        unbroken(MappingsError::Interrupted, put).await
    }

    /// Writes scopes, all or none.
    pub async fn put_scopes(
        &self,
        by: &AuthenticatedOperator,
        several: Vec<ScopeMapping>,
        place: Place,
    ) -> Result<(), MappingsError> {
        let (mappings, who) = (self.mappings.clone(), by.actor());
        let put = async move { mappings.put_scopes(&who, several, place).await };
        unbroken(MappingsError::Interrupted, put).await
    }

    /// Removes a mapping, if it is there and is of this revision.
    pub async fn remove_mapping(
        &self,
        by: &AuthenticatedOperator,
        key: MappingKey,
        revision: Option<Generation>,
    ) -> Result<bool, MappingsError> {
        let (mappings, who) = (self.mappings.clone(), by.actor());
        let removal = async move { mappings.remove_mapping(&who, &key, revision).await };
        unbroken(MappingsError::Interrupted, removal).await
    }

    /// Removes every mapping of a client, and tells how many there were.
    pub async fn remove_client(
        &self,
        by: &AuthenticatedOperator,
        client: ClientIdentifier,
    ) -> Result<usize, MappingsError> {
        let (mappings, who) = (self.mappings.clone(), by.actor());
        let removal = async move { mappings.remove_client(&who, &client).await };
        unbroken(MappingsError::Interrupted, removal).await
    }

    /// Removes a scope, if it is there and is of this revision.
    pub async fn remove_scope(
        &self,
        by: &AuthenticatedOperator,
        key: ScopeKey,
        revision: Option<Generation>,
    ) -> Result<bool, MappingsError> {
        let (mappings, who) = (self.mappings.clone(), by.actor());
        let removal = async move { mappings.remove_scope(&who, &key, revision).await };
        unbroken(MappingsError::Interrupted, removal).await
    }
}
