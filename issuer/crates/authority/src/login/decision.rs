//! Which policy decides about an id: pure.
//!
//! Of every policy its most specific pattern that matches counts, and of these the most specific of all decides.
//! Several policies may have that same pattern: if one of them denies, it is no; else all of them are carried
//! together, and the shortest of their lifetimes holds, which is the usual one for a policy that says none. Less
//! specific policies add nothing: a narrow rule says all there is to say of whom it names.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use moneyer_identity::spiffe::{SpiffeId, SpiffeIdPattern};
use moneyer_identity::{Lifetime, PolicyName};

use super::permission::Permission;
use super::policy::{Effect, Policy};

/// A policy that matches.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Which.
    pub policy: Arc<Policy>,
    /// By which of its patterns.
    pub pattern: SpiffeIdPattern,
    /// Whether it is one of those that decide.
    pub decides: bool,
}

/// What somebody is let in for. Only [`decide`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    policies: Vec<PolicyName>,
    permissions: BTreeSet<Permission>,
    shortest: Option<Lifetime>,
    usual_holds: bool,
}

impl Admission {
    /// The policies that let it in, in the order of their names.
    #[must_use]
    pub fn policies(&self) -> &[PolicyName] {
        &self.policies
    }

    /// What they permit together.
    #[must_use]
    pub fn permissions(&self) -> &BTreeSet<Permission> {
        &self.permissions
    }

    /// The shortest of the longest lives they allow, of which `usual` is that of a policy that says none.
    #[must_use]
    pub fn maximum_lifetime(&self, usual: Lifetime) -> Lifetime {
        let unsaid = self.usual_holds.then_some(usual);
        self.shortest.into_iter().chain(unsaid).min().unwrap_or(usual)
    }
}

/// How it is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is let in.
    Allowed(Admission),
    /// A policy denies it.
    Denied(PolicyName),
    /// No policy names it.
    Unnamed,
}

/// Who decides about an id, and how.
#[derive(Debug, Clone)]
pub struct Decision {
    /// Every policy that matches, the most specific first.
    pub candidates: Vec<Candidate>,
    /// How it is decided.
    pub verdict: Verdict,
}

impl Decision {
    /// What is permitted to a token that names these policies: what those of them permit that decide now. Nothing
    /// where its holder would not be let in.
    #[must_use]
    pub fn permissions_of(&self, carried: &[&str]) -> BTreeSet<Permission> {
        let Verdict::Allowed(_) = &self.verdict else { return BTreeSet::new() };
        let deciding = self.candidates.iter().filter(|candidate| candidate.decides);
        let named = deciding.filter(|one| carried.contains(&one.policy.name.as_str()));
        let permissions = named.flat_map(|candidate| match &candidate.policy.effect {
            Effect::Allow { permissions, .. } => permissions.iter().copied().collect(),
            Effect::Deny => Vec::new(),
        });
        permissions.collect()
    }
}

/// Decides about an id.
#[must_use]
pub fn decide(policies: &[Arc<Policy>], id: &SpiffeId) -> Decision {
    let mut candidates: Vec<_> = policies
        .iter()
        .filter_map(|policy| {
            let pattern = policy.best_match(id)?.clone();
            Some(Candidate { policy: Arc::clone(policy), pattern, decides: false })
        })
        .collect();
    candidates.sort_by(|one, other| {
        let by_name = one.policy.name.cmp(&other.policy.name);
        Reverse(one.pattern.specificity()).cmp(&Reverse(other.pattern.specificity())).then(by_name)
    });
    if let Some(best) = candidates.first().map(|candidate| candidate.pattern.clone()) {
        let deciding = candidates.iter_mut().filter(|candidate| candidate.pattern == best);
        deciding.for_each(|candidate| candidate.decides = true);
    }
    let verdict = verdict(candidates.iter().filter(|one| one.decides).map(|one| &*one.policy));
    Decision { candidates, verdict }
}

