//! Users' tokens for sandboxes: who may have one readdressed, and what is recorded of it.
//!
//! Asked in this order, all of it before any cache: the runner and its sandbox, the provider, its profile and what it
//! holds, whether the coordinator can assert itself, and the sandbox's assertion. A token service is asked at the edge,
//! between [`Authority::delegate`] and [`Authority::hand_out`]; the second asks everything once more.

use std::sync::Arc;

use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{Expectations, MintedToken, SandboxId, VerifiedToken};
use serde_json::Value;

use super::open::Authority;
use crate::audit::{AuditEvent, Event, Holder, Refused, SubjectTokenExchanged, reason};
use crate::delegation::{
    Delegated, Delegation, DelegationError, DelegationKey, Found, Renewal, Renewed, SubjectAsk,
};
use crate::enrollment::{AuthenticatedRunner, coordinator_id};
use crate::mint::MintError;
use crate::providers::ProvidersError;
use crate::registry::Permit;
use crate::unbroken::unbroken;

impl Authority {
    /// What may be done with a user's token for a sandbox on this runner, at this moment. A refusal is recorded.
    pub async fn delegate(
        &self,
        runner: &AuthenticatedRunner,
        sandbox: &SandboxId,
        ask: &SubjectAsk,
    ) -> Result<Delegated, DelegationError> {
        let permit = self.permitted(&|| self.registry.permit(runner, sandbox)).await;
        let permit = permit.map_err(DelegationError::Sandbox);
        let decided = permit.and_then(|permit| self.decide_delegation(&permit, ask));
        decided.map_err(|error| self.refuse_delegation(runner, sandbox, error))
    }

    fn decide_delegation(
        &self,
        permit: &Permit,
        ask: &SubjectAsk,
    ) -> Result<Delegated, DelegationError> {
        let own = DelegationError::OwnAssertion;
        let now = self.sound_time().map_err(|fault| own(MintError::Clock(fault)))?;
        let providers = self.providers.now();
        let placed = &permit.placed().sandbox;
        let found = Found::of(&providers, (permit.app(), &placed.id), ask, now)?;
        found.check_assertion(&self.charter.assertion_audiences)?;
        self.ledger.check().map_err(|error| own(MintError::RolledBack(error)))?;
        self.own_id().map_err(own)?;
        let holder = self.minter.svid_id(permit).map_err(own)?;
        let expected = Expectations::exactly(found.svid_audience().clone());
        let assertion = self.own_verifier().verify(&ask.jwt_svid, &expected, now);
        let assertion = assertion.map_err(DelegationError::Assertion)?;
        if !is_of(&assertion, &holder, permit) {
            return Err(DelegationError::AnothersAssertion);
        }
        let holder = (holder, assertion.expires_at());
        Ok(Delegated::of(&found, permit, holder, (ask.credential.clone(), now)))
    }

    /// The coordinator's own assertion for the token service of a delegation, on behalf of the runner that asks.
    pub async fn assert_itself(
        &self,
        runner: &AuthenticatedRunner,
        key: &DelegationKey,
    ) -> Result<MintedToken, DelegationError> {
        let (by, holder) = (self.request(runner.actor()), Holder::Sandbox(key.sandbox().clone()));
        let drafted = self.own_id().and_then(|id| {
            let ring = self.minting_ring(&by)?;
            self.minter.draft_assertion(&ring, (&id, key.svid_audience()), by.now)
        });
        let still =
            || self.registry.permit(runner, key.sandbox()).map(drop).map_err(MintError::Registry);
        let minted = self.gate.pass(by, holder, drafted, still).await;
        minted.map_err(DelegationError::OwnAssertion)
    }

    /// Records that a readdressed token is handed to its runner, if it may still have it.
    pub async fn hand_out(
        &self,
        runner: &AuthenticatedRunner,
        delegation: &Delegation,
        ask: &SubjectAsk,
    ) -> Result<(), DelegationError> {
        let key = delegation.key();
        let event = Event::SubjectTokenExchanged(SubjectTokenExchanged {
            sandbox: key.sandbox().clone(),
            app: delegation.app().clone(),
            spiffe_id: key.holder().clone(),
            provider: key.provider().clone(),
            credential: key.credential().clone(),
            token_endpoint: key.endpoint().clone(),
        });
        let event = AuditEvent::new(self.now(), runner.actor(), event);
        let recorded = match self.ports.audit.record(vec![event]) {
            Ok(recording) => recording.durable().await.map(drop),
            Err(error) => Err(error),
        };
        let outcome = recorded.map_err(DelegationError::Audit).and_then(|()| {
            let permit = self.registry.permit(runner, key.sandbox());
            let permit = permit.map_err(DelegationError::Sandbox)?;
            match self.decide_delegation(&permit, ask)? {
                Delegated::Permitted(now) if now.key() == key => Ok(()),
                // It may end soon: until then it is what it was.
                Delegated::Renewable(renewal)
                    if renewal.key() == key && renewal.meanwhile().is_some() =>
                {
                    Ok(())
                }
                _ => Err(DelegationError::Changed),
            }
        });
        outcome.map_err(|error| self.refuse_delegation(runner, key.sandbox(), error))
    }

    /// Takes a user's token that was renewed.
    pub async fn renew_subject(
        &self,
        renewal: &Arc<Renewal>,
        renewed: &Arc<Renewed>,
    ) -> Result<(), ProvidersError> {
        let renewed = Arc::clone(renewed);
        let (providers, renewal, now) = (self.providers.clone(), Arc::clone(renewal), self.now());
        let renewing = async move { providers.renew(&renewal, &renewed, now).await };
        unbroken(ProvidersError::Interrupted, renewing).await
    }

    /// Whether a user's token is still to be renewed by what it was to be renewed by. What another coordinator did is
    /// heard of first.
    pub async fn is_to_be_renewed(&self, renewal: &Renewal) -> bool {
        self.latest().await;
        let now = self.providers.now();
        let held = now.provider(&renewal.provider).ok();
        let held = held.and_then(|(provider, _)| provider.credentials.get(&renewal.subject));
        held.is_some_and(|held| held.refresh.as_ref() == Some(&renewal.refresh))
    }

    fn own_id(&self) -> Result<SpiffeId, MintError> {
        coordinator_id(self.trust_domain()).map_err(MintError::SpiffeId)
    }

    fn refuse_delegation(
        &self,
        runner: &AuthenticatedRunner,
        sandbox: &SandboxId,
        error: DelegationError,
    ) -> DelegationError {
        let refused = Refused::SubjectToken(Some(sandbox.clone()));
        self.refusals.note(&runner.actor(), refused, reason(error.class(), &error), self.now());
        error
    }
}

/// Whether an assertion was minted for exactly this sandbox, where it is placed now.
fn is_of(assertion: &VerifiedToken, holder: &SpiffeId, permit: &Permit) -> bool {
    let says =
        |name: &str, value: &str| assertion.claim(name).and_then(Value::as_str) == Some(value);
    let (sandbox, app) = (&permit.placed().sandbox, permit.app());
    assertion.subject() == holder.as_str()
        && says("sandbox_id", sandbox.id.as_str())
        && says("app_uid", app.uid.as_str())
        && says("runner_id", sandbox.runner.as_str())
}
