//! Log-in, the tokens it gives, and the policies it is decided by.
//!
//! To verify an SVID and to let its holder in are two steps: between them a caller may fetch newer authorities
//! and verify once more. Whatever comes of it is recorded by the second.

use std::collections::BTreeSet;
use std::sync::Arc;

use moneyer_identity::spiffe::{SpiffeId, TrustBundle};
use moneyer_identity::{
    Audience, Expectations, KeySet, Lifetime, LifetimeRange, UnixTime, VerifiedToken, Verifier,
    VerifyError, error_chain,
};
use serde_json::Value;

use super::open::Authority;
use crate::audit::{Actor, Holder, Refused, reason};
use crate::enrollment::{AuthenticateError, AuthenticatedOperator, Places as _};
use crate::fetched_keys::FetchedKeys;
use crate::login::{
    Admission, Decision, Effect, KeySource, LOGIN_PATH, LocalToken, LoginDomain, LoginError,
    LoginPlan, Permission, Policies, PoliciesError, Policy, Svid, Verdict, VerifiedLogin,
};
use crate::mint::MintError;
use crate::unbroken::unbroken;

impl Authority {
    /// Whose workloads may log in.
    #[must_use]
    pub fn login_plan(&self) -> &LoginPlan {
        &self.charter.login
    }

    /// The key sets that were fetched for log-in.
    #[must_use]
    pub fn login_keys(&self) -> &FetchedKeys<TrustBundle> {
        &self.login_keys
    }

    /// The policies.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// Makes a policy, or says anew what it is.
    pub async fn put_policy(
        &self,
        by: &AuthenticatedOperator,
        policy: Policy,
    ) -> Result<(), PoliciesError> {
        if let Effect::Allow { maximum_lifetime: Some(lifetime), .. } = &policy.effect {
            let lifetimes = self.charter.policy.lifetimes();
            lifetimes.choose(Some(*lifetime)).map_err(PoliciesError::Lifetime)?;
        }
        let (policies, who) = (self.policies.clone(), by.actor());
        unbroken(PoliciesError::Interrupted, async move { policies.put(&who, policy).await }).await
    }

    /// Removes a policy.
    pub async fn remove_policy(
        &self,
        by: &AuthenticatedOperator,
        name: moneyer_identity::PolicyName,
    ) -> Result<(), PoliciesError> {
        let (policies, who) = (self.policies.clone(), by.actor());
        unbroken(PoliciesError::Interrupted, async move { policies.remove(&who, &name).await })
            .await
    }

    /// The audiences of which JWT-SVIDs for a log-in name one, where their trust domain has none of its own.
    #[must_use]
    pub fn login_audiences(&self) -> Vec<String> {
        let path = |issuer: &moneyer_identity::IssuerUrl| format!("{issuer}{LOGIN_PATH}");
        self.issuers.list().all().map(path).collect()
    }

    /// Whose SVID it is, by the authorities and the rules of this moment. Nobody is let in by it yet.
    pub fn verify_svid(&self, svid: Svid<'_>) -> Result<VerifiedLogin, LoginError> {
        let now = self.now();
        let bundle = |domain: &LoginDomain| self.login_bundle(domain, now);
        svid.verify(self.login_plan(), bundle, self.login_audiences(), now)
    }

    pub(super) fn login_bundle(
        &self,
        domain: &LoginDomain,
        now: UnixTime,
    ) -> Option<Arc<TrustBundle>> {
        match &domain.keys {
            KeySource::Keys(keys) => Some(Arc::clone(keys)),
            KeySource::Url { .. } => self.login_keys.find(domain.trust_domain.as_str(), now),
            KeySource::Bundle => self.trust_bundles().find(&domain.trust_domain).cloned(),
        }
    }

    /// Lets in who was verified, if a policy does, with a token of this cluster. Refusals are recorded, those of
    /// who was not verified too.
    pub async fn log_in(
        &self,
        verified: Result<VerifiedLogin, LoginError>,
        lifetime: Option<Lifetime>,
    ) -> Result<LocalToken, LoginError> {
        let verified = verified.map_err(|error| {
            let who = error.about().cloned().map_or(Actor::Nobody, Actor::Workload);
            self.refuse_login(&who, error)
        })?;
        let id = verified.id();
        let who = Actor::Workload(id.clone());
        let admitted = self.admit(id).and_then(|admission| {
            let lifetime = self.login_lifetime(&admission, lifetime)?;
            Ok((admission, lifetime))
        });
        let (admission, lifetime) = admitted.map_err(|error| self.refuse_login(&who, error))?;
        let by = self.request(who);
        let drafted = self
            .minting_ring(&by)
            .and_then(|ring| self.minter.draft_login(&ring, (id, &admission), lifetime, by.now));
        let still = || match self.admit(id) {
            Ok(now) if now == admission => Ok(()),
            _ => Err(MintError::Policies),
        };
        let minted = self.gate.pass(by, Holder::Caller, drafted, still).await;
        let minted = minted.map_err(LoginError::Mint)?;
        Ok(LocalToken { minted, id: id.clone(), policies: admission.policies().to_vec() })
    }

    /// Who decides about an id, and how, at this moment.
    #[must_use]
    pub fn decide_login(&self, id: &SpiffeId) -> Decision {
        self.policies.decide(id)
    }

