//! Keeps the profiles: those of the configuration for good, those that operators put in the store.
//!
//! A change is recorded, stored, and then in force for everyone at once. Changes follow one another. A
//! profile of the configuration is not changed by a command: at the next start the file would win.

use std::sync::Arc;

use arc_swap::ArcSwap;
use moneyer_identity::ProfileName;
use tokio::sync::{Mutex, watch};

use crate::audiences::error::AudiencesError;
use crate::audiences::policy::AudiencePolicy;
use crate::audiences::profile::{AudienceProfile, ProfileSpec};
use crate::audiences::record::MAXIMUM_PROFILES;
use crate::audit::{Actor, Event, Ledger};
use crate::keys::KeyKinds;
use crate::store::{Change, Expected, Generation, Record as _, load_records};

type Records = Vec<(ProfileSpec, Generation)>;

/// The audience policy of the moment, and word of its changes.
#[derive(Debug)]
pub struct Profiles {
    ledger: Ledger,
    /// With the profiles of the configuration alone.
    configured: AudiencePolicy,
    kinds: KeyKinds,
    changing: Mutex<()>,
    policy: ArcSwap<AudiencePolicy>,
    changed: watch::Sender<u64>,
}

impl Profiles {
    /// Loads what operators have put, beside what the configuration says.
    pub async fn open(
        ledger: Ledger,
        configured: AudiencePolicy,
        kinds: KeyKinds,
    ) -> Result<Self, AudiencesError> {
        let records = load(&ledger).await?;
        let specs = records.into_iter().map(|(spec, _)| spec);
        let policy = policy(&configured, kinds, specs)?;
        Ok(Self {
            ledger,
            configured,
            kinds,
            changing: Mutex::default(),
            policy: ArcSwap::from_pointee(policy),
            changed: watch::Sender::new(0),
        })
    }

    /// The policy of this moment.
    #[must_use]
    pub fn policy(&self) -> Arc<AudiencePolicy> {
        self.policy.load_full()
    }

    /// Tells of every change of a profile.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether the configuration names it.
    #[must_use]
    pub fn is_configured(&self, name: &ProfileName) -> bool {
        self.configured.profiles().any(|profile| profile.name == *name)
    }

    /// The profile that this would be, or why it would be none.
    pub fn judge(&self, spec: ProfileSpec) -> Result<AudienceProfile, AudiencesError> {
        let name = spec.name.clone();
        if self.is_configured(&name) {
            return Err(AudiencesError::Configured(name));
        }
        let profile = spec.resolve(self.configured.lifetimes(), self.kinds);
        let profile = profile.map_err(|error| AudiencesError::Profile { name, error })?;
        // What is there already under its name makes way for it.
        self.policy().without(&profile.name).and(profile.clone())?;
        Ok(profile)
    }

    /// Makes a profile, or changes it.
    pub async fn put(&self, who: &Actor, spec: ProfileSpec) -> Result<(), AudiencesError> {
        let _changing = self.changing.lock().await;
        let profile = self.judge(spec.clone())?;
        // Read anew: what became of the change before may not be known.
        let mut records = load(&self.ledger).await?;
        let at = records.iter().position(|(record, _)| record.name == spec.name);
        let before = at.map(|at| records.swap_remove(at));
        if before.is_none() && records.len() >= MAXIMUM_PROFILES {
            return Err(AudiencesError::TooMany);
        }
        let after = records.into_iter().map(|(record, _)| record).chain([spec.clone()]);
        let policy = policy(&self.configured, self.kinds, after)?;
        let is_news = before.as_ref().is_none_or(|(record, _)| *record != spec);
        if is_news {
            let expected = before.map_or(Expected::Absent, |(_, at)| Expected::Revision(at));
            let what = Event::AudiencePut {
                audience_profile: profile.name,
                audience: profile.audience,
                subject_form: profile.subject,
                alg: profile.algorithm,
                roles: profile.aws.roles,
            };
            let change = Change::put(&spec, expected).map_err(AudiencesError::Store)?;
            self.ledger.commit(who, vec![what], vec![change]).await?;
        }
        self.put_in_force(policy);
        Ok(())
    }

    /// Removes a profile that an operator has put: its audience is one like any other from then on.
    pub async fn remove(&self, who: &Actor, name: &ProfileName) -> Result<(), AudiencesError> {
        if self.is_configured(name) {
            return Err(AudiencesError::Configured(name.clone()));
        }
        let _changing = self.changing.lock().await;
        let mut records = load(&self.ledger).await?;
        let at = records.iter().position(|(record, _)| record.name == *name);
        let at = at.ok_or_else(|| AudiencesError::NoSuchProfile(name.clone()))?;
        let (record, revision) = records.swap_remove(at);
        let after = records.into_iter().map(|(record, _)| record);
        let policy = policy(&self.configured, self.kinds, after)?;
        let change = Change::remove(ProfileSpec::COLLECTION, &record.id(), revision);
        let what = Event::AudienceRemoved { audience_profile: name.clone() };
        self.ledger.commit(who, vec![what], vec![change]).await?;
        self.put_in_force(policy);
        Ok(())
    }

    /// Reads the records again, since another coordinator has changed them. Two that were put at the same moment
    /// may contradict one another: every coordinator goes by the same one of them, until an operator removes one.
    pub(crate) async fn refresh(&self) -> Result<(), AudiencesError> {
        let _changing = self.changing.lock().await;
        let records = load(&self.ledger).await?;
        let specs = records.into_iter().map(|(spec, _)| spec);
        self.put_in_force(fitting(&self.configured, self.kinds, specs));
        Ok(())
    }

    fn put_in_force(&self, policy: AudiencePolicy) {
        self.policy.store(Arc::new(policy));
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

async fn load(ledger: &Ledger) -> Result<Records, AudiencesError> {
    load_records(ledger.store()).await.map_err(AudiencesError::Store)
}

/// What is configured, and what operators have put beside it.
fn policy(
    configured: &AudiencePolicy,
    kinds: KeyKinds,
    put: impl Iterator<Item = ProfileSpec>,
) -> Result<AudiencePolicy, AudiencesError> {
    let mut policy = configured.clone();
    for spec in in_order(put) {
        let name = spec.name.clone();
        policy = with(&policy, configured, kinds, spec)
            .map_err(|error| AudiencesError::Stored { name, error })?;
    }
    Ok(policy)
}

/// The same of those that go together.
fn fitting(
    configured: &AudiencePolicy,
    kinds: KeyKinds,
    put: impl Iterator<Item = ProfileSpec>,
) -> AudiencePolicy {
    let mut policy = configured.clone();
    for spec in in_order(put) {
        if let Ok(added) = with(&policy, configured, kinds, spec) {
            policy = added;
        }
    }
    policy
}

/// In an order of their own: where several would do, the first counts.
fn in_order(put: impl Iterator<Item = ProfileSpec>) -> Vec<ProfileSpec> {
    let mut put: Vec<_> = put.collect();
    put.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
    put
}

/// One profile more, or why not.
fn with(
    policy: &AudiencePolicy,
    configured: &AudiencePolicy,
    kinds: KeyKinds,
    spec: ProfileSpec,
) -> Result<AudiencePolicy, String> {
    let profile = spec.resolve(configured.lifetimes(), kinds);
    let profile = profile.map_err(|error| format!("{} {error}", error.key()))?;
    policy.clone().and(profile).map_err(|error| error.to_string())
}
