//! A **model** of the `TokenReview` of an API server: not one, and not made by those who make them.
//!
//! It answers as a kube-apiserver 1.20 was seen to: the statuses and texts, the names beside a user, that whoever may
//! not ask is told 401 or 403, and that a good answer is given again for ten seconds, whatever became of the pod
//! meanwhile. What newer ones add, the node and the id of the token, follows KEP-4193 and was not seen. The real
//! one is asked in `deploy/interop/tests_kubernetes`.

#![expect(clippy::missing_panics_doc, reason = "what cannot be made fails the test")]
#![expect(clippy::expect_used, reason = "what cannot be made fails the test")]
#![expect(clippy::indexing_slicing, reason = "of JSON that is made here")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moneyer_identity::{Clock as _, UnixTime};
use serde_json::{Value, json};

use crate::clock::ManualClock;
use crate::foreign_issuer::ForeignIssuer;

/// How long a good answer is given again.
const REMEMBERED_SECONDS: i64 = 10;

/// A service account, and where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelAccount {
    /// Namespace and name.
    pub account: (String, String),
    /// The pod its token is bound to.
    pub pod: Option<String>,
}

impl ModelAccount {
    /// An account without a pod.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { account: (namespace.to_owned(), name.to_owned()), pod: None }
    }

    /// The same in a pod.
    #[must_use]
    pub fn in_pod(mut self, pod: &str) -> Self {
        self.pod = Some(pod.to_owned());
        self
    }

    fn username(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.account.0, self.account.1)
    }
}

/// A model of the `TokenReview` of an API server. Cheap to clone: clones are the same one.
#[derive(Debug, Clone)]
pub struct TokenReviewModel {
    issuer: String,
    key: ForeignIssuer,
    clock: ManualClock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The bearer tokens of those who may ask.
    callers: BTreeSet<String>,
    /// Those who are known and may not ask.
    forbidden: BTreeSet<String>,
    issued: BTreeMap<String, Issued>,
    gone_accounts: BTreeSet<(String, String)>,
    gone_pods: BTreeSet<String>,
    /// Until when a good answer is given again, by token and audiences.
    remembered: BTreeMap<(String, Vec<String>), i64>,
    /// Which tokens were asked about.
    asked: Vec<String>,
    /// Members of the answer's status that are others than they should be.
    lies: Option<Value>,
    number: u64,
}

#[derive(Debug, Clone)]
struct Issued {
    of: ModelAccount,
    audience: String,
    expires_at: i64,
    id: String,
}

