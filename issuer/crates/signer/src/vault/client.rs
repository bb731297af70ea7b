//! One request after the other to Vault, with the token that is good now.
//!
//! A connection that could not be made is tried once more; a request that may have been received is not. A
//! 403 costs one new log-in and one more try, whoever else asks meanwhile: an expired token and a policy that
//! forbids cannot be told apart by the answer.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use moneyer_authority::store::Cause;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

use super::answer::{Authenticated, Judged, TokenLookup, body, data, judged, whole};
use super::error::VaultError;
use super::login::{Asked, Lease, Life, VaultLogin, secret};
use super::names::VaultPath;
use super::transport::{TransportError, VaultTransport};

/// A renewed lease that is shorter than this part of what the log-in gave is near its longest life.
const SHORTENED: u32 = 2;

/// Asks Vault.
#[derive(Debug)]
pub(super) struct Client {
    transport: Arc<dyn VaultTransport>,
    namespace: Option<HeaderValue>,
    login: VaultLogin,
    lease: Mutex<Option<Arc<Lease>>>,
    /// Held by whoever logs in: one at a time.
    logging_in: AsyncMutex<()>,
}

impl Client {
    pub(super) fn new(
        transport: Arc<dyn VaultTransport>,
        namespace: Option<&VaultPath>,
        login: VaultLogin,
    ) -> Self {
        let namespace = namespace.and_then(|path| HeaderValue::from_str(path.as_str()).ok());
        let (lease, logging_in) = (Mutex::new(None), AsyncMutex::new(()));
        Self { transport, namespace, login, lease, logging_in }
    }

    /// Reads a path.
    pub(super) async fn read(&self, path: &str) -> Result<Bytes, VaultError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Reads a path that the policy may not allow: who is denied it does not log in anew for that.
    pub(super) async fn look(&self, path: &str) -> Result<Bytes, VaultError> {
        let lease = self.lease(None).await?;
        match judged(self.send(&Method::GET, path, Some(&lease), Bytes::new()).await?)? {
            Judged::Good(body) => Ok(body),
            Judged::Denied(text) => {
                Err(VaultError::Denied { method: "GET", path: path.to_owned(), text })
            }
        }
    }

