//! Log-in: who is let in by which policy, with which token, and for what.

mod policies;
mod refusals;
mod tokens;

use std::sync::Arc;

use moneyer_authority::login::{
    Effect, KeySource, LocalToken, LoginDomain, LoginError, LoginPlan, Policy, Svid,
};
use moneyer_authority::{Authority, Charter};
use moneyer_identity::spiffe::{SpiffeIdPattern, TrustDomain};
use moneyer_identity::{Lifetime, PolicyName, UnixTime};
use moneyer_testkit::ForeignIssuer;
use serde_json::{Value, json};

use crate::world::{World, charter, operator};

pub(crate) const FOREIGN: &str = "other.example";
pub(crate) const LOGIN: &str = "https://id.example.com/v1/login/spiffe";

/// A cluster at which a foreign trust domain may log in, and its own.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) foreign: ForeignIssuer,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let foreign = ForeignIssuer::new(FOREIGN, "one");
        let world = World::chartered(chartered(&foreign)).await;
        Self { world, foreign }
    }

    fn authority(&self) -> &Authority {
        &self.world.authority
    }

    /// A good JWT-SVID of this workload.
    pub(crate) fn svid(&self, path: &str) -> String {
        svid(&self.foreign, path, self.world.now(), json!({}))
    }

    async fn log_in(&self, path: &str) -> Result<LocalToken, LoginError> {
        self.log_in_for(path, None).await
    }

    async fn log_in_for(&self, path: &str, seconds: Option<u32>) -> Result<LocalToken, LoginError> {
        let svid = self.svid(path);
        log_in(self.authority(), &svid, seconds).await
    }

    pub(crate) async fn put(&self, policy: Policy) {
        self.authority().put_policy(&operator(), policy).await.unwrap();
    }

    async fn remove(&self, name: &str) {
        let name = PolicyName::parse(name).unwrap();
        self.authority().remove_policy(&operator(), name).await.unwrap();
    }
}

pub(crate) fn svid(issuer: &ForeignIssuer, path: &str, now: UnixTime, claims: Value) -> String {
    issuer.jwt_svid((path, LOGIN), now, (json!({}), claims))
}

pub(crate) async fn log_in(
    authority: &Authority,
    svid: &str,
    seconds: Option<u32>,
) -> Result<LocalToken, LoginError> {
    let verified = authority.verify_svid(Svid::Jwt(svid));
    authority.log_in(verified, seconds.map(Lifetime::from_seconds)).await
}

/// Who may log in: this issuer by its keys, and the cluster's own sandboxes. A quarter of an hour.
pub(crate) fn chartered(foreign: &ForeignIssuer) -> Charter {
    let own = domain("id.example.com", KeySource::Bundle);
    let keys = KeySource::Keys(Arc::new(foreign.bundle()));
    let domains = vec![domain(foreign.trust_domain.as_str(), keys), own];
    let login = LoginPlan::new(Lifetime::from_seconds(900), domains).unwrap();
    Charter { login, ..charter() }
}

fn domain(name: &str, keys: KeySource) -> LoginDomain {
    LoginDomain {
        trust_domain: TrustDomain::parse(name).unwrap(),
        keys,
        audiences: Vec::new(),
        algorithms: Vec::new(),
        leeway: std::time::Duration::ZERO,
        issuer: None,
    }
}

pub(crate) fn allow(name: &str, pattern: &str, permissions: &[&str]) -> Policy {
    limited(name, pattern, permissions, None)
}

fn limited(name: &str, pattern: &str, permissions: &[&str], seconds: Option<u32>) -> Policy {
    let permissions = permissions.iter().map(|text| text.parse().unwrap()).collect();
    let maximum_lifetime = seconds.map(Lifetime::from_seconds);
    policy(name, pattern, Effect::Allow { permissions, maximum_lifetime })
}

fn deny(name: &str, pattern: &str) -> Policy {
    policy(name, pattern, Effect::Deny)
}

fn policy(name: &str, pattern: &str, effect: Effect) -> Policy {
    let patterns = vec![SpiffeIdPattern::parse(&format!("spiffe://{pattern}")).unwrap()];
    Policy { name: PolicyName::parse(name).unwrap(), patterns, effect }
}

fn names(token: &LocalToken) -> Vec<&str> {
    token.policies.iter().map(PolicyName::as_str).collect()
}
