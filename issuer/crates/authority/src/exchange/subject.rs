//! Who somebody is, by a token of another issuer.

use aws_lc_rs::digest::{SHA256, digest};
use moneyer_identity::{
    ForeignKeys, ForeignTokenError, UnixTime, VerifiedForeignToken, claimed_issuer,
};
use serde_json::{Map, Value};

use super::client::{ClientIdentifier, ClientIdentifierError};
use super::source::{SourceKind, SubjectSource, SubjectSources};

/// Why a proof is none: for logs and audit records, never for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// No issuer of this name is taken.
    #[error("tokens of the issuer {0:?} are not taken")]
    UnknownIssuer(String),
    /// There are no keys to verify with at this moment.
    #[error("there is no key set of {0}: it was not fetched, or is too old")]
    NoKeys(String),
    /// The token is refused.
    #[error("the token is refused")]
    Token(#[source] ForeignTokenError),
    /// The subject of a cluster's token is no service account.
    #[error("the subject {0:?} is not a service account")]
    NotAnAccount(String),
    /// The subject is no client.
    #[error("the subject cannot be a client")]
    Client(#[source] ClientIdentifierError),
}

impl SubjectError {
    /// The issuer whose newer keys may take what these refuse.
    #[must_use]
    pub fn may_be_stale(&self) -> Option<&str> {
        match self {
            Self::NoKeys(issuer) | Self::Token(ForeignTokenError::UnknownKey { issuer, .. }) => {
                Some(issuer)
            }
            _ => None,
        }
    }
}

/// A Kubernetes object: its name, and the uid that no other of that name will have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesObject {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
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

/// Who somebody is, proved by a token of an issuer that is taken.
///
/// Only [`VerifiedSubject::verify`] makes one.
#[derive(Debug, Clone)]
pub struct VerifiedSubject {
    client: ClientIdentifier,
    subject: String,
    issuer: String,
    expires_at: UnixTime,
    kubernetes: Option<KubernetesFacts>,
    earlier_actors: Option<Value>,
    digest: [u8; 32],
}

impl VerifiedSubject {
    /// Verifies a token by the rules of its issuer. `keys` is asked for the keys of that one.
    pub fn verify<'k>(
        text: &str,
        sources: &SubjectSources,
        keys: impl FnOnce(&SubjectSource) -> Option<std::sync::Arc<ForeignKeys>> + 'k,
        now: UnixTime,
    ) -> Result<Self, SubjectError> {
        let issuer = claimed_issuer(text).map_err(SubjectError::Token)?;
        let source = sources.of_issuer(&issuer);
        let source = source.ok_or(SubjectError::UnknownIssuer(issuer))?;
        let keys = keys(source).ok_or_else(|| SubjectError::NoKeys(source.issuer.clone()))?;
        let token = source.rules().verify(text, &keys, now).map_err(SubjectError::Token)?;
        let kubernetes = match source.kind {
            SourceKind::Kubernetes => Some(facts(&token)?),
            SourceKind::Oidc => None,
        };
        let client = format!("{}{}", source.prefix, token.subject());
        let client = ClientIdentifier::parse(&client).map_err(SubjectError::Client)?;
        if client.is_pattern() {
            return Err(SubjectError::Client(ClientIdentifierError::Star));
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Ok(Self {
            client,
            subject: token.subject().to_owned(),
            issuer: token.issuer().to_owned(),
            expires_at: token.expires_at(),
            kubernetes,
            earlier_actors: token.claims().get("act").filter(|act| act.is_object()).cloned(),
            digest: hash,
        })
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &ClientIdentifier {
        &self.client
    }

    /// `sub` of its token.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// `iss` of its token.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// When its proof ends.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// Where it runs, where its token says so.
    #[must_use]
    pub fn kubernetes(&self) -> Option<&KubernetesFacts> {
        self.kubernetes.as_ref()
    }

    /// The uid of its service account.
    #[must_use]
    pub fn account_uid(&self) -> Option<&str> {
        let account = self.kubernetes.as_ref()?.service_account.as_ref()?;
        Some(&account.uid)
    }

    /// Who acted before, as its token tells (RFC 8693 section 4.1).
    #[must_use]
    pub fn earlier_actors(&self) -> Option<&Value> {
        self.earlier_actors.as_ref()
    }

    /// The SHA-256 of its token, which names it without being it.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// What a cluster's token says, which has to be of a service account.
fn facts(token: &VerifiedForeignToken) -> Result<KubernetesFacts, SubjectError> {
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
    let text = |name: &str| {
        let text = object.get(name)?.as_str()?;
        let sound = text.len() <= 253 && text.bytes().all(|byte| byte.is_ascii_graphic());
        (sound && !text.is_empty()).then(|| text.to_owned())
    };
    Some(KubernetesObject { name: text("name")?, uid: text("uid")? })
}
