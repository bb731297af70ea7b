//! Keeps profiles and providers. A change is recorded, stored, and then in force for everyone at once; changes follow
//! one another, since each is judged beside all others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use moneyer_identity::{CredentialName, ProviderName, UnixTime};
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use super::attachment::{Attachment, Detachment};
use super::credential::{CredentialValue, NewCredential, StoredCredential};
use super::error::ProvidersError;
use super::in_force::ProvidersInForce;
use super::provider::Provider;
use super::records::{ProfileRecord, Records};
use crate::audit::{Actor, Event, Ledger, ProviderPlace, ProviderPut, SubjectTokenRenewed};
use crate::delegation::{Renewal, Renewed};
use crate::profiles::{Profile, ProfileId};
use crate::store::{Change, Collection, Expected, Generation};

/// Most profiles.
pub const MAXIMUM_PROFILES: usize = 256;

/// Most providers.
pub const MAXIMUM_PROVIDERS: usize = 1024;

/// Most apps and sandboxes that a provider is attached to: with a credential its record stays under what a record may
/// have.
pub const MAXIMUM_ATTACHMENTS: usize = 128;

/// A provider that is to be made.
#[derive(Debug, Clone)]
pub struct NewProvider {
    /// Its name.
    pub name: ProviderName,
    /// Its profile.
    pub profile: ProfileId,
    /// What it holds.
    pub credentials: BTreeMap<CredentialName, NewCredential>,
    /// That it holds nothing is meant: every token is obtained when it is needed.
    pub runtime_credentials: bool,
}

/// Profiles and providers, and word of their changes.
#[derive(Debug)]
pub struct Providers {
    ledger: Ledger,
    changing: Mutex<()>,
    in_force: ArcSwap<ProvidersInForce>,
    changed: watch::Sender<u64>,
}

impl Providers {
    /// Loads what operators have put.
    pub async fn open(ledger: Ledger) -> Result<Self, ProvidersError> {
        let records = Records::load(&ledger).await?;
        let in_force = ArcSwap::from_pointee(ProvidersInForce::of(records));
        Ok(Self { ledger, changing: Mutex::default(), in_force, changed: watch::Sender::new(0) })
    }

    /// Those of this moment.
    #[must_use]
    pub fn now(&self) -> Arc<ProvidersInForce> {
        self.in_force.load_full()
    }

    /// Tells of every change.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Makes a profile, or says anew what it is; where a revision is said, only in place of that one.
    pub async fn put_profile(
        &self,
        who: &Actor,
        document: &Value,
        asked: Option<Generation>,
    ) -> Result<Generation, ProvidersError> {
        let (profile, _) = Profile::read(document).map_err(ProvidersError::Profile)?;
        let _changing = self.changing.lock().await;
        // Read anew: what became of the change before may not be known.
        let mut records = Records::load(&self.ledger).await?;
        let before = records.profile_revision(profile.id());
        check_revision(before, asked)?;
        let expected = match before {
            Some(revision)
                if records.profile(profile.id()).is_ok_and(|before| **before == profile) =>
            {
                return Ok(revision);
            }
            Some(revision) => Expected::Revision(revision),
            None if records.profiles.len() + records.refused.len() >= MAXIMUM_PROFILES => {
                return Err(ProvidersError::TooManyProfiles);
            }
            None => Expected::Absent,
        };
        records.refused.remove(profile.id());
        let change = Change::put(&ProfileRecord::of(&profile), expected);
        let what = Event::ProviderProfilePut { provider_profile: profile.id().clone() };
        let (id, profile) = (profile.id().clone(), Arc::new(profile));
        records.profiles.insert(id.clone(), (profile.clone(), Generation(0)));
        check_fits(&records, &profile)?;
        let revision =
            self.commit(who, what, change.map_err(ProvidersError::Store)?, &records).await?;
        records.profiles.insert(id, (profile, revision));
        self.put_in_force(records);
        Ok(revision)
    }

