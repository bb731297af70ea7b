//! A **model** of HashiCorp Vault's transit engine and of the log-ins beside it. It is not Vault.
//!
//! No real one can be installed where the tests run, so this answers as version 1.8.0-dev was seen to answer and
//! as the published API says: statuses, bodies and texts of faults. It keeps Vault's traps: without a named
//! scheme RSA signs by PSS, without `marshaling_algorithm` ECDSA is ASN.1, a version that may not sign is a
//! 500, an expired token and a policy that forbids are both a 403, and an input that is missing is signed as
//! the empty one. It takes a request as a value and gives the answer as one: whoever tests serves it, over
//! HTTP, over TLS or in the process. Keys are made and signed with by OpenSSL, as no code under test does.

#![expect(clippy::missing_panics_doc, reason = "what cannot be made fails the test")]
#![expect(clippy::expect_used, reason = "what cannot be made fails the test")]

mod keys;
mod tokens;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use keys::ModelKey;
use tokens::ModelToken;

/// What the model does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelFault {
    /// It is sealed.
    Sealed,
    /// A proxy before it answers with this status.
    Proxy(u16),
    /// Signatures have a flipped bit.
    BadSignature,
    /// It signs with the latest version, whichever is asked for, and says so.
    LatestVersion,
    /// It says that it signed with the version that was asked for, and signed with the latest.
    LyingVersion,
    /// Answers are no JSON.
    Garbage,
}

/// A model of a Vault with one transit engine. Clones are one.
#[derive(Clone)]
pub struct VaultTransitModel(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    mount: String,
    namespace: Option<String>,
    keys: BTreeMap<String, ModelKey>,
    tokens: BTreeMap<String, ModelToken>,
    /// What a log-in has to say, by the method's mount, and how long its tokens live.
    logins: BTreeMap<String, (Value, Duration)>,
    issued: u64,
    renewals_left: u32,
    fault: Option<ModelFault>,
    calls: Vec<String>,
}

impl fmt::Debug for VaultTransitModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultTransitModel")
    }
}

/// Status and body of an answer.
type Answer = (u16, Value);

impl Default for VaultTransitModel {
    fn default() -> Self {
        Self::mounted("transit", None)
    }
}

impl VaultTransitModel {
    /// One whose transit engine is mounted there, in a namespace where one is named.
    #[must_use]
    pub fn mounted(mount: &str, namespace: Option<&str>) -> Self {
        Self(Arc::new(Mutex::new(State {
            mount: mount.to_owned(),
            namespace: namespace.map(str::to_owned),
            keys: BTreeMap::new(),
            tokens: BTreeMap::new(),
            logins: BTreeMap::new(),
            issued: 0,
            renewals_left: u32::MAX,
            fault: None,
            calls: Vec::new(),
        })))
    }

    /// Lets a token do everything with the transit engine, without an end.
    pub fn accept_token(&self, token: &str) {
        self.lock().tokens.insert(token.to_owned(), ModelToken::root());
    }

    /// Lets a token ask for these paths of the transit engine alone, such as `sign/`.
    pub fn accept_token_for(&self, token: &str, paths: &[&str]) {
        self.lock().tokens.insert(token.to_owned(), ModelToken::only(paths));
    }

    /// Lets whoever posts these members to `auth/MOUNT/login` in, with tokens that live so long.
    pub fn accept_login(&self, mount: &str, members: Value, life: Duration) {
        self.lock().logins.insert(mount.to_owned(), (members, life));
    }

    /// Takes every token back.
    pub fn revoke_tokens(&self) {
        self.lock().tokens.clear();
    }

    /// How often leases are still lengthened; then each is at its longest life.
    pub fn renew_at_most(&self, times: u32) {
        self.lock().renewals_left = times;
    }

    /// Is wrong from now on, or right again.
    pub fn fail(&self, fault: Option<ModelFault>) {
        self.lock().fault = fault;
    }

    /// Makes a transit key, as somebody else would.
    pub fn create(&self, name: &str, kind: &str) {
        let key = ModelKey::new(kind).expect("a type of the model");
        self.lock().keys.insert(name.to_owned(), key);
    }

    /// Makes another version of a transit key, as somebody else would.
    pub fn rotate(&self, name: &str) {
        self.lock().keys.get_mut(name).expect("the key is there").rotate();
    }

    /// Lets only versions from this one on sign.
    pub fn set_min_encryption_version(&self, name: &str, version: u32) {
        self.lock().keys.get_mut(name).expect("the key is there").min_encryption_version = version;
    }