impl TokenReviewModel {
    /// One that calls itself by this URL, signs with this key, and lives by this clock. Whoever shows `caller` may ask.
    #[must_use]
    pub fn new(issuer: &str, key: ForeignIssuer, clock: ManualClock, caller: &str) -> Self {
        let model = Self { issuer: issuer.to_owned(), key, clock, state: Arc::default() };
        model.let_ask(&[caller]);
        model
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// Lets those ask who show one of these, and nobody else.
    pub fn let_ask(&self, callers: &[&str]) {
        self.state().callers = callers.iter().map(|&caller| caller.to_owned()).collect();
    }

    /// Knows who shows this, and does not let it ask.
    pub fn forbid(&self, caller: &str) {
        self.state().forbidden.insert(caller.to_owned());
    }

    /// A token as a `TokenRequest` gives one, for ten minutes.
    #[must_use]
    pub fn request_token(&self, of: &ModelAccount, audience: &str) -> String {
        let now = self.now().0;
        let mut state = self.state();
        state.number += 1;
        let id = format!("token-{}", state.number);
        let mut kubernetes = json!({
            "namespace": of.account.0,
            "serviceaccount": { "name": of.account.1, "uid": account_uid(of) },
        });
        if let Some(pod) = &of.pod {
            kubernetes["pod"] = json!({ "name": pod, "uid": format!("{pod}-uid") });
            kubernetes["node"] = json!({ "name": "node-1", "uid": "node-uid" });
        }
        let claims = json!({
            "iss": self.issuer, "sub": of.username(), "aud": [audience], "jti": id,
            "exp": now + 600, "iat": now, "nbf": now, "kubernetes.io": kubernetes,
        });
        let header = json!({ "alg": "RS256", "kid": self.key.key_id });
        let token = self.key.signed(&header.to_string(), &claims.to_string());
        let issued =
            Issued { of: of.clone(), audience: audience.to_owned(), expires_at: now + 600, id };
        state.issued.insert(token.clone(), issued);
        token
    }

    /// Deletes a service account.
    pub fn delete_account(&self, namespace: &str, name: &str) {
        self.state().gone_accounts.insert((namespace.to_owned(), name.to_owned()));
    }

    /// Deletes a pod.
    pub fn delete_pod(&self, pod: &str) {
        self.state().gone_pods.insert(pod.to_owned());
    }

    /// Answers with these members of the status in place of its own, as a broken one might.
    pub fn lie(&self, status: Option<Value>) {
        self.state().lies = status;
    }

    /// How often it was asked about what is a token of its own or looks like one, by those who may ask.
    #[must_use]
    pub fn reviews(&self) -> usize {
        self.state().asked.iter().filter(|token| token.contains('.')).count()
    }

    /// Its public key.
    #[must_use]
    pub fn key_set(&self) -> String {
        ForeignIssuer::key_set(&[&self.key])
    }

    /// Answers a `POST` to `/apis/authentication.k8s.io/v1/tokenreviews`: a status and JSON.
    #[must_use]
    pub fn answer(&self, authorization: Option<&str>, body: &[u8]) -> (u16, String) {
        let now = self.now().0;
        let mut state = self.state();
        let caller = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let caller = caller.unwrap_or_default();
        if state.forbidden.contains(caller) {
            let message = "tokenreviews.authentication.k8s.io is forbidden: User \"reviewer\" cannot create resource \
                           \"tokenreviews\" in API group \"authentication.k8s.io\" at the cluster scope";
            return failure(403, "Forbidden", message);
        }
        if !state.callers.contains(caller) {
            return failure(401, "Unauthorized", "Unauthorized");
        }
        let question: Value = serde_json::from_slice(body).expect("JSON");
        let token = question["spec"]["token"].as_str().unwrap_or_default().to_owned();
        let audiences: Vec<String> = question["spec"]["audiences"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|audience| audience.as_str().map(str::to_owned))
            .collect();
        state.asked.push(token.clone());
        let mut status = state.status(token, audiences, now);
        if let (Some(members), Some(Value::Object(lies))) = (status.as_object_mut(), &state.lies) {
            members.extend(lies.clone());
        }
        let answer = json!({
            "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1",
            "metadata": { "creationTimestamp": null }, "spec": question["spec"], "status": status,
        });
        (201, answer.to_string())
    }
}

impl State {
    fn status(&mut self, token: String, audiences: Vec<String>, now: i64) -> Value {
        let Some(issued) = self.issued.get(&token).cloned() else {
            return refused("invalid bearer token");
        };
        let remembered = (token, audiences);
        if self.remembered.get(&remembered).is_some_and(|until| now < *until) {
            return authenticated(&issued);
        }
        let audiences = &remembered.1;
        if !audiences.contains(&issued.audience) {
            let (own, asked) = (&issued.audience, audiences.join("\" \""));
            let error = format!(
                "token audiences [\"{own}\"] is invalid for the target audiences [\"{asked}\"]"
            );
            return refused(&error);
        }
        if now >= issued.expires_at {
            return refused("Token has expired");
        }
        if self.gone_accounts.contains(&issued.of.account) {
            return refused(&format!("serviceaccounts \"{}\" not found", issued.of.account.1));
        }
        if issued.of.pod.as_ref().is_some_and(|pod| self.gone_pods.contains(pod)) {
            return refused("Token has been invalidated");
        }
        self.remembered.insert(remembered, now + REMEMBERED_SECONDS);
        authenticated(&issued)
    }
}

fn account_uid(of: &ModelAccount) -> String {
    format!("{}-uid", of.account.1)
}

fn refused(error: &str) -> Value {
    json!({ "user": {}, "error": error })
}

fn authenticated(issued: &Issued) -> Value {
    let mut extra = json!({
        "authentication.kubernetes.io/credential-id": [format!("JTI={}", issued.id)],
    });
    if let Some(pod) = &issued.of.pod {
        for (name, value) in [
            ("pod-name", pod.clone()),
            ("pod-uid", format!("{pod}-uid")),
            ("node-name", "node-1".to_owned()),
            ("node-uid", "node-uid".to_owned()),
        ] {
            extra[format!("authentication.kubernetes.io/{name}")] = json!([value]);
        }
    }
    json!({
        "authenticated": true, "audiences": [issued.audience],
        "user": {
            "username": issued.of.username(), "uid": account_uid(&issued.of), "extra": extra,
            "groups": [
                "system:serviceaccounts", format!("system:serviceaccounts:{}", issued.of.account.0),
                "system:authenticated",
            ],
        },
    })
}

fn failure(code: u16, reason: &str, message: &str) -> (u16, String) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (code, status.to_string())
}