    /// Removes a profile that no provider is made of.
    pub async fn remove_profile(
        &self,
        who: &Actor,
        id: &ProfileId,
        asked: Option<Generation>,
    ) -> Result<(), ProvidersError> {
        let _changing = self.changing.lock().await;
        let mut records = Records::load(&self.ledger).await?;
        let found = records.profile_revision(id);
        let revision = found.ok_or_else(|| ProvidersError::NoSuchProfile(id.clone()))?;
        check_revision(Some(revision), asked)?;
        records.profiles.remove(id);
        records.refused.remove(id);
        let mut providers = records.providers.values().map(|(provider, _)| provider);
        if let Some(provider) = providers.find(|provider| provider.profile == *id) {
            let (profile, provider) = (id.clone(), provider.name.clone());
            return Err(ProvidersError::InUse { profile, provider });
        }
        let change = Change::remove(Collection::ProviderProfiles, id.as_str(), revision);
        let what = Event::ProviderProfileRemoved { provider_profile: id.clone() };
        self.commit(who, what, change, &records).await?;
        self.put_in_force(records);
        Ok(())
    }

    /// Makes a provider.
    pub async fn create(
        &self,
        who: &Actor,
        new: NewProvider,
        now: UnixTime,
    ) -> Result<Generation, ProvidersError> {
        let NewProvider { name, profile, credentials, runtime_credentials } = new;
        let _changing = self.changing.lock().await;
        let records = Records::load(&self.ledger).await?;
        if records.providers.contains_key(&name) {
            return Err(ProvidersError::Exists(name));
        }
        if records.providers.len() >= MAXIMUM_PROVIDERS {
            return Err(ProvidersError::TooManyProviders);
        }
        if credentials.is_empty() && !runtime_credentials {
            return Err(ProvidersError::NoCredentials);
        }
        let of = Arc::clone(records.profile(&profile)?);
        let credentials = stored(&of, credentials, now)?;
        check_required(&of, &credentials)?;
        let (apps, sandboxes) = (BTreeMap::new(), BTreeMap::new());
        let provider = Provider { name, profile, credentials, apps, sandboxes };
        let what = put_event(&provider);
        self.put(who, records, (provider, Expected::Absent), what).await
    }

    /// Hands a provider other credentials; what is not named stays as it is.
    pub async fn update(
        &self,
        who: &Actor,
        name: &ProviderName,
        credentials: BTreeMap<CredentialName, NewCredential>,
        (asked, now): (Option<Generation>, UnixTime),
    ) -> Result<Generation, ProvidersError> {
        let _changing = self.changing.lock().await;
        let records = Records::load(&self.ledger).await?;
        let (before, revision) = records.provider(name)?;
        check_revision(Some(revision), asked)?;
        if credentials.is_empty() {
            return Err(ProvidersError::NoCredentials);
        }
        let mut provider = Provider::clone(before);
        let of = Arc::clone(records.profile(&provider.profile)?);
        provider.credentials.extend(stored(&of, credentials, now)?);
        let what = put_event(&provider);
        self.put(who, records, (provider, Expected::Revision(revision)), what).await
    }

    /// Takes a user's token that was renewed, in place of the one it was renewed by. Where an operator has handed over
    /// another one meanwhile, that one stays. Where it may be sent stays as it was.
    pub(crate) async fn renew(
        &self,
        renewal: &Renewal,
        renewed: &Renewed,
        now: UnixTime,
    ) -> Result<(), ProvidersError> {
        let _changing = self.changing.lock().await;
        let records = Records::load(&self.ledger).await?;
        let (before, revision) = records.provider(&renewal.provider)?;
        let mut provider = Provider::clone(before);
        let held = provider.credentials.get_mut(&renewal.subject);
        let Some(held) = held.filter(|held| held.refresh.as_ref() == Some(&renewal.refresh)) else {
            self.put_in_force(records);
            return Ok(());
        };
        let Renewed { token, expires_at, refresh_token } = renewed.clone();
        if !token.is_sound() {
            return Err(ProvidersError::Value(renewal.subject.clone()));
        }
        let refresh_token = refresh_token.filter(CredentialValue::is_sound);
        if let (Some(refresh), Some(token)) = (held.refresh.as_mut(), refresh_token) {
            refresh.token = token;
        }
        (held.value, held.expires_at, held.stored_at) = (token, Some(expires_at), now);
        let what = Event::SubjectTokenRenewed(SubjectTokenRenewed {
            provider: provider.name.clone(),
            credential: renewal.subject.clone(),
            expires_at,
        });
        // What sandboxes may reach is the same, so nothing is judged anew: a renewal fails for no reason of others.
        let change = Change::put(&provider, Expected::Revision(revision));
        let change = change.map_err(ProvidersError::Store)?;
        let revision = self.ledger.commit(&Actor::System, vec![what], vec![change]).await?;
        let mut records = records;
        records.providers.insert(provider.name.clone(), (Arc::new(provider), revision));
        self.put_in_force(records);
        Ok(())
    }