    /// Writes to a path.
    pub(super) async fn write(&self, path: &str, value: &Value) -> Result<Bytes, VaultError> {
        self.ask(Method::POST, path, body(value)?).await
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, VaultError> {
        let mut refused = None;
        loop {
            let lease = self.lease(refused).await?;
            let answer = self.send(&method, path, Some(&lease), body.clone()).await?;
            match judged(answer)? {
                Judged::Good(body) => return Ok(body),
                Judged::Denied(_) if refused.is_none() => refused = Some(lease.serial),
                Judged::Denied(text) => {
                    let method = if method == Method::GET { "GET" } else { "POST" };
                    return Err(VaultError::Denied { method, path: path.to_owned(), text });
                }
            }
        }
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        lease: Option<&Lease>,
        body: Bytes,
    ) -> Result<Response<Bytes>, VaultError> {
        let mut tries = 0;
        loop {
            let request = self.request(method, path, lease, body.clone())?;
            match self.transport.send(request).await {
                Err(TransportError::Connect(_)) if tries == 0 => tries += 1,
                answer => return answer.map_err(VaultError::Transport),
            }
        }
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        lease: Option<&Lease>,
        body: Bytes,
    ) -> Result<Request<Bytes>, VaultError> {
        let request = Request::builder().method(method).uri(format!("/v1/{path}"));
        let mut request = request.header("x-vault-request", "true");
        if let Some(lease) = lease {
            request = request.header("x-vault-token", lease.header());
        }
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(body).map_err(|error| VaultError::Request(Cause::from(error)))
    }

    /// The token that is good now; where the one of this serial was `refused`, another.
    async fn lease(&self, refused: Option<u64>) -> Result<Arc<Lease>, VaultError> {
        let good = |lease: &Arc<Lease>| refused != Some(lease.serial);
        if let Some(lease) = self.current().filter(good) {
            return Ok(lease);
        }
        let _turn = self.logging_in.lock().await;
        if let Some(lease) = self.current().filter(good) {
            return Ok(lease);
        }
        self.log_in().await
    }

    /// Gets a new token. Only for whoever holds the turn.
    async fn log_in(&self) -> Result<Arc<Lease>, VaultError> {
        let serial = self.current().map_or(0, |lease| lease.serial + 1);
        let lease = match self.login.ask().await? {
            Asked::Token(token) => {
                let found = Lease::new(serial, token, None)?;
                let life = self.look_up(&found).await;
                found.lasting(life)
            }
            Asked::LogIn { path, body: asked } => {
                let answer = self.send(&Method::POST, &path, None, asked).await?;
                let auth = match judged(answer)? {
                    Judged::Good(body) => whole::<Authenticated>(&body)?.auth,
                    Judged::Denied(text) => {
                        return Err(VaultError::Denied { method: "POST", path, text });
                    }
                };
                let life = Life::begin(auth.lease_duration, auth.renewable);
                Lease::new(serial, SecretString::from(auth.client_token.as_str()), life)?
            }
        };
        Ok(self.put(lease))
    }

    /// How long a token of a file is good for, where its policy lets it ask.
    async fn look_up(&self, lease: &Lease) -> Option<Life> {
        let path = "auth/token/lookup-self";
        let answer = self.send(&Method::GET, path, Some(lease), Bytes::new()).await.ok()?;
        let Ok(Judged::Good(body)) = judged(answer) else { return None };
        let lookup: TokenLookup = data(&body).ok()?;
        Life::begin(lookup.ttl, lookup.renewable)
    }

    /// Looks after the token: takes another up that its file holds, and lengthens its lease in time.
    pub(super) async fn keep(&self) -> Result<(), VaultError> {
        let Some(lease) = self.current() else {
            return self.lease(None).await.map(drop);
        };
        if let Some(path) = self.login.token_file()
            && !lease.is(&secret(path).await?)
        {
            return self.lease(Some(lease.serial)).await.map(drop);
        }
        match lease.life() {
            Some(life) if life.renew_at <= Instant::now() => self.renew(&lease, life).await,
            _ => Ok(()),
        }
    }

    async fn renew(&self, lease: &Lease, life: Life) -> Result<(), VaultError> {
        let renewed = if life.renewable { self.renewed(lease).await? } else { None };
        match renewed {
            Some(renewed) if renewed.granted * SHORTENED >= life.granted => {
                let granted = renewed.granted.max(life.granted);
                self.put(lease.lasting(Some(Life { granted, ..renewed })));
                Ok(())
            }
            // Whoever keeps the file brings another token in time.
            _ if self.login.token_file().is_some() => {
                self.put(lease.lasting(None));
                Ok(())
            }
            _ => self.lease(Some(lease.serial)).await.map(drop),
        }
    }

    /// The lease, lengthened; `None`: Vault does not.
    async fn renewed(&self, lease: &Lease) -> Result<Option<Life>, VaultError> {
        let asked = body(&serde_json::json!({}))?;
        let path = "auth/token/renew-self";
        let answer = self.send(&Method::POST, path, Some(lease), asked).await?;
        match judged(answer) {
            Ok(Judged::Good(body)) => {
                let auth = whole::<Authenticated>(&body)?.auth;
                Ok(Life::begin(auth.lease_duration, auth.renewable))
            }
            Ok(Judged::Denied(_)) | Err(VaultError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn current(&self) -> Option<Arc<Lease>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a lease up, unless somebody has logged in since it was asked for; and gives the one that holds.
    fn put(&self, lease: Lease) -> Arc<Lease> {
        let mut held = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some(newer) if newer.serial > lease.serial => newer.clone(),
            _ => held.insert(Arc::new(lease)).clone(),
        }
    }
}
