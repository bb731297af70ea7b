//! The JSON of policies. The command line reads the same types.

use std::collections::BTreeSet;

use moneyer_authority::login::{
    Candidate, Decision, Effect, LoginPlan, Permission, Policy, Verdict,
};
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdPattern};
use moneyer_identity::{Lifetime, PolicyName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What it means to be named by a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EffectName {
    /// To be let in.
    Allow,
    /// To be refused.
    Deny,
}

/// What is said of a policy.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyBody {
    /// Whom it is about.
    pub(crate) patterns: Vec<SpiffeIdPattern>,
    pub(crate) effect: EffectName,
    /// For `allow`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) permissions: BTreeSet<Permission>,
    /// Seconds, for `allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maximum_lifetime: Option<Lifetime>,
}

impl PolicyBody {
    /// The policy it says, or what it says that a denial cannot.
    pub(crate) fn policy(self, name: PolicyName) -> Result<Policy, String> {
        let Self { patterns, effect, permissions, maximum_lifetime } = self;
        let effect = match effect {
            EffectName::Allow => Effect::Allow { permissions, maximum_lifetime },
            EffectName::Deny if permissions.is_empty() && maximum_lifetime.is_none() => {
                Effect::Deny
            }
            EffectName::Deny => {
                return Err("a policy that denies permits nothing and gives no token: leave out \
                            permissions and maximum_lifetime"
                    .to_owned());
            }
        };
        Ok(Policy { name, patterns, effect })
    }
}

/// A policy.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct PolicyView {
    pub(crate) name: PolicyName,
    pub(crate) patterns: Vec<SpiffeIdPattern>,
    pub(crate) effect: EffectName,
    pub(crate) permissions: BTreeSet<Permission>,
    /// Seconds.
    pub(crate) maximum_lifetime: Option<Lifetime>,
}

impl From<&Policy> for PolicyView {
    fn from(policy: &Policy) -> Self {
        let (effect, permissions, maximum_lifetime) = match &policy.effect {
            Effect::Allow { permissions, maximum_lifetime } => {
                (EffectName::Allow, permissions.clone(), *maximum_lifetime)
            }
            Effect::Deny => (EffectName::Deny, BTreeSet::new(), None),
        };
        let (name, patterns) = (policy.name.clone(), policy.patterns.clone());
        Self { name, patterns, effect, permissions, maximum_lifetime }
    }
}

/// How it is decided about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerdictName {
    /// It is let in.
    Allowed,
    /// A policy denies it.
    Denied,
    /// No policy names it.
    Unnamed,
    /// Its trust domain may not log in.
    UnknownDomain,
}

/// A policy that matches an id.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CandidateView {
    pub(crate) policy: PolicyName,
    /// By which of its patterns.
    pub(crate) pattern: SpiffeIdPattern,
    pub(crate) effect: EffectName,
    /// Whether it is one of those that decide.
    pub(crate) decides: bool,
}

impl From<&Candidate> for CandidateView {
    fn from(candidate: &Candidate) -> Self {
        let effect = match candidate.policy.effect {
            Effect::Allow { .. } => EffectName::Allow,
            Effect::Deny => EffectName::Deny,
        };
        Self {
            policy: candidate.policy.name.clone(),
            pattern: candidate.pattern.clone(),
            effect,
            decides: candidate.decides,
        }
    }
}

/// Who decides about an id, and how.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DecisionView {
    pub(crate) spiffe_id: SpiffeId,
    pub(crate) verdict: VerdictName,
    /// Every policy that matches, the most specific first.
    pub(crate) candidates: Vec<CandidateView>,
    /// What its token names, where it is let in.
    pub(crate) policies: Vec<PolicyName>,
    pub(crate) permissions: BTreeSet<Permission>,
    /// Seconds, where it is let in.
    pub(crate) maximum_lifetime: Option<Lifetime>,
}

impl DecisionView {
    /// By these decisions and this plan.
    pub(crate) fn of(spiffe_id: SpiffeId, decision: &Decision, plan: &LoginPlan) -> Self {
        let may_log_in = plan.find(spiffe_id.trust_domain()).is_some();
        let candidates = decision.candidates.iter().map(CandidateView::from).collect();
        let nothing = Self {
            spiffe_id,
            verdict: VerdictName::UnknownDomain,
            candidates,
            policies: Vec::new(),
            permissions: BTreeSet::new(),
            maximum_lifetime: None,
        };
        match &decision.verdict {
            _ if !may_log_in => nothing,
            Verdict::Allowed(admission) => Self {
                verdict: VerdictName::Allowed,
                policies: admission.policies().to_vec(),
                permissions: admission.permissions().clone(),
                maximum_lifetime: Some(admission.maximum_lifetime(plan.lifetime())),
                ..nothing
            },
            Verdict::Denied(_) => Self { verdict: VerdictName::Denied, ..nothing },
            Verdict::Unnamed => Self { verdict: VerdictName::Unnamed, ..nothing },
        }
    }
}
