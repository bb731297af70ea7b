//! A role's trust policy, as far as it speaks of tokens (IAM JSON policy language).

use serde_json::{Map, Value};

use super::condition::Condition;

/// Why a text is no trust policy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// It is no JSON.
    #[error("the policy is no JSON")]
    Json(#[source] serde_json::Error),
    /// It has no statement.
    #[error("the policy has no Statement with an Effect of Allow or Deny; a trust policy has one")]
    NoStatement,
}

/// Whether a statement allows or denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// One statement.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    /// ARNs of providers.
    pub(super) federated: Vec<String>,
    /// Whether it speaks of everybody.
    pub(super) anyone: bool,
    /// Whether it speaks of all but those it names.
    pub(super) others_than: bool,
    /// `None`: it speaks of all but those it names.
    pub(super) actions: Option<Vec<String>>,
    pub(super) conditions: Vec<Condition>,
}

/// A policy.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) statements: Vec<Statement>,
}

impl Policy {
    pub(super) fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Value = serde_json::from_str(text).map_err(PolicyError::Json)?;
        let statements = match policy.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        };
        let statements: Vec<_> = statements.into_iter().filter_map(statement).collect();
        if statements.is_empty() {
            return Err(PolicyError::NoStatement);
        }
        Ok(Self { statements })
    }
}

fn statement(value: &Value) -> Option<Statement> {
    let effect = match value.get("Effect")?.as_str()? {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        _ => return None,
    };
    let principal = value.get("Principal");
    let federated = strings(principal.and_then(|principal| principal.get("Federated")));
    let of_aws = strings(principal.and_then(|principal| principal.get("AWS")));
    let all = federated.iter().chain(&of_aws).any(|named| named == "*");
    let operators = value.get("Condition").and_then(Value::as_object);
    let conditions = operators.into_iter().flatten().flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flat_map(Map::iter);
        keys.map(move |(key, expected)| Condition::new(operator, key, strings(Some(expected))))
    });
    Some(Statement {
        effect,
        anyone: all || principal.and_then(Value::as_str) == Some("*"),
        others_than: value.get("NotPrincipal").is_some(),
        federated,
        actions: value.get("NotAction").is_none().then(|| strings(value.get("Action"))),
        conditions: conditions.collect(),
    })
}

/// One string or several; a number or a truth value as IAM writes it.
pub(super) fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(values)) => {
            values.iter().flat_map(|value| strings(Some(value))).collect()
        }
        Some(other) => vec![other.to_string()],
    }
}