    /// Attaches a provider. Where it is attached already nothing changes.
    pub async fn attach(
        &self,
        who: &Actor,
        name: &ProviderName,
        to: Attachment,
    ) -> Result<Generation, ProvidersError> {
        let _changing = self.changing.lock().await;
        let records = Records::load(&self.ledger).await?;
        let (before, revision) = records.provider(name)?;
        let mut provider = Provider::clone(before);
        let (app, sandbox) = match &to {
            Attachment::App(app, _) => (Some(app.clone()), None),
            Attachment::Sandbox(sandbox, _) => (None, Some(sandbox.clone())),
        };
        let what = Event::ProviderAttached(ProviderPlace { provider: name.clone(), app, sandbox });
        provider.attach(to);
        if provider == **before {
            return Ok(revision);
        }
        if provider.attachments() > MAXIMUM_ATTACHMENTS {
            return Err(ProvidersError::TooManyAttachments);
        }
        self.put(who, records, (provider, Expected::Revision(revision)), what).await
    }

    /// Detaches a provider from an app, or from a sandbox, by its name: whatever it was that had it.
    pub async fn detach(
        &self,
        who: &Actor,
        name: &ProviderName,
        from: Detachment,
    ) -> Result<Generation, ProvidersError> {
        let _changing = self.changing.lock().await;
        let records = Records::load(&self.ledger).await?;
        let (before, revision) = records.provider(name)?;
        let mut provider = Provider::clone(before);
        let (app, sandbox) = match from {
            Detachment::App(app) => (Some(app), None),
            Detachment::Sandbox(sandbox) => (None, Some(sandbox)),
        };
        let of_app = app.as_ref().and_then(|app| provider.apps.remove(app)).is_some();
        let of_sandbox =
            sandbox.as_ref().and_then(|sandbox| provider.sandboxes.remove(sandbox)).is_some();
        if !of_app && !of_sandbox {
            return Err(ProvidersError::NotAttached);
        }
        let what = Event::ProviderDetached(ProviderPlace { provider: name.clone(), app, sandbox });
        self.put(who, records, (provider, Expected::Revision(revision)), what).await
    }

    /// Removes a provider: its sandboxes reach its endpoints no more, and what it held is gone.
    pub async fn remove(
        &self,
        who: &Actor,
        name: &ProviderName,
        asked: Option<Generation>,
    ) -> Result<(), ProvidersError> {
        let _changing = self.changing.lock().await;
        let mut records = Records::load(&self.ledger).await?;
        let (_, revision) = records.provider(name)?;
        check_revision(Some(revision), asked)?;
        records.providers.remove(name);
        let change = Change::remove(Collection::Providers, name.as_str(), revision);
        let what = Event::ProviderRemoved { provider: name.clone() };
        self.ledger.commit(who, vec![what], vec![change]).await?;
        self.put_in_force(records);
        Ok(())
    }

    /// Reads the records again, since another coordinator has changed them. Two that were attached at the same moment
    /// may leave something undecided: then the one with the greatest name decides, everywhere the same.
    pub(crate) async fn refresh(&self) -> Result<(), ProvidersError> {
        let _changing = self.changing.lock().await;
        let records = Records::load(&self.ledger).await?;
        self.put_in_force(records);
        Ok(())
    }

