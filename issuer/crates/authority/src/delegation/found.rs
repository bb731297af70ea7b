//! What is to be exchanged: found by the provider's name, in the order in which it is asked whether it may be.

use std::sync::Arc;

use moneyer_identity::grant::TokenEndpoint;
use moneyer_identity::{Audience, SandboxId, UnixTime};

use super::ask::SubjectAsk;
use super::error::DelegationError;
use crate::profiles::{GrantTemplate, SubjectToken};
use crate::providers::{Provider, ProvidersInForce, StoredCredential};
use crate::registry::App;
use crate::store::Generation;

/// A user's token and the grant that exchanges it, of a provider that the sandbox has.
pub(crate) struct Found<'a> {
    /// The provider.
    pub(super) provider: &'a Arc<Provider>,
    /// The revisions of the provider and its profile.
    pub(super) revisions: (Generation, Generation),
    /// How it is exchanged.
    pub(super) grant: &'a GrantTemplate,
    /// Where.
    pub(super) endpoint: &'a TokenEndpoint,
    /// Which credential it is, and what.
    pub(super) subject: &'a SubjectToken,
    /// What is held.
    pub(super) held: &'a StoredCredential,
}

impl<'a> Found<'a> {
    /// Finds it.
    pub(crate) fn of(
        providers: &'a ProvidersInForce,
        (app, sandbox): (&App, &SandboxId),
        ask: &SubjectAsk,
        now: UnixTime,
    ) -> Result<Self, DelegationError> {
        let attached =
            |(provider, _): &(&Arc<Provider>, Generation)| provider.is_attached(app, sandbox);
        let found = providers.provider(&ask.provider).ok().filter(attached);
        let (provider, revision) =
            found.ok_or_else(|| DelegationError::NotAttached(ask.provider.clone()))?;
        let none = || DelegationError::NoExchange {
            provider: ask.provider.clone(),
            credential: ask.credential.clone(),
        };
        let (profile, of_profile) = providers.profile(&provider.profile).ok().ok_or_else(none)?;
        let grant = profile.credential(&ask.credential).and_then(|one| one.grant.as_ref());
        let grant = grant.ok_or_else(none)?;
        let subject = grant.subject.as_ref().ok_or_else(none)?;
        let name = || subject.credential.clone();
        let held = provider.credentials.get(&subject.credential);
        let held = held.ok_or_else(|| DelegationError::NotHeld(name()))?;
        let endpoint = grant.endpoint.as_ref().ok_or_else(none)?;
        if !held.for_endpoints.contains(endpoint) {
            let endpoint = endpoint.clone();
            return Err(DelegationError::OtherEndpoint { credential: name(), endpoint });
        }
        if held.has_ended(now) && held.refresh.is_none() {
            return Err(DelegationError::Ended(name()));
        }
        let revisions = (revision, of_profile);
        Ok(Self { provider, revisions, grant, endpoint, subject, held })
    }

    /// The audience of assertions.
    pub(crate) fn svid_audience(&self) -> &'a Audience {
        &self.grant.svid_audience
    }

    /// That an assertion of the coordinator may be shown there: for an audience of that very server, or one of these.
    /// Whoever is shown one can be the coordinator at whoever takes it.
    pub(crate) fn check_assertion(&self, named: &[Audience]) -> Result<(), DelegationError> {
        let (audience, endpoint) = (self.svid_audience(), self.endpoint);
        if endpoint.is_server_of(audience) || named.contains(audience) {
            return Ok(());
        }
        let (audience, endpoint) = (audience.clone(), endpoint.clone());
        Err(DelegationError::ForeignAudience { audience, endpoint })
    }
}
