//! What an API server says of a token (`TokenReview`, `authentication.k8s.io/v1`), held against what the token says.
//!
//! The answer stands for the token that was asked about and for no other: user, audience, uid, pod, node and token id
//! have to be those of the token where it names them. What the two disagree on is a refusal, so that an answer
//! which was meant for somebody else, by whatever fault of a server or a proxy between, lets nobody in.

use std::collections::BTreeMap;

use moneyer_identity::{Audience, ExaminedForeignToken, ForeignTokenError};
use serde_json::Value;

use super::client::ClientIdentifier;
use super::kubernetes::{KubernetesFacts, KubernetesObject};
use super::source::SubjectSource;
use super::subject::{SubjectError, VerifiedSubject};

/// The group that every service account is in.
const ACCOUNTS: &str = "system:serviceaccounts";

/// What stands before the names that the API server adds to a user.
const EXTRA: &str = "authentication.kubernetes.io/";

/// `status` of a `TokenReview`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReviewStatus {
    /// Whether the token is somebody's.
    pub authenticated: bool,
    /// The audiences that were asked for and that the token has.
    pub audiences: Vec<String>,
    /// Whose it is.
    pub username: String,
    /// The uid of whom it is.
    pub uid: String,
    /// The groups of whom it is.
    pub groups: Vec<String>,
    /// What else is known, such as the pod.
    pub extra: BTreeMap<String, Vec<String>>,
    /// Why it is nobody's.
    pub error: String,
}

impl ReviewStatus {
    /// Whether it is said, in the words an API server has for it and in no others, that this pod is no more.
    fn pod_is_gone(&self, pod: &KubernetesObject) -> bool {
        self.is_definite() && self.reasons().iter().any(|reason| says_gone(reason, pod))
    }

    /// Whether it is said for good that the token is nobody's. An API server that cannot look something up says that
    /// too, in the words of what failed: of those nothing follows for the next question.
    fn is_definite(&self) -> bool {
        let known = ["invalid bearer token", "is invalid for the target audiences", "has expired"];
        let definite = |text: &&str| {
            text.is_empty() || seems_gone(text) || known.iter().any(|one| text.contains(one))
        };
        !self.authenticated && self.reasons().iter().all(definite)
    }

    /// Why it is nobody's, by each way that the API server knows tokens: `[one, another]`, where there are several.
    fn reasons(&self) -> Vec<&str> {
        let inner = self.error.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inner.map_or_else(|| vec![self.error.as_str()], |several| several.split(", ").collect())
    }

    /// The one value of a name.
    fn extra(&self, name: &str) -> Result<Option<&str>, SubjectError> {
        match self.extra.get(&format!("{EXTRA}{name}")).map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([value]) => Ok(Some(value)),
            Some(_) => Err(SubjectError::Disagreement("what it is bound to")),
        }
    }

    /// A pod or a node.
    fn object(&self, kind: &str) -> Result<Option<KubernetesObject>, SubjectError> {
        let [name, uid] = ["name", "uid"].map(|member| format!("{kind}-{member}"));
        let named = self.extra(&name)?.zip(self.extra(&uid)?);
        Ok(named.and_then(|(name, uid)| KubernetesObject::read(name, uid)))
    }
}

/// What API servers say of a token whose pod is gone: to 1.20, and since.
const INVALIDATED: [&str; 2] =
    ["Token has been invalidated", "service account token has been invalidated"];

/// Word for word, and of this pod where one is named: whoever can make a server, or what it asks itself, repeat a
/// text has not made it say this.
fn says_gone(reason: &str, pod: &KubernetesObject) -> bool {
    let (name, uid) = (&pod.name, &pod.uid);
    // Another pod has its name now.
    let replaced = |before: &str, after: &str| {
        let there = reason.strip_prefix(before).and_then(|rest| rest.split_once(')'));
        there.is_some_and(|(there, rest)| {
            there != uid && rest.strip_prefix(after) == Some(&format!(" ({uid})"))
        })
    };
    INVALIDATED.contains(&reason)
        || reason == format!("pods \"{name}\" not found")
        || replaced("Pod UID (", " does not match claim")
        || replaced("pod UID (", " does not match service account pod ref claim")
}