    async fn put(
        &self,
        who: &Actor,
        mut records: Records,
        (provider, expected): (Provider, Expected),
        what: Event,
    ) -> Result<Generation, ProvidersError> {
        let change = Change::put(&provider, expected).map_err(ProvidersError::Store)?;
        let (name, provider) = (provider.name.clone(), Arc::new(provider));
        records.providers.insert(name.clone(), (provider.clone(), Generation(0)));
        let revision = self.commit(who, what, change, &records).await?;
        records.providers.insert(name, (provider, revision));
        self.put_in_force(records);
        Ok(revision)
    }

    /// Makes a change if everything fits together once it is made.
    async fn commit(
        &self,
        who: &Actor,
        what: Event,
        change: Change,
        after: &Records,
    ) -> Result<Generation, ProvidersError> {
        ProvidersInForce::of(after.clone()).check()?;
        Ok(self.ledger.commit(who, vec![what], vec![change]).await?)
    }

    fn put_in_force(&self, records: Records) {
        self.in_force.store(Arc::new(ProvidersInForce::of(records)));
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

fn check_revision(
    there: Option<Generation>,
    asked: Option<Generation>,
) -> Result<(), ProvidersError> {
    match asked {
        Some(asked) if there != Some(asked) => Err(ProvidersError::Changed),
        _ => Ok(()),
    }
}

/// That the providers of a profile go with what it has become.
fn check_fits(records: &Records, profile: &Profile) -> Result<(), ProvidersError> {
    let providers = records.providers.values().map(|(provider, _)| provider);
    for provider in providers.filter(|provider| provider.profile == *profile.id()) {
        check_required(profile, &provider.credentials)?;
        for name in provider.credentials.keys() {
            if profile.exchanges_of(name).next().is_none() {
                return Err(ProvidersError::NotStored(name.clone()));
            }
        }
    }
    Ok(())
}

/// What a provider is none without, and cannot obtain, it holds.
fn check_required(
    profile: &Profile,
    held: &BTreeMap<CredentialName, StoredCredential>,
) -> Result<(), ProvidersError> {
    let missing = profile.credentials().iter().find(|credential| {
        credential.required && credential.grant.is_none() && !held.contains_key(&credential.name)
    });
    missing.map_or(Ok(()), |credential| Err(ProvidersError::Missing(credential.name.clone())))
}

/// Credentials as they are stored: users' tokens only, each for the token services that its profile names now.
fn stored(
    profile: &Profile,
    credentials: BTreeMap<CredentialName, NewCredential>,
    now: UnixTime,
) -> Result<BTreeMap<CredentialName, StoredCredential>, ProvidersError> {
    let mut stored = BTreeMap::new();
    for (name, NewCredential { value, expires_at, refresh }) in credentials {
        if profile.credential(&name).is_none() {
            let profile = profile.id().clone();
            return Err(ProvidersError::NoSuchCredential { profile, credential: name });
        }
        let for_endpoints: BTreeSet<_> =
            profile.exchanges_of(&name).filter_map(|(_, grant)| grant.endpoint.clone()).collect();
        if for_endpoints.is_empty() {
            return Err(ProvidersError::NotStored(name));
        }
        let secrets = [Some(&value), refresh.as_ref().map(|refresh| &refresh.token)];
        if !secrets.into_iter().flatten().all(CredentialValue::is_sound) {
            return Err(ProvidersError::Value(name));
        }
        if refresh.is_some() && expires_at.is_none() {
            return Err(ProvidersError::NoEnd(name));
        }
        // It is of one token service, and no other is ever shown it.
        if refresh.is_some() && for_endpoints.len() != 1 {
            return Err(ProvidersError::SeveralEndpoints(name));
        }
        if expires_at.is_some_and(|end| end <= now) {
            return Err(ProvidersError::Ended(name));
        }
        let credential =
            StoredCredential { value, expires_at, refresh, stored_at: now, for_endpoints };
        stored.insert(name, credential);
    }
    Ok(stored)
}

fn put_event(provider: &Provider) -> Event {
    Event::ProviderPut(ProviderPut {
        provider: provider.name.clone(),
        provider_profile: provider.profile.clone(),
        credentials: provider.credentials.keys().cloned().collect(),
    })
}
