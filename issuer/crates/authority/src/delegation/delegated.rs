//! What may be done with a user's token, for one sandbox: proof that every check was passed.

use std::fmt;
use std::time::Duration;

use moneyer_identity::grant::{AssertionType, TokenEndpoint, TokenType};
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{
    AppName, AppUid, Audience, CredentialName, ProviderName, SandboxId, UnixTime,
};

use super::found::Found;
use crate::providers::{CredentialValue, StoredCredential, StoredRefresh};
use crate::registry::Permit;
use crate::store::Generation;

/// How long before its end a user's token is renewed at most: it has to arrive, and what it is exchanged for must live.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// The part of a user's token's life before its end in which it is renewed: of one that lives for less than five minutes
/// not all of it, or each request would renew it.
const RENEWED_IN: u32 = 5;

/// What came of asking.
#[derive(Debug)]
pub enum Delegated {
    /// It may be readdressed.
    Permitted(Box<Delegation>),
    /// It may be, and has ended or ends soon: it is to be renewed first.
    Renewable(Box<Renewal>),
}

/// Everything that a readdressed token depends on: no two that differ in any of it share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DelegationKey {
    provider: ProviderName,
    credential: CredentialName,
    /// Of the provider and of its profile.
    revisions: (Generation, Generation),
    subject: CredentialName,
    subject_type: TokenType,
    requested_type: TokenType,
    endpoint: TokenEndpoint,
    svid_audience: Audience,
    assertion_type: AssertionType,
    holder: SpiffeId,
    sandbox: SandboxId,
    app_uid: AppUid,
}

/// A user's token may be readdressed to this sandbox now. Made by [`crate::Authority::delegate`] only.
#[derive(Clone)]
pub struct Delegation {
    key: DelegationKey,
    app: AppName,
    token: CredentialValue,
    ends_at: UnixTime,
    cache_ttl: Option<Duration>,
}

impl Delegation {
    /// By which it is told from others.
    #[must_use]
    pub fn key(&self) -> &DelegationKey {
        &self.key
    }

    /// The user's token, for the token service alone.
    #[must_use]
    pub fn token(&self) -> &CredentialValue {
        &self.token
    }

    /// When whatever is made of it has to end: with the user's token, or the sandbox's assertion.
    #[must_use]
    pub fn ends_at(&self) -> UnixTime {
        self.ends_at
    }

    /// How long what is made of it is kept at most, where the profile says so.
    #[must_use]
    pub fn cache_ttl(&self) -> Option<Duration> {
        self.cache_ttl
    }

    /// The app of the sandbox.
    pub(crate) fn app(&self) -> &AppName {
        &self.app
    }
}

impl DelegationKey {
    /// The provider that holds the token.
    #[must_use]
    pub fn provider(&self) -> &ProviderName {
        &self.provider
    }

    /// Its credential whose grant is the exchange.
    #[must_use]
    pub fn credential(&self) -> &CredentialName {
        &self.credential
    }

    /// The sandbox.
    #[must_use]
    pub fn sandbox(&self) -> &SandboxId {
        &self.sandbox
    }

    /// To whom the token is readdressed.
    #[must_use]
    pub fn holder(&self) -> &SpiffeId {
        &self.holder
    }

    /// The token service.
    #[must_use]
    pub fn endpoint(&self) -> &TokenEndpoint {
        &self.endpoint
    }

    /// The audience of assertions for it.
    #[must_use]
    pub fn svid_audience(&self) -> &Audience {
        &self.svid_audience
    }

    /// What they are called there.
    #[must_use]
    pub fn assertion_type(&self) -> &AssertionType {
        &self.assertion_type
    }

    /// What the user's token is.
    #[must_use]
    pub fn subject_type(&self) -> &TokenType {
        &self.subject_type
    }

    /// What is asked for.
    #[must_use]
    pub fn requested_type(&self) -> &TokenType {
        &self.requested_type
    }
}

impl fmt::Debug for Delegation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delegation").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A user's token that is to be renewed, for whoever was found to have it. Made by [`crate::Authority::delegate`] only.
#[derive(Debug)]
pub struct Renewal {
    /// Of which provider.
    pub(crate) provider: ProviderName,
    /// Which of what it holds.
    pub(crate) subject: CredentialName,
    /// By what it is renewed.
    pub(crate) refresh: StoredRefresh,
    /// For whom: any sandbox that needs it.
    key: DelegationKey,
    /// What may be done with it until it ends.
    meanwhile: Option<Box<Delegation>>,
}

impl Renewal {
    /// The provider and the credential.
    #[must_use]
    pub fn about(&self) -> (&ProviderName, &CredentialName) {
        (&self.provider, &self.subject)
    }

    /// By what it is renewed.
    #[must_use]
    pub fn refresh(&self) -> &StoredRefresh {
        &self.refresh
    }

    /// Where, and what assertions are called there.
    #[must_use]
    pub fn key(&self) -> &DelegationKey {
        &self.key
    }

    /// What may be done with the token until it ends, where it has not ended yet: it serves on where it cannot be renewed.
    #[must_use]
    pub fn meanwhile(&self) -> Option<&Delegation> {
        self.meanwhile.as_deref()
    }
}

/// A user's token that was renewed.
#[derive(Debug, Clone)]
pub struct Renewed {
    /// The new one.
    pub token: CredentialValue,
    /// When it ends.
    pub expires_at: UnixTime,
    /// What the next one is asked for with, where it is another.
    pub refresh_token: Option<CredentialValue>,
}

impl Delegated {
    /// What follows from what was found, for a holder that was verified.
    pub(crate) fn of(
        found: &Found<'_>,
        permit: &Permit,
        (holder, assertion_ends): (SpiffeId, UnixTime),
        (credential, now): (CredentialName, UnixTime),
    ) -> Self {
        let Found { provider, revisions, grant, endpoint, subject, held } = found;
        let key = DelegationKey {
            provider: provider.name.clone(),
            credential,
            revisions: *revisions,
            subject: subject.credential.clone(),
            subject_type: subject.token_type.clone(),
            requested_type: grant.requested_token_type.clone(),
            endpoint: (*endpoint).clone(),
            svid_audience: grant.svid_audience.clone(),
            assertion_type: grant.assertion_type.clone(),
            holder,
            sandbox: permit.placed().sandbox.id.clone(),
            app_uid: permit.app().uid.clone(),
        };
        let delegation = Box::new(Delegation {
            key: key.clone(),
            app: permit.app().name.clone(),
            token: held.value.clone(),
            ends_at: held.expires_at.map_or(assertion_ends, |end| end.min(assertion_ends)),
            cache_ttl: grant.cache_ttl,
        });
        match &held.refresh {
            Some(refresh) if held.has_ended(now.plus(renewed_before(held))) => {
                let meanwhile = (!held.has_ended(now)).then_some(delegation);
                Self::Renewable(Box::new(Renewal {
                    provider: provider.name.clone(),
                    subject: subject.credential.clone(),
                    refresh: refresh.clone(),
                    key,
                    meanwhile,
                }))
            }
            _ => Self::Permitted(delegation),
        }
    }
}

fn renewed_before(held: &StoredCredential) -> Duration {
    let life = held.expires_at.map(|end| end.since(held.stored_at)).unwrap_or_default();
    RENEWED_BEFORE.min(life / RENEWED_IN)
}