    /// What an id is let in for. Who comes of a trust domain that may not log in is not let in, whatever policies
    /// say.
    fn admit(&self, id: &SpiffeId) -> Result<Admission, LoginError> {
        if self.login_plan().find(id.trust_domain()).is_none() {
            return Err(LoginError::UnknownDomain(id.trust_domain().clone()));
        }
        if !self.policies.are_known() {
            return Err(LoginError::Unreadable);
        }
        match self.policies.decide(id).verdict {
            Verdict::Allowed(admission) => Ok(admission),
            Verdict::Denied(policy) => Err(LoginError::Denied { id: id.clone(), policy }),
            Verdict::Unnamed => Err(LoginError::Unnamed(id.clone())),
        }
    }

    /// The lifetime that is asked for or the usual one, within what tokens and policies allow.
    fn login_lifetime(
        &self,
        admission: &Admission,
        asked: Option<Lifetime>,
    ) -> Result<Lifetime, LoginError> {
        let every = *self.charter.policy.lifetimes();
        let usual = self.login_plan().lifetime();
        let maximum = admission.maximum_lifetime(usual);
        let maximum = maximum.clamp(every.minimum(), every.maximum());
        let range =
            LifetimeRange::new(every.minimum(), usual.clamp(every.minimum(), maximum), maximum);
        let range = range.map_err(LoginError::Lifetime)?;
        range.choose(asked).map_err(LoginError::Lifetime)
    }

    fn refuse_login(&self, who: &Actor, error: LoginError) -> LoginError {
        self.note_workload(who, Refused::Login, reason(error.class(), &error));
        error
    }

    /// One trust domain can make as many ids as it likes, and still has one share of the log.
    fn note_workload(&self, who: &Actor, refused: Refused, why: (&'static str, String)) {
        let together = match who {
            Actor::Workload(id) => Actor::TrustDomain(id.trust_domain().clone()),
            other => other.clone(),
        };
        self.refusals.note_together(&together, who, refused, why, self.now());
    }

    /// Who shows a token of a log-in, if it is permitted this at this moment: by a policy that its token names and
    /// that still decides about its id.
    pub fn authenticate_token(
        &self,
        token: &str,
        asked: Permission,
    ) -> Result<AuthenticatedOperator, AuthenticateError> {
        let refuse = |who: &Actor, error: AuthenticateError| {
            self.note_workload(who, Refused::Request, reason(error.class(), &error));
            error
        };
        let token = self
            .check_policies()
            .and_then(|()| self.verify_own(token).map_err(AuthenticateError::Token))
            .map_err(|error| refuse(&Actor::Nobody, error))?;
        let login = login_of(&token).ok_or(AuthenticateError::NotALogin);
        let (id, policies) = login.map_err(|error| refuse(&Actor::Nobody, error))?;
        let permissions = match self.login_plan().find(id.trust_domain()) {
            Some(_) => self.policies.decide(&id).permissions_of(&policies),
            None => BTreeSet::new(),
        };
        let who = Actor::Workload(id.clone());
        AuthenticatedOperator::permitted(id, &permissions, asked)
            .map_err(|error| refuse(&who, error))
    }

    /// Who shows an SVID in the handshake with the management API itself, if it is permitted this at this moment: by the
    /// policies that a token of its log-in would name.
    pub fn authenticate_svid(
        &self,
        shown: Svid<'_>,
        asked: Permission,
    ) -> Result<AuthenticatedOperator, AuthenticateError> {
        let refuse = |who: &Actor, error: AuthenticateError| {
            self.note_workload(who, Refused::Request, reason(error.class(), &error));
            error
        };
        self.check_policies().map_err(|error| refuse(&Actor::Nobody, error))?;
        let login = self.verify_svid(shown).and_then(|verified| {
            let admission = self.admit(verified.id())?;
            Ok((verified.id().clone(), admission))
        });
        let (id, admission) = login.map_err(|error| {
            let who = error.about().cloned().map_or(Actor::Nobody, Actor::Workload);
            let (class, reason) = (error.class(), error_chain(&error));
            refuse(&who, AuthenticateError::Svid { class, reason })
        })?;
        let who = Actor::Workload(id.clone());
        AuthenticatedOperator::permitted(id, admission.permissions(), asked)
            .map_err(|error| refuse(&who, error))
    }

    /// That it is known here what policies permit.
    fn check_policies(&self) -> Result<(), AuthenticateError> {
        self.check_rights()?;
        if self.policies.are_known() { Ok(()) } else { Err(AuthenticateError::Apart) }
    }

    /// Verifies tokens of this cluster, by any issuer that live tokens name and the keys of this moment.
    pub(super) fn own_verifier(&self) -> Verifier {
        let issuers = self.issuers.list();
        let keys: KeySet = self.keys.ring().key_set().clone();
        let previous = issuers.previous().iter().map(|previous| previous.issuer.clone());
        Verifier::new(issuers.current().clone(), keys).with_previous(previous)
    }

    /// A token of this cluster for itself, by any issuer that live tokens name.
    fn verify_own(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        let (issuers, now, verifier) = (self.issuers.list(), self.now(), self.own_verifier());
        let mut outcome = Err(VerifyError::Audience);
        for issuer in issuers.all() {
            let Ok(audience) = Audience::parse(issuer.as_str()) else { continue };
            outcome = verifier.verify(token, &Expectations::exactly(audience), now);
            if !matches!(outcome, Err(VerifyError::Audience)) {
                break;
            }
        }
        outcome
    }
}

/// Whose log-in a token is, and by which policies.
fn login_of(token: &VerifiedToken) -> Option<(SpiffeId, Vec<&str>)> {
    let text = |name: &str| token.claim(name).and_then(Value::as_str);
    if text("identity_type") != Some("workload") {
        return None;
    }
    let id = SpiffeId::parse(text("spiffe_id")?).ok()?;
    let policies = token.claim("policies")?.as_array()?;
    Some((id, policies.iter().filter_map(Value::as_str).collect()))
}
