//! Why a role's trust policy would refuse a token, claim by claim.
//!
//! What STS is known to do, and no more: first what it asks of every token, then the policy, statement by
//! statement. The token's signature is not looked at; `moneyer token verify` does that. A condition of a
//! kind that is not known here is said to be unknown, and never passed over.

mod condition;
mod policy;
mod token;

use moneyer_identity::{RoleArn, UnixTime};
use serde::Serialize;
use serde_json::Value;

pub(crate) use policy::PolicyError;
use policy::{Effect, Policy, Statement};
use token::Told;

/// What a look at one thing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// It is as it should be.
    Fits,
    /// Whether it fits cannot be told from a token and a policy.
    Unknown,
    /// STS refuses the token for it.
    Refuses,
}

impl Verdict {
    /// As a person reads it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Unknown => "unknown",
            Self::Refuses => "REFUSED",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Look {
    /// What it came to.
    pub(crate) verdict: Verdict,
    /// What was looked at: a claim, or a part of the policy.
    pub(crate) what: String,
    /// What was found, and what would be right.
    pub(crate) found: String,
}

impl Look {
    fn new(verdict: Verdict, what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { verdict, what: what.into(), found: found.into() }
    }
}

/// What would become of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Explanation {
    /// The whole: that of the statement that fits best, and of what is asked of every token.
    pub(crate) verdict: Verdict,
    /// Everything that was looked at, in the order STS does.
    pub(crate) looks: Vec<Look>,
}

/// Explains what a policy does with a token of these claims, at this time, for this role.
pub(crate) fn explain(
    claims: &Value,
    policy: &str,
    role: Option<&RoleArn>,
    now: UnixTime,
) -> Result<Explanation, PolicyError> {
    let policy = Policy::parse(policy)?;
    let told = Told::new(claims, role);
    let mut looks = told.demands(now);
    let before = worst(&looks);
    let (mut allowed, mut denied) = (Verdict::Refuses, Verdict::Fits);
    let count = policy.statements.len();
    for (at, statement) in policy.statements.iter().enumerate() {
        let mut of_it = statement_looks(statement, &told);
        let verdict = worst(&of_it);
        match statement.effect {
            Effect::Allow => allowed = allowed.min(verdict),
            // A denial that fits refuses, and one that does not is nothing to the token.
            Effect::Deny => denied = denied.max(denial(verdict)),
        }
        if count > 1 {
            let number = at.saturating_add(1);
            for look in &mut of_it {
                look.what = format!("statement {number}: {}", look.what);
            }
        }
        looks.extend(of_it);
    }
    if denied == Verdict::Refuses {
        looks.push(Look::new(denied, "Effect", "a statement denies this token"));
    }
    Ok(Explanation { verdict: before.max(allowed).max(denied), looks })
}

fn denial(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Fits => Verdict::Refuses,
        Verdict::Unknown => Verdict::Unknown,
        Verdict::Refuses => Verdict::Fits,
    }
}

fn worst(looks: &[Look]) -> Verdict {
    looks.iter().map(|look| look.verdict).max().unwrap_or(Verdict::Fits)
}

fn statement_looks(statement: &Statement, told: &Told<'_>) -> Vec<Look> {
    let mut looks = vec![principal(statement, told)];
    let actions: Vec<_> = told.actions().collect();
    for (action, why) in actions {
        let is_allowed = statement.actions.iter().any(|allowed| matches_action(allowed, action));
        let (verdict, found) = if is_allowed {
            (Verdict::Fits, action.to_owned())
        } else {
            (Verdict::Refuses, format!("{action} is not allowed, and {why}"))
        };
        looks.push(Look::new(verdict, "Action", found));
    }
    looks.extend(statement.conditions.iter().map(|condition| condition.look(told)));
    looks
}

fn principal(statement: &Statement, told: &Told<'_>) -> Look {
    let Some(provider) = told.provider() else {
        return Look::new(Verdict::Refuses, "iss", "the token has no issuer");
    };
    let suffix = format!(":oidc-provider/{provider}");
    if statement.federated.iter().any(|arn| arn.ends_with(&suffix)) {
        return Look::new(Verdict::Fits, "Principal", format!("the provider {provider}"));
    }
    let named = statement.federated.join(", ");
    let named = if named.is_empty() { "no provider".to_owned() } else { named };
    let found = format!("the policy names {named}; the token's issuer is …{suffix}");
    Look::new(Verdict::Refuses, "Principal", found)
}

fn matches_action(allowed: &str, action: &str) -> bool {
    condition::is_like(&allowed.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