    /// Lists only versions from this one on.
    pub fn set_min_decryption_version(&self, name: &str, version: u32) {
        self.lock().keys.get_mut(name).expect("the key is there").min_decryption_version = version;
    }

    /// The newest version of a transit key.
    #[must_use]
    pub fn latest(&self, name: &str) -> u32 {
        self.lock().keys.get(name).map_or(0, ModelKey::latest)
    }

    /// What was asked since the last time this was asked: method and path, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().calls)
    }

    /// Answers a request.
    #[must_use]
    pub fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut state = self.lock();
        let path = request.uri().path().to_owned();
        state.calls.push(format!("{} {path}", request.method()));
        let (status, value) = match state.fault {
            Some(ModelFault::Sealed) => {
                (503, errors("error performing token check: Vault is sealed"))
            }
            Some(ModelFault::Proxy(status)) => (status, Value::Null),
            _ => state.route(request, &path),
        };
        let garbage = state.fault == Some(ModelFault::Garbage);
        let body = match (garbage, status) {
            (true, _) => b"<html>".to_vec(),
            (_, 204) => Vec::new(),
            _ => serde_json::to_vec(&value).expect("JSON"),
        };
        let mut response = Response::new(body.into());
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        response
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn route(&mut self, request: &Request<Bytes>, path: &str) -> Answer {
        let header = |name: &str| request.headers().get(name).and_then(|text| text.to_str().ok());
        let path = path.strip_prefix("/v1/").unwrap_or_default().to_owned();
        if self.namespace.as_deref() != header("x-vault-namespace") {
            return (404, errors(&format!("no handler for route '{path}'")));
        }
        let body: Value = match serde_json::from_slice(request.body()) {
            Ok(body) => body,
            Err(_) if request.body().is_empty() => Value::Null,
            Err(error) => return (400, errors(&format!("failed to parse JSON input: {error}"))),
        };
        let post = request.method() == Method::POST || request.method() == Method::PUT;
        if let Some(mount) = path.strip_prefix("auth/").and_then(|rest| rest.strip_suffix("/login"))
        {
            return self.log_in(mount, &body);
        }
        let token = header("x-vault-token").unwrap_or_default().to_owned();
        if !self.tokens.get(&token).is_some_and(ModelToken::is_alive) {
            return (403, errors("permission denied"));
        }
        match (post, path.as_str()) {
            (true, "auth/token/renew-self") => self.renew(&token),
            (false, "auth/token/lookup-self") => self.look_up(&token),
            _ => self.transit(post, &path, &token, &body),
        }
    }

    fn transit(&mut self, post: bool, path: &str, token: &str, body: &Value) -> Answer {
        let unmounted = || (404, errors(&format!("no handler for route '{path}'")));
        let mount = format!("{}/", self.mount);
        let Some(path) = path.strip_prefix(&mount).map(str::to_owned) else { return unmounted() };
        if !self.tokens.get(token).is_some_and(|token| token.may(&path)) {
            return (403, errors("1 error occurred:\n\t* permission denied\n\n"));
        }
        let parts: Vec<&str> = path.split('/').collect();
        match (post, parts.as_slice()) {
            (false, ["keys", name]) => match self.keys.get(*name) {
                Some(key) => (200, json!({"data": key.describe(name)})),
                None => (404, json!({"errors": []})),
            },
            (true, ["keys", name]) => {
                let kind = body.get("type").and_then(Value::as_str).unwrap_or("aes256-gcm96");
                let Some(key) = ModelKey::new(kind) else {
                    return (400, errors(&format!("unknown key type {kind}")));
                };
                // The same again keeps the key.
                self.keys.entry((*name).to_owned()).or_insert(key);
                (204, Value::Null)
            }
            (true, ["keys", name, "rotate"]) => match self.keys.get_mut(*name) {
                Some(key) => {
                    key.rotate();
                    (204, Value::Null)
                }
                None => (400, errors("no existing key named that could be found")),
            },
            (true, ["sign", name]) => self.sign(name, None, body),
            (true, ["sign", name, hash]) => self.sign(name, Some(hash), body),
            _ => unmounted(),
        }
    }

    fn sign(&self, name: &str, hash: Option<&str>, body: &Value) -> Answer {
        match self.keys.get(name) {
            Some(key) => key.sign(hash, body, self.fault),
            None => (400, errors("encryption key not found")),
        }
    }
}

/// A refusal's body.
fn errors(text: &str) -> Value {
    json!({"errors": [text]})
}
