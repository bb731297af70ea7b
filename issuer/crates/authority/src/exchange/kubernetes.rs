//! What a service account token says of whom it is about and where it is used (KEP-1205, KEP-4193).

use moneyer_identity::ExaminedForeignToken;
use serde_json::{Map, Value};

use super::subject::SubjectError;

/// Longest name of an object: a DNS subdomain (RFC 1123).
const LONGEST_NAME: usize = 253;

/// A Kubernetes object: its name, and the uid that no other of that name will have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesObject {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl KubernetesObject {
    /// An object of these names, if they can be such.
    pub(super) fn read(name: &str, uid: &str) -> Option<Self> {
        let sound = |text: &str| {
            let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
            !text.is_empty() && text.len() <= LONGEST_NAME && visible
        };
        let object = || Self { name: name.to_owned(), uid: uid.to_owned() };
        (sound(name) && sound(uid)).then(object)
    }
}

/// What a service account token says of where it is used (KEP-1205, KEP-4193).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubernetesFacts {
    /// The namespace.
    pub namespace: Option<String>,
    /// The service account.
    pub service_account: Option<KubernetesObject>,
    /// The pod it is bound to.
    pub pod: Option<KubernetesObject>,
    /// The node the pod is on.
    pub node: Option<KubernetesObject>,
}

/// What a cluster's token says, which has to be of a service account.
pub(super) fn facts(token: &ExaminedForeignToken) -> Result<KubernetesFacts, SubjectError> {
    let account = token.subject().strip_prefix("system:serviceaccount:");
    let named = account.and_then(|account| account.split_once(':'));
    let good = |name: &str| !name.is_empty() && !name.contains([':', '/', '*']);
    let (namespace, name) = named
        .filter(|(namespace, name)| good(namespace) && good(name))
        .ok_or_else(|| SubjectError::NotAnAccount(token.subject().to_owned()))?;
    let Some(said) = token.claims().get("kubernetes.io").and_then(Value::as_object) else {
        let namespace = Some(namespace.to_owned());
        return Ok(KubernetesFacts { namespace, ..KubernetesFacts::default() });
    };
    let facts = KubernetesFacts {
        namespace: said.get("namespace").and_then(Value::as_str).map(str::to_owned),
        service_account: object(said, "serviceaccount"),
        pod: object(said, "pod"),
        node: object(said, "node"),
    };
    let same_account = facts.service_account.as_ref().is_none_or(|one| one.name == name);
    let same_namespace = facts.namespace.as_deref().is_none_or(|one| one == namespace);
    // A token that says two things of one matter is nobody's.
    if !same_account || !same_namespace {
        return Err(SubjectError::NotAnAccount(token.subject().to_owned()));
    }
    Ok(facts)
}

fn object(said: &Map<String, Value>, name: &str) -> Option<KubernetesObject> {
    let object = said.get(name)?.as_object()?;
    let text = |name: &str| object.get(name)?.as_str();
    KubernetesObject::read(text("name")?, text("uid")?)
}