/// Of the kind of these, or of a service account, in whatever words: this token is refused, and no other for it.
fn seems_gone(reason: &str) -> bool {
    reason.contains("has been invalidated")
        || reason.ends_with("not found")
        || (reason.contains(" UID (") && reason.contains("does not match"))
}

/// What an answer means for what is known of the token, and of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It is somebody's, and the answer fits it.
    Confirmed,
    /// It is somebody's, and the answer is not what it says itself.
    Differs,
    /// It is nobody's.
    Refused,
    /// It is refused this time, by what may have been a failure.
    Unsure,
    /// The pod it is bound to is no more.
    PodGone {
        /// Whether a key of its cluster has signed it. If not, it may name anybody's pod, and what is answered may be
        /// the word of somebody whom its API server asks.
        signed: bool,
    },
}

/// A token that nothing here refuses, and whose API server decides. It proves nothing yet.
#[derive(Debug, Clone)]
pub struct UnreviewedSubject {
    said: VerifiedSubject,
    cluster: String,
    audience: Audience,
    token_id: Option<String>,
    signed: bool,
}

impl UnreviewedSubject {
    /// Of a token of this cluster, which names one of these audiences.
    pub(super) fn new(
        said: VerifiedSubject,
        source: &SubjectSource,
        token: &ExaminedForeignToken,
        expected: &[Audience],
    ) -> Result<Self, SubjectError> {
        let named = |audience: &&Audience| {
            token.audiences().iter().any(|named| named.as_str() == audience.as_str())
        };
        let audience = expected.iter().find(named).cloned();
        let audience = audience.ok_or(SubjectError::Token(ForeignTokenError::Audience))?;
        let token_id = token.claims().get("jti").and_then(Value::as_str).map(str::to_owned);
        // Without a key set it was read alone.
        let signed = source.verification.key_set().is_some();
        Ok(Self { said, cluster: source.name.clone(), audience, token_id, signed })
    }

    /// The name of the cluster whose API server decides.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Who it says it is.
    #[must_use]
    pub fn claimed_client(&self) -> &ClientIdentifier {
        self.said.client()
    }

    /// The audience to ask for.
    #[must_use]
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The SHA-256 of the token.
    #[must_use]
    pub fn digest(&self) -> &[u8; 32] {
        self.said.digest()
    }

    /// The uid of the pod that the token says it is bound to.
    #[must_use]
    pub fn pod_uid(&self) -> Option<&str> {
        Some(&self.said.kubernetes()?.pod.as_ref()?.uid)
    }

    /// What this answer means.
    #[must_use]
    pub fn weigh(&self, status: &ReviewStatus) -> Weight {
        let pod = self.said.kubernetes().and_then(|facts| facts.pod.as_ref());
        match status {
            _ if status.authenticated => match self.clone().confirm(status) {
                Ok(_) => Weight::Confirmed,
                Err(_) => Weight::Differs,
            },
            _ if pod.is_some_and(|pod| status.pod_is_gone(pod)) => {
                Weight::PodGone { signed: self.signed }
            }
            _ if status.is_definite() => Weight::Refused,
            _ => Weight::Unsure,
        }
    }

    /// That the API server could not be asked, and why.
    #[must_use]
    pub fn not_reviewed(&self, cause: String) -> SubjectError {
        SubjectError::NotReviewed { cluster: self.cluster.clone(), cause }
    }

    /// Who it is, if the API server says so and says nothing else than the token.
    pub fn confirm(self, status: &ReviewStatus) -> Result<VerifiedSubject, SubjectError> {
        if !status.authenticated {
            return Err(SubjectError::NotAuthenticated(status.error.clone()));
        }
        let Self { mut said, audience, token_id, .. } = self;
        let differs = |what| Err(SubjectError::Disagreement(what));
        if !status.audiences.iter().any(|one| one == audience.as_str()) {
            return differs("its audience");
        }
        if status.username != said.subject() {
            return differs("its user");
        }
        if !status.groups.iter().any(|group| group == ACCOUNTS) {
            return differs("whether its user is a service account");
        }
        let credential = status.extra("credential-id")?.and_then(|id| id.strip_prefix("JTI="));
        if let (Some(reviewed), Some(own)) = (credential, &token_id)
            && reviewed != own
        {
            return differs("its id");
        }
        let facts = said.kubernetes.take().unwrap_or_default();
        said.kubernetes = Some(agreed(facts, said.subject(), status)?);
        Ok(said)
    }
}

