//! What a client gets for what it asks for: pure.
//!
//! The client's own mapping decides, else that of its namespace; one that is switched off or over refuses, and
//! nothing less specific takes its place. Every scope that is asked for has to be in it, and so has every audience;
//! without an audience the usual one has to be. Claims of two scopes under one name are joined if both are texts (with
//! a blank, as in `scope`) or both are lists, are one if they are equal, and else refuse the request.

use std::collections::BTreeSet;
use std::sync::Arc;

use moneyer_identity::{Audience, AudienceError, Audiences, Lifetime, UnixTime};
use serde_json::{Map, Value};

use super::catalog::Catalog;
use super::client::ClientIdentifier;
use super::context::ParticipantContext;
use super::mapping::ResourceMapping;
use super::scope::{ScopeName, is_reserved};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeAsk {
    /// Whom the token is to speak for.
    pub context: ParticipantContext,
    /// The scopes.
    pub scopes: BTreeSet<ScopeName>,
    /// The audiences. Empty: the usual one.
    pub audiences: Vec<Audience>,
}

/// What holds for every exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The audience where none is asked for.
    pub audience: Audience,
    /// Most audiences in one token.
    pub maximum_audiences: usize,
    /// How long a token lives where its mapping says nothing.
    pub lifetime: Lifetime,
}

/// Why nothing is granted: for logs, audit records and operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    /// Neither the client nor its namespace has a mapping in this context.
    #[error("{client} has no mapping for {context}")]
    NoMapping {
        /// Who asks.
        client: ClientIdentifier,
        /// For which context.
        context: ParticipantContext,
    },
    /// Its mapping is switched off.
    #[error("the mapping is not enabled")]
    Disabled,
    /// Its mapping is over.
    #[error("the mapping has ended")]
    Ended,
    /// It is not the service account that the mapping is for.
    #[error("the mapping is for another service account of the same name")]
    OtherAccount,
    /// A scope is not in the mapping.
    #[error("the scope {0} is not one of the mapping's")]
    Scope(ScopeName),
    /// Two scopes say different things of one claim.
    #[error("two scopes disagree about the claim {0}")]
    Clash(String),
    /// An audience is not in the mapping.
    #[error("the audience {0} is not one of the mapping's")]
    Audience(Audience),
    /// The audiences cannot stand in one token.
    #[error("the audiences cannot stand in one token")]
    Audiences(#[source] AudienceError),
}

/// What a token may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The mapping that decided.
    pub mapping: Arc<ResourceMapping>,
    /// The audiences.
    pub audiences: Audiences,
    /// The scopes that were asked for and are granted.
    pub scopes: BTreeSet<ScopeName>,
    /// What they stand for.
    pub claims: Map<String, Value>,
    /// Longest life, before that of the proof is looked at.
    pub lifetime: Lifetime,
}

impl Catalog {
    /// What a client gets, if it gets anything. `account` is the uid of its service account, where it has one.
    pub fn grant(
        &self,
        (client, account): (&ClientIdentifier, Option<&str>),
        ask: &ExchangeAsk,
        rules: &Rules,
        now: UnixTime,
    ) -> Result<Grant, NotGranted> {
        let mapping = self.deciding(client, &ask.context).ok_or_else(|| NotGranted::NoMapping {
            client: client.clone(),
            context: ask.context.clone(),
        })?;
        if !mapping.enabled {
            return Err(NotGranted::Disabled);
        }
        if mapping.expires_at.is_some_and(|end| end <= now) {
            return Err(NotGranted::Ended);
        }
        let pinned = mapping.service_account_uid.as_deref();
        if pinned.is_some_and(|pinned| account != Some(pinned)) {
            return Err(NotGranted::OtherAccount);
        }
        if let Some(scope) = ask.scopes.iter().find(|scope| !mapping.scopes.contains(*scope)) {
            return Err(NotGranted::Scope(scope.clone()));
        }
        let claims = self.claims(&ask.scopes, &ask.context)?;
        let audiences = audiences(mapping, ask, rules)?;
        Ok(Grant {
            mapping: Arc::clone(mapping),
            audiences,
            scopes: ask.scopes.clone(),
            claims,
            lifetime: mapping.token_lifetime.unwrap_or(rules.lifetime),
        })
    }

    fn claims(
        &self,
        scopes: &BTreeSet<ScopeName>,
        context: &ParticipantContext,
    ) -> Result<Map<String, Value>, NotGranted> {
        let mut claims = Map::new();
        for mapping in scopes.iter().filter_map(|scope| self.claims_of(scope, context)) {
            // A name may have become the coordinator's since it was written.
            let own = mapping.claims.iter().filter(|(name, _)| !is_reserved(name));
            for (name, value) in own {
                let both = match claims.remove(name) {
                    None => Some(value.clone()),
                    Some(before) => joined(before, value),
                };
                let both = both.ok_or_else(|| NotGranted::Clash(name.clone()))?;
                claims.insert(name.clone(), both);
            }
        }
        Ok(claims)
    }
}

