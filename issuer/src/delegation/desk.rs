//! The desk: a user's token for a sandbox, readdressed.

use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::Authority;
use moneyer_authority::delegation::{
    Delegated, Delegation, DelegationError, DelegationKey, Renewal, Renewed, SubjectAsk,
};
use moneyer_authority::enrollment::AuthenticatedRunner;
use moneyer_authority::providers::{CredentialValue, ProvidersError};
use moneyer_daemon::oauth::{
    Client, ClientAssertion, Form, OAuthClient, Readdressing, TokenEndpointError,
};
use moneyer_identity::grant::BearerToken;
use moneyer_identity::{CredentialName, ProviderName, SandboxId};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::entries::{Parties, Until};
use super::failure::DelegationFailure;
use super::kept::Kept;
use super::pause::Pause;

/// How long before its end a token is not handed out any more: the second stage has to come after it.
const SKEW: Duration = Duration::from_secs(30);

/// Shortest life that a token is kept for.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// How long a call waits for a token service: it is cut off at five seconds, and the runner is to be told why.
const PATIENCE: Duration = Duration::from_secs(4);

/// How often it is tried to store what was renewed, and the pause between: a store that is away for half a minute loses
/// nobody's log-in.
const ATTEMPTS_TO_KEEP: u32 = 15;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(2);

/// A user's token that is addressed to a sandbox, for its runner.
#[derive(Debug)]
pub(crate) struct Readdressed {
    /// The token.
    pub(crate) token: Arc<BearerToken>,
    /// Life left.
    pub(crate) expires_in: Duration,
}

/// Readdresses users' tokens. Clones share what is kept.
#[derive(Debug, Clone)]
pub(crate) struct DelegationDesk {
    authority: Authority,
    client: Arc<OAuthClient>,
    readdressed: Kept<DelegationKey, Arc<BearerToken>>,
    renewed: Kept<(ProviderName, CredentialName), ()>,
}

impl DelegationDesk {
    /// A desk of this authority that asks with this client.
    pub(crate) fn new(authority: Authority, client: OAuthClient) -> Self {
        let readdressed = Kept::new(Pause::READDRESSING);
        let renewed = Kept::new(Pause::RENEWAL);
        Self { authority, client: Arc::new(client), readdressed, renewed }
    }

    /// A user's token for a sandbox that is placed on this runner.
    pub(crate) async fn token(
        &self,
        runner: &AuthenticatedRunner,
        sandbox: &SandboxId,
        ask: &SubjectAsk,
    ) -> Result<Readdressed, DelegationFailure> {
        let deadline = Instant::now() + PATIENCE;
        let delegation = self.delegation(runner, sandbox, ask, deadline).await?;
        let readdressed = self.readdress(runner, &delegation, deadline).await;
        let Until { value: token, ends_at } =
            readdressed.inspect_err(|failure| self.note(runner, sandbox, failure))?;
        self.authority.hand_out(runner, &delegation, ask).await?;
        // What is kept was capped by the assertion of whoever asked first.
        let left = delegation.ends_at().since(self.authority.now());
        let expires_in = ends_at.saturating_duration_since(Instant::now()).min(left);
        if expires_in.is_zero() {
            return Err(DelegationFailure::Readdressing(Arc::new(TokenEndpointError::Expired)));
        }
        Ok(Readdressed { token, expires_in })
    }

