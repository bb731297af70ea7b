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
    let before = looks.iter().map(|look| look.verdict).max();
    let judged: Vec<_> = policy.statements.iter().map(|one| Judged::of(one, &told)).collect();
    for (at, one) in judged.iter().enumerate() {
        let number = at.saturating_add(1);
        let several =
            if judged.len() > 1 { format!("statement {number}: ") } else { String::new() };
        looks.extend(
            one.shown()
                .into_iter()
                .map(|look| Look { what: format!("{several}{}", look.what), ..look }),
        );
    }
    let actions = told.actions().map(|(action, why)| permission(action, why, &judged));
    let actions: Vec<_> = actions.collect();
    let after = actions.iter().map(|look| look.verdict).max();
    looks.extend(actions);
    let verdict = before.max(after).unwrap_or(Verdict::Refuses);
    Ok(Explanation { verdict, looks })
}

/// A statement beside a token.
struct Judged<'a> {
    statement: &'a Statement,
    looks: Vec<Look>,
}

impl<'a> Judged<'a> {
    fn of(statement: &'a Statement, told: &Told<'_>) -> Self {
        let conditions = statement.conditions.iter().map(|condition| condition.look(told));
        let looks = std::iter::once(principal(statement, told)).chain(conditions).collect();
        Self { statement, looks }
    }

    /// Whether it speaks of the token.
    fn verdict(&self) -> Verdict {
        self.looks.iter().map(|look| look.verdict).max().unwrap_or(Verdict::Fits)
    }

    /// Whether it speaks of an action.
    fn concerns(&self, action: &str) -> Verdict {
        let is_it = |named: &String| {
            condition::is_like(&named.to_ascii_lowercase(), &action.to_ascii_lowercase())
        };
        match &self.statement.actions {
            None => Verdict::Unknown,
            Some(actions) if actions.iter().any(is_it) => Verdict::Fits,
            Some(_) => Verdict::Refuses,
        }
    }

    /// What a person is shown of it. Of one that denies, whether it does.
    fn shown(&self) -> Vec<Look> {
        match (self.statement.effect, self.verdict()) {
            (Effect::Allow, _) => self.looks.clone(),
            (Effect::Deny, Verdict::Refuses) => {
                vec![Look::new(Verdict::Fits, "Deny", "it does not speak of this token")]
            }
            (Effect::Deny, _) => {
                vec![Look::new(Verdict::Unknown, "Deny", "it speaks, or may speak, of this token")]
            }
        }
    }
}

/// Whether the token may be used for an action: some statement allows it and none denies it.
fn permission(action: &str, why: &str, judged: &[Judged<'_>]) -> Look {
    let of = |effect: Effect| {
        let those = judged.iter().filter(move |one| one.statement.effect == effect);
        those.map(|one| one.verdict().max(one.concerns(action)))
    };
    let allowed = of(Effect::Allow).min().unwrap_or(Verdict::Refuses);
    let denied = of(Effect::Deny).min().unwrap_or(Verdict::Refuses);
    let what = "Action";
    match (allowed, denied) {
        (_, Verdict::Fits) => {
            Look::new(Verdict::Refuses, what, format!("{action} is denied by a statement"))
        }
        (Verdict::Refuses, _) => {
            let speaks = |one: &Judged<'_>| {
                one.statement.effect == Effect::Allow && one.concerns(action) != Verdict::Refuses
            };
            let found = if judged.iter().any(speaks) {
                format!("{action}: no statement that allows it is for this token")
            } else {
                format!("{action} is not allowed, and {why}")
            };
            Look::new(Verdict::Refuses, what, found)
        }
        (Verdict::Fits, Verdict::Refuses) => Look::new(Verdict::Fits, what, action),
        _ => {
            let found = format!("{action}: whether it is allowed cannot be told");
            Look::new(Verdict::Unknown, what, found)
        }
    }
}

fn principal(statement: &Statement, told: &Told<'_>) -> Look {
    let what = "Principal";
    let Some(provider) = told.provider() else {
        return Look::new(Verdict::Refuses, "iss", "the token has no issuer");
    };
    if statement.anyone {
        return Look::new(Verdict::Fits, what, "anyone");
    }
    if statement.others_than {
        return Look::new(Verdict::Unknown, what, "NotPrincipal is not judged here");
    }
    let suffix = format!(":oidc-provider/{provider}");
    let named = statement.federated.join(", ");
    let Some(arn) = statement.federated.iter().find(|arn| arn.ends_with(&suffix)) else {
        let named = if named.is_empty() { "no provider".to_owned() } else { named };
        let found = format!("the policy names {named}; the token's issuer is …{suffix}");
        return Look::new(Verdict::Refuses, what, found);
    };
    // A role's own account: that of another one has a provider of its own.
    match told.account() {
        Some(account) if !arn.starts_with(&account) => {
            let found = format!("{arn} is of another account than the role, {account}");
            Look::new(Verdict::Refuses, what, found)
        }
        _ => Look::new(Verdict::Fits, what, format!("the provider {provider}")),
    }
}

#[cfg(test)]
mod tests;