/// One value of two, if there is one.
fn joined(before: Value, value: &Value) -> Option<Value> {
    match (before, value) {
        (before, value) if before == *value => Some(before),
        (Value::String(before), Value::String(text)) => Some(format!("{before} {text}").into()),
        (Value::Array(mut before), Value::Array(more)) => {
            let news: Vec<_> = more.iter().filter(|one| !before.contains(one)).cloned().collect();
            before.extend(news);
            Some(Value::Array(before))
        }
        _ => None,
    }
}

fn audiences(
    mapping: &ResourceMapping,
    ask: &ExchangeAsk,
    rules: &Rules,
) -> Result<Audiences, NotGranted> {
    let usual = [rules.audience.clone()];
    let asked = if ask.audiences.is_empty() { &usual[..] } else { &ask.audiences };
    let allowed = |audience: &Audience| {
        let listed = mapping.audiences.contains(audience);
        listed || (mapping.audiences.is_empty() && *audience == rules.audience)
    };
    if let Some(refused) = asked.iter().find(|audience| !allowed(audience)) {
        return Err(NotGranted::Audience(refused.clone()));
    }
    Audiences::several(asked.to_vec(), rules.maximum_audiences).map_err(NotGranted::Audiences)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exchange::catalog::Kept;
    use crate::exchange::scope::ScopeMapping;
    use crate::store::Generation;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn catalog(mappings: &[Value], scopes: &[Value]) -> Catalog {
        let mut catalog = Catalog::default();
        for value in mappings {
            let mapping: ResourceMapping = serde_json::from_value(value.clone()).unwrap();
            let key = mapping.key();
            let kept = Kept { value: Arc::new(mapping), revision: Generation(1) };
            catalog.mappings.insert(key, kept);
        }
        for value in scopes {
            let scope: ScopeMapping = serde_json::from_value(value.clone()).unwrap();
            let key = scope.key();
            catalog.scopes.insert(key, Kept { value: Arc::new(scope), revision: Generation(1) });
        }
        catalog
    }

    fn mapping(client: &str, more: &Value) -> Value {
        let mut mapping = json!({
            "clientIdentifier": client, "participantContext": "pc1", "scopes": ["read", "write"],
        });
        mapping.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        mapping
    }

    fn ask(scopes: &[&str], audiences: &[&str]) -> ExchangeAsk {
        ExchangeAsk {
            context: ParticipantContext::parse("pc1").unwrap(),
            scopes: scopes.iter().map(|text| ScopeName::parse(text).unwrap()).collect(),
            audiences: audiences.iter().map(|text| Audience::parse(text).unwrap()).collect(),
        }
    }

    fn rules() -> Rules {
        Rules {
            audience: Audience::parse("usual").unwrap(),
            maximum_audiences: 2,
            lifetime: Lifetime::from_seconds(3600),
        }
    }

    const ONE: &str = "system:serviceaccount:ns:one";
    const EVERY: &str = "system:serviceaccount:ns:*";

    fn grant(catalog: &Catalog, ask: &ExchangeAsk) -> Result<Grant, NotGranted> {
        let client = ClientIdentifier::parse(ONE).unwrap();
        catalog.grant((&client, Some("uid-1")), ask, &rules(), NOW)
    }

    #[test]
    fn a_clients_own_mapping_decides_before_that_of_its_namespace() {
        let every = mapping(EVERY, &json!({ "scopes": ["every"] }));
        let of_namespace = catalog(std::slice::from_ref(&every), &[]);
        let granted = grant(&of_namespace, &ask(&["every"], &[])).unwrap();
        assert_eq!(granted.mapping.client_identifier.as_str(), EVERY);
        let both = catalog(&[every.clone(), mapping(ONE, &json!({}))], &[]);
        assert!(grant(&both, &ask(&["read"], &[])).is_ok());
        let refused = grant(&both, &ask(&["every"], &[])).unwrap_err();
        assert_eq!(refused, NotGranted::Scope(ScopeName::parse("every").unwrap()));
        for (more, why) in [
            (json!({ "enabled": false }), NotGranted::Disabled),
            (json!({ "expiresAt": NOW.0 }), NotGranted::Ended),
            (json!({ "serviceAccountUid": "uid-2" }), NotGranted::OtherAccount),
        ] {
            let switched_off = catalog(&[every.clone(), mapping(ONE, &more)], &[]);
            assert_eq!(grant(&switched_off, &ask(&[], &[])).unwrap_err(), why, "{more}");
        }
        let good = json!({ "expiresAt": NOW.0 + 1, "serviceAccountUid": "uid-1" });
        assert!(grant(&catalog(&[mapping(ONE, &good)], &[]), &ask(&[], &[])).is_ok());
    }

    #[test]
    fn without_a_mapping_in_this_context_there_is_nothing() {
        let other = mapping(ONE, &json!({ "participantContext": "pc2" }));
        let refused = grant(&catalog(&[other], &[]), &ask(&[], &[])).unwrap_err();
        assert!(matches!(refused, NotGranted::NoMapping { .. }));
        let elsewhere = mapping("west/system:serviceaccount:ns:one", &json!({}));
        assert!(grant(&catalog(&[elsewhere], &[]), &ask(&[], &[])).is_err());
    }

    #[test]
    fn scopes_stand_for_claims_and_none_is_given_unasked() {
        let scopes = [
            json!({ "scope": "read", "claims": { "scope": "r", "roles": ["a"], "n": 1 } }),
            json!({ "scope": "write", "claims": { "scope": "w", "roles": ["a", "b"], "n": 1 } }),
            json!({ "scope": "write", "participantContext": "pc2", "claims": { "n": 7 } }),
        ];
        let catalog = catalog(&[mapping(ONE, &json!({}))], &scopes);
        assert!(grant(&catalog, &ask(&[], &[])).unwrap().claims.is_empty());
        let both = grant(&catalog, &ask(&["read", "write"], &[])).unwrap().claims;
        assert_eq!(Value::Object(both), json!({ "scope": "r w", "roles": ["a", "b"], "n": 1 }));
    }

    #[test]
    fn a_scope_of_the_context_stands_in_the_place_of_that_for_everyone() {
        let scopes = [
            json!({ "scope": "read", "claims": { "a": 1, "b": 1 } }),
            json!({ "scope": "read", "participantContext": "pc1", "claims": { "a": 2 } }),
        ];
        let catalog = catalog(&[mapping(ONE, &json!({}))], &scopes);
        let claims = grant(&catalog, &ask(&["read"], &[])).unwrap().claims;
        assert_eq!(Value::Object(claims), json!({ "a": 2 }));
    }

    #[test]
    fn scopes_that_disagree_refuse_and_what_is_the_coordinators_is_left_out() {
        let clash = |one: Value, two: Value| {
            let scopes = [
                json!({ "scope": "read", "claims": { "x": one } }),
                json!({ "scope": "write", "claims": { "x": two } }),
            ];
            grant(&catalog(&[mapping(ONE, &json!({}))], &scopes), &ask(&["read", "write"], &[]))
        };
        for (one, two) in [(json!(1), json!(2)), (json!("a"), json!(["a"])), (json!({}), json!([]))]
        {
            assert_eq!(clash(one, two).unwrap_err(), NotGranted::Clash("x".to_owned()));
        }
        let scopes = [json!({ "scope": "read", "claims": { "sub": "forged", "y": 1 } })];
        let claims = grant(&catalog(&[mapping(ONE, &json!({}))], &scopes), &ask(&["read"], &[]));
        assert_eq!(Value::Object(claims.unwrap().claims), json!({ "y": 1 }));
    }

    #[test]
    fn audiences_are_the_usual_one_or_those_of_the_mapping() {
        let names = |granted: Grant| {
            let names = granted.audiences.as_slice().iter().map(Audience::as_str);
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        let refused = |audience: &str| NotGranted::Audience(Audience::parse(audience).unwrap());
        let bare = catalog(&[mapping(ONE, &json!({}))], &[]);
        assert_eq!(names(grant(&bare, &ask(&[], &[])).unwrap()), ["usual"]);
        assert_eq!(names(grant(&bare, &ask(&[], &["usual"])).unwrap()), ["usual"]);
        assert_eq!(grant(&bare, &ask(&[], &["a"])).unwrap_err(), refused("a"));
        let listed = catalog(&[mapping(ONE, &json!({ "audiences": ["a", "b", "c"] }))], &[]);
        assert_eq!(grant(&listed, &ask(&[], &[])).unwrap_err(), refused("usual"));
        assert_eq!(names(grant(&listed, &ask(&[], &["b", "a"])).unwrap()), ["b", "a"]);
        assert_eq!(grant(&listed, &ask(&[], &["a", "d"])).unwrap_err(), refused("d"));
        for wrong in [&["a", "a"][..], &["a", "b", "c"]] {
            let refused = grant(&listed, &ask(&[], wrong)).unwrap_err();
            assert!(matches!(refused, NotGranted::Audiences(_)), "{wrong:?}");
        }
    }
}