    /// What may be done, with the user's token renewed where its time has come.
    async fn delegation(
        &self,
        runner: &AuthenticatedRunner,
        sandbox: &SandboxId,
        ask: &SubjectAsk,
        deadline: Instant,
    ) -> Result<Box<Delegation>, DelegationFailure> {
        let renewal = match self.authority.delegate(runner, sandbox, ask).await? {
            Delegated::Permitted(delegation) => return Ok(delegation),
            Delegated::Renewable(renewal) => Arc::new(*renewal),
        };
        let renewed = self.renew(runner, &renewal, deadline).await;
        if let Err(failure) = renewed {
            self.note(runner, sandbox, &failure);
            // A token that has not ended yet serves on.
            return renewal.meanwhile().cloned().map(Box::new).ok_or(failure);
        }
        match self.authority.delegate(runner, sandbox, ask).await? {
            Delegated::Permitted(delegation) => Ok(delegation),
            // The token service gives tokens that live for less than a minute.
            Delegated::Renewable(renewal) => {
                renewal.meanwhile().cloned().map(Box::new).ok_or(DelegationFailure::Interrupted)
            }
        }
    }

    async fn readdress(
        &self,
        runner: &AuthenticatedRunner,
        delegation: &Delegation,
        deadline: Instant,
    ) -> Result<Until<Arc<BearerToken>>, DelegationFailure> {
        let key = delegation.key().clone();
        let parties = parties(runner, &key);
        let (desk, runner) = (self.clone(), runner.clone());
        let asking = || {
            let (key, token) = (key.clone(), delegation.token().clone());
            let caps = Caps::of(delegation, &self.authority);
            async move { desk.ask(&runner, &key, &token, caps).await }
        };
        self.readdressed.get(key.clone(), parties, deadline, asking).await
    }

    /// Asks the token service, as the coordinator.
    async fn ask(
        &self,
        runner: &AuthenticatedRunner,
        key: &DelegationKey,
        subject: &CredentialValue,
        caps: Caps,
    ) -> Result<Until<Arc<BearerToken>>, DelegationFailure> {
        let assertion = self.assertion(runner, key).await?;
        let asked = Readdressing {
            subject: subject.expose(),
            subject_type: key.subject_type(),
            requested_type: key.requested_type(),
            audience: key.holder().as_str(),
        };
        let form = Form::readdressing((key.assertion_type(), &assertion), asked);
        let granted = self.client.token(key.endpoint(), &form, || self.authority.now()).await;
        let granted = granted.map_err(|error| DelegationFailure::Readdressing(Arc::new(error)))?;
        let ends_at = caps.end(granted.life, Instant::now());
        Ok(Until { value: Arc::new(granted.token), ends_at })
    }

    async fn renew(
        &self,
        runner: &AuthenticatedRunner,
        renewal: &Arc<Renewal>,
        deadline: Instant,
    ) -> Result<(), DelegationFailure> {
        let (provider, credential) = renewal.about();
        let about = (provider.clone(), credential.clone());
        let parties = parties(runner, renewal.key());
        let (desk, runner, renewal) = (self.clone(), runner.clone(), Arc::clone(renewal));
        let asking = || async move {
            desk.ask_to_renew(&runner, &renewal).await?;
            Ok(Until { value: (), ends_at: Instant::now() })
        };
        self.renewed.get(about, parties, deadline, asking).await.map(drop)
    }

    async fn ask_to_renew(
        &self,
        runner: &AuthenticatedRunner,
        renewal: &Arc<Renewal>,
    ) -> Result<(), DelegationFailure> {
        // Whoever came while the one before was stored would show a refresh token that is spent.
        if !self.authority.is_to_be_renewed(renewal).await {
            return Ok(());
        }
        let recordable = self.authority.audit().health();
        recordable.map_err(|error| DelegationFailure::from(DelegationError::Audit(error)))?;
        let (key, refresh) = (renewal.key(), renewal.refresh());
        let assertion = match &refresh.client_id {
            Some(_) => None,
            None => Some(self.assertion(runner, key).await?),
        };
        let client = match (&refresh.client_id, &assertion) {
            (Some(name), _) => Client::Named(name.as_str()),
            (None, Some(assertion)) => Client::Asserted(key.assertion_type(), assertion),
            (None, None) => return Err(DelegationFailure::Interrupted),
        };
        let form = Form::refresh(client, refresh.token.expose());
        let granted = self.client.token(key.endpoint(), &form, || self.authority.now()).await;
        let granted = granted.map_err(|error| DelegationFailure::Renewal(Arc::new(error)))?;
        let renewed = Renewed {
            token: CredentialValue::new(Zeroizing::new(granted.token.expose().to_owned())),
            expires_at: self.authority.now().plus(granted.life),
            refresh_token: granted.refresh_token.map(CredentialValue::new),
        };
        self.keep(renewal, &Arc::new(renewed)).await
    }

