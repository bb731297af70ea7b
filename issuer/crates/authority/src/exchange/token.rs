//! What is given in exchange.

use moneyer_identity::{ExchangedClaims, Lifetime, MintedToken, Subject, UnixTime};
use serde_json::{Map, Value, json};

use super::grant::Grant;
use super::kubernetes::{KubernetesFacts, KubernetesObject};
use super::refusal::ExchangeError;
use super::scope::ScopeName;
use super::subject::VerifiedSubject;

/// How deep `act` may be: who acts, for whom, and two before them. A longer chain is cut at its oldest end.
const MAXIMUM_ACTORS: usize = 4;

/// Who asks.
#[derive(Debug, Clone)]
pub struct Proofs {
    /// Whom it is about, and whose mapping decides.
    pub subject: VerifiedSubject,
    /// Who acts for it, where that is somebody else.
    pub actor: Option<VerifiedSubject>,
}

/// A token that was given in exchange.
#[derive(Debug)]
pub struct ExchangedToken {
    /// The token, which is a secret.
    pub minted: MintedToken,
    /// The scopes that were granted.
    pub scopes: Vec<ScopeName>,
}

impl Proofs {
    /// How long a token may live: no longer than what proved who asks.
    pub(crate) fn lifetime(
        &self,
        longest: Lifetime,
        now: UnixTime,
    ) -> Result<Lifetime, ExchangeError> {
        let ends = [Some(&self.subject), self.actor.as_ref()];
        let ends =
            ends.into_iter().flatten().map(|proof| Lifetime::of(proof.expires_at().since(now)));
        match ends.chain([longest]).min() {
            Some(left) if left.seconds() > 0 => Ok(left),
            _ => Err(ExchangeError::Over),
        }
    }

    /// What the token says of them (RFC 8693 section 4.1).
    pub(crate) fn claims(&self, grant: &Grant) -> (Subject, ExchangedClaims) {
        let context = grant.mapping.participant_context.as_str();
        let client = actor(&self.subject, self.subject.earlier_actors().cloned());
        let act = match &self.actor {
            Some(acting) => actor(acting, Some(client)),
            None => client,
        };
        let claims = ExchangedClaims {
            participant_context: context.to_owned(),
            act: cut(act, MAXIMUM_ACTORS),
            kubernetes: self.subject.kubernetes().map(written),
            scopes: grant.claims.clone(),
        };
        (Subject::of_context(context), claims)
    }
}

/// One who acts, and who acted before. The subject is as its own issuer writes it.
fn actor(proof: &VerifiedSubject, before: Option<Value>) -> Value {
    let mut actor = json!({ "sub": proof.subject(), "iss": proof.issuer() });
    if let Some(members) = actor.as_object_mut() {
        members.extend(proof.account_uid().map(|uid| ("k8s_uid".to_owned(), uid.into())));
        members.extend(before.map(|before| ("act".to_owned(), before)));
    }
    actor
}

/// Leaves out who acted before the last `depth`.
fn cut(mut act: Value, depth: usize) -> Value {
    if let Some(members) = act.as_object_mut()
        && let Some(before) = members.remove("act")
        && depth > 1
        && before.is_object()
    {
        members.insert("act".to_owned(), cut(before, depth - 1));
    }
    act
}

/// In the form of a service account token.
fn written(facts: &KubernetesFacts) -> Value {
    let object = |object: &KubernetesObject| json!({ "name": object.name, "uid": object.uid });
    let mut written = Map::new();
    let namespace = facts.namespace.as_deref().map(Value::from);
    for (name, value) in [
        ("namespace", namespace),
        ("serviceaccount", facts.service_account.as_ref().map(object)),
        ("pod", facts.pod.as_ref().map(object)),
        ("node", facts.node.as_ref().map(object)),
    ] {
        written.extend(value.map(|value| (name.to_owned(), value)));
    }
    Value::Object(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_actors_is_cut_at_its_oldest_end() {
        let chain = json!({ "sub": "1", "act": { "sub": "2", "act": { "sub": "3" } } });
        assert_eq!(cut(chain.clone(), 3), chain);
        assert_eq!(cut(chain.clone(), 2), json!({ "sub": "1", "act": { "sub": "2" } }));
        assert_eq!(cut(chain, 1), json!({ "sub": "1" }));
        assert_eq!(cut(json!({ "sub": "1", "act": "x" }), 4), json!({ "sub": "1" }));
    }
}
