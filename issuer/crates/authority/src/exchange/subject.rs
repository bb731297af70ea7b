//! Who somebody is, by a token of another issuer.
//!
//! A client has one name, whoever says it: each source puts its prefix before its subjects, no prefix is the beginning
//! of another, and a source of service accounts names nothing else. So two issuers never mean the same client.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moneyer_identity::spiffe::SvidAlgorithm;
use moneyer_identity::{
    Audience, ForeignKeys, ForeignTokenError, ForeignTokenRules, UnixTime, VerifiedForeignToken,
    claimed_issuer,
};
use serde_json::{Map, Value};

use super::client::{ClientIdentifier, ClientIdentifierError};
use crate::federation::BundleUrl;

/// Most sources: each has a key set in memory and a task that fetches it.
pub const MAXIMUM_SOURCES: usize = 64;

/// What kind of issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A Kubernetes cluster: subjects are service accounts.
    Kubernetes,
    /// Any other OIDC issuer.
    Oidc,
}

/// An issuer whose tokens are taken for a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectSource {
    /// Its name here.
    pub name: String,
    /// What kind it is.
    pub kind: SourceKind,
    /// The value of `iss`, exactly.
    pub issuer: String,
    /// The audiences of which its tokens name one.
    pub audiences: Vec<Audience>,
    /// The algorithms they may have. Empty: every one that is known.
    pub algorithms: Vec<SvidAlgorithm>,
    /// How far its clock may be off.
    pub leeway: Duration,
    /// What stands before its subjects in a client.
    pub prefix: String,
    /// Where its JWK Set is.
    pub key_set: BundleUrl,
    /// The roots its server is known under, PEM. Without: those that this machine trusts.
    pub roots: Option<String>,
    /// A file with the bearer token that its server asks for.
    pub bearer_file: Option<std::path::PathBuf>,
}

/// Why sources do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// More than [`MAXIMUM_SOURCES`].
    #[error("at most {MAXIMUM_SOURCES} issuers are taken")]
    TooMany,
    /// Two of one issuer: which rules hold would be chance.
    #[error("the issuer {0} stands twice")]
    Issuer(String),
    /// Two of one name.
    #[error("the name {0} stands twice")]
    Name(String),
    /// A client could be of either.
    #[error("the prefix {0:?} is the beginning of {1:?}: a client could be of either issuer")]
    Prefix(String, String),
    /// An OIDC issuer that could name anybody.
    #[error(
        "an OIDC issuer needs a prefix that no service account and no SPIFFE ID begins with, as its name and a slash: \
         it chooses its subjects, and could name anybody"
    )]
    Open,
    /// Without one a token for anybody would be taken.
    #[error("at least one audience is needed")]
    NoAudience,
}

/// The issuers whose tokens are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectSources(Vec<SubjectSource>);

impl SubjectSources {
    /// Checks that they fit together.
    pub fn new(sources: Vec<SubjectSource>) -> Result<Self, SourceError> {
        if sources.len() > MAXIMUM_SOURCES {
            return Err(SourceError::TooMany);
        }
        for (at, source) in sources.iter().enumerate() {
            if source.audiences.is_empty() {
                return Err(SourceError::NoAudience);
            }
            let reserved = ["system:", "spiffe:"]
                .iter()
                .any(|own| source.prefix.starts_with(own) || own.starts_with(&source.prefix));
            if source.kind == SourceKind::Oidc && reserved {
                return Err(SourceError::Open);
            }
            for other in sources.iter().skip(at + 1) {
                if other.issuer == source.issuer {
                    return Err(SourceError::Issuer(other.issuer.clone()));
                }
                if other.name == source.name {
                    return Err(SourceError::Name(other.name.clone()));
                }
                check_prefixes(source, other)?;
            }
        }
        Ok(Self(sources))
    }

    /// Every one.
    #[must_use]
    pub fn list(&self) -> &[SubjectSource] {
        &self.0
    }

    /// The one of this issuer.
    #[must_use]
    pub fn of_issuer(&self, issuer: &str) -> Option<&SubjectSource> {
        self.0.iter().find(|source| source.issuer == issuer)
    }
}

fn check_prefixes(one: &SubjectSource, other: &SubjectSource) -> Result<(), SourceError> {
    // Every name of a cluster without a prefix begins with `system:`, and no other prefix does.
    let apart = |short: &SubjectSource, long: &SubjectSource| {
        short.kind == SourceKind::Kubernetes && short.prefix.is_empty() && !long.prefix.is_empty()
    };
    for (short, long) in [(one, other), (other, one)] {
        if long.prefix.starts_with(&short.prefix) && !apart(short, long) {
            return Err(SourceError::Prefix(short.prefix.clone(), long.prefix.clone()));
        }
    }
    Ok(())
}

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

impl SubjectSource {
    fn rules(&self) -> ForeignTokenRules {
        let audiences = self.audiences.iter().map(|audience| audience.as_str().to_owned());
        ForeignTokenRules {
            issuer: self.issuer.clone(),
            audiences: audiences.collect(),
            algorithms: self.algorithms.clone(),
            leeway: self.leeway,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, kind: SourceKind, prefix: &str) -> SubjectSource {
        SubjectSource {
            name: name.to_owned(),
            kind,
            issuer: format!("https://{name}.example"),
            audiences: vec![Audience::parse("moneyer").unwrap()],
            algorithms: Vec::new(),
            leeway: Duration::ZERO,
            prefix: prefix.to_owned(),
            key_set: BundleUrl::parse("https://x.example/jwks").unwrap(),
            roots: None,
            bearer_file: None,
        }
    }

    fn fit(sources: &[(&str, SourceKind, &str)]) -> Result<SubjectSources, SourceError> {
        let sources = sources.iter().map(|(name, kind, prefix)| source(name, *kind, prefix));
        SubjectSources::new(sources.collect())
    }

    #[test]
    fn there_are_as_many_issuers_as_there_may_be() {
        let several = |count: usize| {
            let named = (0..count).map(|at| format!("c{at:02}"));
            let each = named.map(|name| source(&name, SourceKind::Oidc, &format!("{name}/")));
            SubjectSources::new(each.collect())
        };
        assert_eq!(several(MAXIMUM_SOURCES).unwrap().list().len(), MAXIMUM_SOURCES);
        assert_eq!(several(MAXIMUM_SOURCES + 1), Err(SourceError::TooMany));
    }

    #[test]
    fn no_two_issuers_can_mean_the_same_client() {
        use SourceKind::{Kubernetes, Oidc};
        assert!(fit(&[("a", Kubernetes, ""), ("b", Kubernetes, "b/"), ("c", Oidc, "c/")]).is_ok());
        for bad in [
            &[("a", Kubernetes, ""), ("b", Kubernetes, "")][..],
            &[("a", Kubernetes, "b/"), ("b", Oidc, "b/")],
            &[("a", Oidc, "b/"), ("b", Oidc, "b/c/")],
        ] {
            assert!(matches!(fit(bad), Err(SourceError::Prefix(..))), "{bad:?}");
        }
        for open in ["", "s", "system:", "system:serviceaccount:", "spiffe:", "spiffe://x/"] {
            assert_eq!(fit(&[("a", Oidc, open)]), Err(SourceError::Open), "{open:?}");
        }
        assert!(matches!(
            fit(&[("a", Oidc, "a/"), ("a", Oidc, "b/")]),
            Err(SourceError::Issuer(_))
        ));
        let mut nobody = source("a", Oidc, "a/");
        nobody.audiences.clear();
        assert_eq!(SubjectSources::new(vec![nobody]), Err(SourceError::NoAudience));
    }
}