    /// Stores what was renewed, and tries on for a while: what it was renewed by may be spent.
    async fn keep(
        &self,
        renewal: &Arc<Renewal>,
        renewed: &Arc<Renewed>,
    ) -> Result<(), DelegationFailure> {
        let mut kept = self.authority.renew_subject(renewal, renewed).await;
        for _ in 1..ATTEMPTS_TO_KEEP {
            let Err(error) = &kept else { return Ok(()) };
            if matches!(error, ProvidersError::NoSuchProvider(_) | ProvidersError::Value(_)) {
                break;
            }
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            kept = self.authority.renew_subject(renewal, renewed).await;
        }
        kept.map_err(|error| DelegationFailure::Keeping(Arc::new(error)))
    }

    async fn assertion(
        &self,
        runner: &AuthenticatedRunner,
        key: &DelegationKey,
    ) -> Result<ClientAssertion, DelegationFailure> {
        let minted = self.authority.assert_itself(runner, key).await?;
        Ok(ClientAssertion::new(minted.token.expose().to_owned()))
    }

    /// Refusals of the authority are recorded by it; these come from elsewhere.
    fn note(&self, runner: &AuthenticatedRunner, sandbox: &SandboxId, failure: &DelegationFailure) {
        if !matches!(failure, DelegationFailure::Refused(_)) {
            let (class, told) = (failure.class(), crate::chain(failure));
            self.authority.refused_subject_token(runner, Some(sandbox), class, &told);
        }
    }
}

fn parties(runner: &AuthenticatedRunner, key: &DelegationKey) -> Parties {
    Parties { runner: runner.id().clone(), endpoint: key.endpoint().clone() }
}

/// What a readdressed token may not outlive, but for its own end.
#[derive(Debug, Clone, Copy)]
struct Caps {
    /// The user's token and the sandbox's assertion.
    until: Instant,
    /// As the profile says.
    ttl: Option<Duration>,
}

impl Caps {
    fn of(delegation: &Delegation, authority: &Authority) -> Self {
        let left = delegation.ends_at().since(authority.now());
        Self { until: Instant::now() + left, ttl: delegation.cache_ttl() }
    }

    /// When it is not handed out any more. The time it takes to be used is taken off once.
    fn end(self, life: Duration, now: Instant) -> Instant {
        let life = life.min(self.until.saturating_duration_since(now));
        let safe = life.saturating_sub(SKEW).max(SHORTEST_LIFE).min(life);
        now + self.ttl.filter(|ttl| !ttl.is_zero()).map_or(safe, |ttl| ttl.min(safe))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_ends_with_what_ends_first_and_half_a_minute_is_kept_once() {
        let now = Instant::now();
        let seconds = Duration::from_secs;
        let end = |life, until, ttl: Option<u64>| {
            let caps = Caps { until: now + seconds(until), ttl: ttl.map(seconds) };
            (caps.end(seconds(life), now) - now).as_secs()
        };
        assert_eq!(end(300, 3600, None), 270);
        assert_eq!(end(3600, 300, None), 270, "the user's token or the assertion");
        assert_eq!(end(300, 3600, Some(60)), 60);
        assert_eq!(end(300, 3600, Some(0)), 270);
        assert_eq!(end(300, 3600, Some(9000)), 270, "a profile lengthens nothing");
        assert_eq!(end(20, 3600, None), 1);
        assert_eq!(end(300, 0, None), 0, "what has ended is not handed out");
    }
}