/// What both say of an object, where both say something.
fn same(
    said: Option<KubernetesObject>,
    reviewed: Option<KubernetesObject>,
    what: &'static str,
) -> Result<Option<KubernetesObject>, SubjectError> {
    match (said, reviewed) {
        (Some(said), Some(reviewed)) if said != reviewed => Err(SubjectError::Disagreement(what)),
        (said, reviewed) => Ok(said.or(reviewed)),
    }
}

fn agreed(
    said: KubernetesFacts,
    subject: &str,
    status: &ReviewStatus,
) -> Result<KubernetesFacts, SubjectError> {
    let name = subject.rsplit(':').next().unwrap_or_default();
    // Without one it could not be told from another that is made under its name.
    let account = KubernetesObject::read(name, &status.uid);
    let account = account.ok_or(SubjectError::Disagreement("the uid of its user"))?;
    let pod = status.object("pod")?;
    if said.pod.is_some() && pod.is_none() {
        // An API server that does not know of the pod did not look whether it is there.
        return Err(SubjectError::Disagreement("its pod"));
    }
    Ok(KubernetesFacts {
        namespace: said.namespace,
        service_account: same(said.service_account, Some(account), "the uid of its user")?,
        pod: same(said.pod, pod, "its pod")?,
        node: same(said.node, status.object("node")?, "its node")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: &str) -> ReviewStatus {
        ReviewStatus { error: error.to_owned(), ..ReviewStatus::default() }
    }

    const UID: &str = "0b9e6a54-aaaa-4f00-9e5c-000000000001";

    /// Of `p`, which has this uid.
    fn weight(error: &str) -> (bool, bool) {
        let pod = KubernetesObject::read("p", UID).unwrap();
        let status = refused(error);
        (status.is_definite(), status.pod_is_gone(&pod))
    }

    #[test]
    fn a_refusal_is_told_from_a_failure_by_every_reason_it_has() {
        for (error, definite, gone) in [
            ("", true, false),
            ("invalid bearer token", true, false),
            (r#"token audiences ["a" "b"] is invalid for the target audiences ["c"]"#, true, false),
            ("[invalid bearer token, service account token has expired]", true, false),
            (r#"serviceaccounts "sa2" not found"#, true, false),
            (r#"pods "p" not found"#, true, true),
            ("Token has been invalidated", true, true),
            ("service account token has been invalidated", true, true),
            ("[invalid bearer token, Token has been invalidated]", true, true),
            ("[invalid bearer token, etcdserver: request timed out]", false, false),
            ("[etcdserver: request timed out, Token has been invalidated]", false, false),
            ("context deadline exceeded", false, false),
        ] {
            assert_eq!(weight(error), (definite, gone), "{error}");
        }
        let pod = KubernetesObject::read("p", UID).unwrap();
        let good = ReviewStatus { authenticated: true, ..refused("Token has been invalidated") };
        assert!(!good.is_definite() && !good.pod_is_gone(&pod));
    }

    #[test]
    fn that_a_pod_is_gone_is_taken_from_the_very_words_of_an_api_server_alone() {
        for version in [
            "Pod UID (x) does not match claim",
            "pod UID (x) does not match service account pod ref claim",
        ] {
            assert_eq!(weight(&format!("{version} ({UID})")), (true, true), "{version}");
            assert_eq!(weight(&format!("{version} (another)")), (true, false), "{version}");
            let same = version.replace("(x)", &format!("({UID})"));
            assert_eq!(weight(&format!("{same} ({UID})")), (true, false), "{version}");
        }
        for near in [
            "the session has been invalidated",
            "Token has been invalidated.",
            "token has been invalidated",
            "Token has been invalidated: not found",
            "not found",
            "user not found",
            r#"pods "q" not found"#,
            r#"nodes "p" not found"#,
            r#"pods "p" not found, pods "p" not found"#,
            r#"webhook: pods "p" not found"#,
        ] {
            assert_eq!(weight(near), (true, false), "{near}");
        }
    }
}