fn verdict<'a>(deciding: impl Iterator<Item = &'a Policy>) -> Verdict {
    let mut admission = Admission {
        policies: Vec::new(),
        permissions: BTreeSet::new(),
        shortest: None,
        usual_holds: false,
    };
    for policy in deciding {
        match &policy.effect {
            Effect::Deny => return Verdict::Denied(policy.name.clone()),
            Effect::Allow { permissions, maximum_lifetime } => {
                admission.policies.push(policy.name.clone());
                admission.permissions.extend(permissions);
                admission.usual_holds |= maximum_lifetime.is_none();
                admission.shortest = admission.shortest.into_iter().chain(*maximum_lifetime).min();
            }
        }
    }
    if admission.policies.is_empty() { Verdict::Unnamed } else { Verdict::Allowed(admission) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, patterns: &[&str], effect: Effect) -> Arc<Policy> {
        let patterns = patterns.iter().map(|text| SpiffeIdPattern::parse(text).unwrap()).collect();
        Arc::new(Policy { name: PolicyName::parse(name).unwrap(), patterns, effect })
    }

    fn allow(permissions: &[&str], lifetime: Option<u32>) -> Effect {
        Effect::Allow {
            permissions: permissions.iter().map(|text| text.parse().unwrap()).collect(),
            maximum_lifetime: lifetime.map(Lifetime::from_seconds),
        }
    }

    fn said(policies: &[Arc<Policy>], id: &str) -> String {
        match decide(policies, &SpiffeId::parse(id).unwrap()).verdict {
            Verdict::Allowed(admission) => {
                let names: Vec<_> = admission.policies.iter().map(PolicyName::as_str).collect();
                names.join(",")
            }
            Verdict::Denied(by) => format!("denied by {by}"),
            Verdict::Unnamed => "unnamed".to_owned(),
        }
    }

    #[test]
    fn the_most_specific_pattern_decides_and_nothing_is_added_to_it() {
        let policies = [
            policy("everyone", &["spiffe://a.example/**"], allow(&["*:read"], None)),
            policy("builds", &["spiffe://a.example/ci/*"], allow(&["apps:write"], None)),
            policy("rogue", &["spiffe://a.example/ci/rogue"], Effect::Deny),
            policy("exact", &["spiffe://a.example/ci/deploy"], allow(&["keys:write"], None)),
        ];
        for (id, expected) in [
            ("spiffe://a.example/x/y", "everyone"),
            ("spiffe://a.example/ci/one", "builds"),
            ("spiffe://a.example/ci/deploy", "exact"),
            ("spiffe://a.example/ci/rogue", "denied by rogue"),
            ("spiffe://a.example/ci/rogue/deeper", "everyone"),
            ("spiffe://b.example/ci/one", "unnamed"),
        ] {
            assert_eq!(said(&policies, id), expected, "{id}");
        }
        let id = SpiffeId::parse("spiffe://a.example/ci/deploy").unwrap();
        let decision = decide(&policies, &id);
        let order: Vec<_> = decision
            .candidates
            .iter()
            .map(|candidate| (candidate.policy.name.as_str(), candidate.decides))
            .collect();
        assert_eq!(order, [("exact", true), ("builds", false), ("everyone", false)]);
        let Verdict::Allowed(admission) = decision.verdict else { panic!() };
        assert_eq!(admission.permissions, BTreeSet::from(["keys:write".parse().unwrap()]));
    }

    #[test]
    fn of_policies_with_the_same_pattern_a_denial_wins_and_the_shortest_life_holds() {
        let pattern = &["spiffe://a.example/ci/*"];
        let mut policies = vec![
            policy("long", pattern, allow(&["apps:read"], Some(3600))),
            policy("short", pattern, allow(&["apps:write"], Some(600))),
            policy("unsaid", pattern, allow(&[], None)),
        ];
        let id = SpiffeId::parse("spiffe://a.example/ci/one").unwrap();
        let at_most = |policies: &[Arc<Policy>], usual: u32| match decide(policies, &id).verdict {
            Verdict::Allowed(admission) => {
                admission.maximum_lifetime(Lifetime::from_seconds(usual)).seconds()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(at_most(&policies, 900), 600);
        // A policy that says none allows what is usual, and no more in the company of one that says more.
        assert_eq!(at_most(&policies, 300), 300);
        let [long, short, unsaid] = [0, 1, 2].map(|at: usize| vec![policies[at].clone()]);
        assert_eq!([&long, &short, &unsaid].map(|one| at_most(one, 900)), [3600, 600, 900]);
        assert_eq!(at_most(&[long, unsaid].concat(), 900), 900);
        assert_eq!(said(&policies, id.as_str()), "long,short,unsaid");
        policies.push(policy("zz", &["spiffe://a.example/**", pattern[0]], Effect::Deny));
        assert_eq!(said(&policies, id.as_str()), "denied by zz");
        assert_eq!(said(&policies, "spiffe://a.example/other"), "denied by zz");
    }

    #[test]
    fn a_token_permits_what_those_of_its_policies_permit_that_decide_now() {
        let pattern = &["spiffe://a.example/ci/*"];
        let id = SpiffeId::parse("spiffe://a.example/ci/one").unwrap();
        let mut policies = vec![
            policy("one", pattern, allow(&["apps:read"], None)),
            policy("two", pattern, allow(&["apps:write"], None)),
        ];
        let permits = |policies: &[Arc<Policy>], carried: &[&str]| {
            let permissions = decide(policies, &id).permissions_of(carried);
            permissions.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(permits(&policies, &["one"]), ["apps:read"]);
        assert_eq!(permits(&policies, &["one", "two"]), ["apps:read", "apps:write"]);
        assert!(permits(&policies, &["other"]).is_empty());
        // Narrower policies take over, and what denies takes everything.
        policies.push(policy("narrow", &[id.as_str()], allow(&["*:read"], None)));
        assert!(permits(&policies, &["one", "two"]).is_empty());
        policies.push(policy("no", &[id.as_str()], Effect::Deny));
        assert!(permits(&policies, &["narrow"]).is_empty());
    }

    #[test]
    fn without_a_policy_nobody_is_let_in() {
        assert_eq!(said(&[], "spiffe://a.example/x"), "unnamed");
    }
}
