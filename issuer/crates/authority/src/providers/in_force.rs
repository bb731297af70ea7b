//! The profiles and providers of one moment, and what follows from them for a sandbox. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moneyer_identity::grant::SandboxGrants;
use moneyer_identity::{AppName, ProviderName, SandboxId};

use super::error::ProvidersError;
use super::provider::Provider;
use super::records::Records;
use crate::profiles::{Expansion, Profile, ProfileId, expand, first_ambiguity};
use crate::registry::App;
use crate::store::Generation;

/// Most endpoints of a sandbox, and most tokens for them: with them its runner is told of it, in one message with all
/// others.
pub const MAXIMUM_GRANTED: usize = 256;

/// The profiles and providers of one moment.
#[derive(Debug, Default)]
pub struct ProvidersInForce {
    records: Records,
    expansions: BTreeMap<ProviderName, Expansion>,
    of_apps: HashMap<AppName, BTreeSet<ProviderName>>,
    of_sandboxes: HashMap<SandboxId, BTreeSet<ProviderName>>,
    /// What was worked out already: sandboxes that have the same providers share it.
    granted: Mutex<HashMap<Vec<ProviderName>, Arc<SandboxGrants>>>,
}

impl ProvidersInForce {
    pub(super) fn of(records: Records) -> Self {
        let mut in_force = Self::default();
        for (name, (provider, _)) in &records.providers {
            if let Some((profile, _)) = records.profiles.get(&provider.profile) {
                in_force.expansions.insert(name.clone(), expand(name, profile));
            }
            for app in provider.apps.keys() {
                in_force.of_apps.entry(app.clone()).or_default().insert(name.clone());
            }
            for sandbox in provider.sandboxes.keys() {
                in_force.of_sandboxes.entry(sandbox.clone()).or_default().insert(name.clone());
            }
        }
        in_force.records = records;
        in_force
    }

    /// Every profile with its revision, in the order of the ids.
    pub fn profiles(&self) -> impl Iterator<Item = (&Arc<Profile>, Generation)> {
        self.records.profiles.values().map(|(profile, revision)| (profile, *revision))
    }

    /// A profile.
    pub fn profile(&self, id: &ProfileId) -> Result<(&Arc<Profile>, Generation), ProvidersError> {
        let found = self.records.profiles.get(id).map(|(profile, revision)| (profile, *revision));
        found.ok_or_else(|| ProvidersError::NoSuchProfile(id.clone()))
    }

    /// The profiles that this version takes for none, for people: their providers give nothing.
    #[must_use]
    pub fn refused_profiles(&self) -> Option<String> {
        let refused = self.records.refused.iter();
        let told = refused.map(|(id, (findings, _))| format!("the profile {id}: {findings}"));
        let told: Vec<_> = told.collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// Every provider with its revision, in the order of the names.
    pub fn providers(&self) -> impl Iterator<Item = (&Arc<Provider>, Generation)> {
        self.records.providers.values().map(|(provider, revision)| (provider, *revision))
    }

    /// A provider.
    pub fn provider(
        &self,
        name: &ProviderName,
    ) -> Result<(&Arc<Provider>, Generation), ProvidersError> {
        self.records.provider(name)
    }

    /// What a sandbox of an app may reach, and the tokens for it.
    #[must_use]
    pub fn grants_of(&self, app: &App, sandbox: &SandboxId) -> Arc<SandboxGrants> {
        let of_app = self.of_apps.get(&app.name).into_iter().flatten();
        let of_sandbox = self.of_sandboxes.get(sandbox).into_iter().flatten();
        let attached = |name: &&ProviderName| {
            let found = self.records.providers.get(*name);
            found.is_some_and(|(provider, _)| provider.is_attached(app, sandbox))
        };
        let names: BTreeSet<_> = of_app.chain(of_sandbox).filter(attached).collect();
        let key = names.iter().map(|name| (*name).clone()).collect();
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        granted.entry(key).or_insert_with(|| Arc::new(self.work_out(&names))).clone()
    }

    fn work_out(&self, names: &BTreeSet<&ProviderName>) -> SandboxGrants {
        let mut grants = SandboxGrants::default();
        for name in names {
            let Some(expansion) = self.expansions.get(*name) else { continue };
            grants.endpoints.extend(expansion.endpoints.iter().cloned());
            grants.bindings.extend(expansion.bindings.iter().cloned());
        }
        grants.revision = self.revision_of(names);
        grants
    }

    /// Another one whenever a provider, its profile or what it holds is another.
    fn revision_of(&self, names: &BTreeSet<&ProviderName>) -> String {
        let mut behind = String::new();
        for name in names {
            let Some((provider, revision)) = self.records.providers.get(*name) else { continue };
            let profile = self.records.profiles.get(&provider.profile);
            let profile = profile.map_or(Generation(0), |(_, revision)| *revision);
            for part in [name.as_str(), &revision.to_string(), &profile.to_string()] {
                behind.push_str(part);
                behind.push(' ');
            }
        }
        if behind.is_empty() {
            return behind;
        }
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, behind.as_bytes());
        URL_SAFE_NO_PAD.encode(digest.as_ref())
    }

    /// That no sandbox has two tokens between which nothing decides, or more than it may, as things are attached.
    pub(super) fn check(&self) -> Result<(), ProvidersError> {
        for names in self.sets() {
            let grants = self.work_out(&names);
            if grants.endpoints.len() > MAXIMUM_GRANTED || grants.bindings.len() > MAXIMUM_GRANTED {
                return Err(ProvidersError::TooMuch);
            }
            if let Some(ambiguity) = first_ambiguity(&grants.bindings) {
                return Err(ProvidersError::Ambiguous(ambiguity));
            }
        }
        Ok(())
    }

    /// Which providers some sandbox has together. A provider that is attached nowhere counts by itself.
    fn sets(&self) -> BTreeSet<BTreeSet<&ProviderName>> {
        let providers =
            || self.records.providers.iter().map(|(name, (provider, _))| (name, provider));
        let mut of_apps: BTreeMap<(&AppName, &str), BTreeSet<_>> = BTreeMap::new();
        for (name, provider) in providers() {
            for (app, uid) in &provider.apps {
                of_apps.entry((app, uid.as_str())).or_default().insert(name);
            }
        }
        let mut of_sandboxes: BTreeMap<(&SandboxId, &str), BTreeSet<_>> = BTreeMap::new();
        for (name, provider) in providers() {
            for (sandbox, whose) in &provider.sandboxes {
                let uid = whose.app_uid.as_str();
                let set = of_sandboxes.entry((sandbox, uid)).or_default();
                set.insert(name);
                set.extend(of_apps.get(&(&whose.app, uid)).into_iter().flatten());
            }
        }
        let alone = providers().map(|(name, _)| BTreeSet::from([name]));
        of_apps.into_values().chain(of_sandboxes.into_values()).chain(alone).collect()
    }
}
