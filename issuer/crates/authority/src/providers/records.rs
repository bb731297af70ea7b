//! Profiles and providers as they are stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use moneyer_identity::ProviderName;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ProvidersError;
use super::provider::Provider;
use crate::audit::Ledger;
use crate::profiles::{Findings, Profile, ProfileId};
use crate::store::{Collection, Generation, Record, load_records};

/// A profile's record: the document, as it was put.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ProfileRecord {
    id: ProfileId,
    document: Value,
}

impl ProfileRecord {
    pub(super) fn of(profile: &Profile) -> Self {
        Self { id: profile.id().clone(), document: profile.document().clone() }
    }
}

impl Record for ProfileRecord {
    const COLLECTION: Collection = Collection::ProviderProfiles;

    fn id(&self) -> String {
        self.id.as_str().to_owned()
    }
}

/// Everything that is stored, each with the revision that wrote it.
#[derive(Debug, Clone, Default)]
pub(super) struct Records {
    pub(super) profiles: BTreeMap<ProfileId, (Arc<Profile>, Generation)>,
    /// Profiles that are none by the rules of this version: their providers give nothing until they are put anew.
    pub(super) refused: BTreeMap<ProfileId, (Findings, Generation)>,
    pub(super) providers: BTreeMap<ProviderName, (Arc<Provider>, Generation)>,
}

impl Records {
    pub(super) async fn load(ledger: &Ledger) -> Result<Self, ProvidersError> {
        let mut records = Self::default();
        let profiles = load_records::<ProfileRecord>(ledger.store()).await;
        for (record, revision) in profiles.map_err(ProvidersError::Store)? {
            match Profile::read(&record.document) {
                Ok((profile, _)) => {
                    records.profiles.insert(record.id, (Arc::new(profile), revision));
                }
                Err(findings) => drop(records.refused.insert(record.id, (findings, revision))),
            }
        }
        let providers = load_records::<Provider>(ledger.store()).await;
        for (provider, revision) in providers.map_err(ProvidersError::Store)? {
            records.providers.insert(provider.name.clone(), (Arc::new(provider), revision));
        }
        Ok(records)
    }

    pub(super) fn profile(&self, id: &ProfileId) -> Result<&Arc<Profile>, ProvidersError> {
        match (self.profiles.get(id), self.refused.get(id)) {
            (Some((profile, _)), _) => Ok(profile),
            (None, Some((findings, _))) => {
                let (profile, findings) = (id.clone(), findings.clone());
                Err(ProvidersError::StoredProfile { profile, findings })
            }
            (None, None) => Err(ProvidersError::NoSuchProfile(id.clone())),
        }
    }

    /// The revision of a profile, also of one that is refused.
    pub(super) fn profile_revision(&self, id: &ProfileId) -> Option<Generation> {
        let good = self.profiles.get(id).map(|(_, revision)| *revision);
        good.or_else(|| self.refused.get(id).map(|(_, revision)| *revision))
    }

    pub(super) fn provider(
        &self,
        name: &ProviderName,
    ) -> Result<(&Arc<Provider>, Generation), ProvidersError> {
        let found = self.providers.get(name).map(|(provider, revision)| (provider, *revision));
        found.ok_or_else(|| ProvidersError::NoSuchProvider(name.clone()))
    }
}
