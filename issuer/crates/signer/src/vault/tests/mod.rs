//! The Vault signer over the model of Vault's transit engine, in the process: HTTP is for whoever has a client.

mod keys;
mod outage;
mod tokens;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use moneyer_authority::signer::{KeyKind, NewKey, Signer as _, SignerError, SigningKey};
use moneyer_identity::{Expectations, KeySet, Token, UnsignedToken, Verifier};
use moneyer_testkit::signer::sample_claims;
use moneyer_testkit::vault_model::VaultTransitModel;
use moneyer_testkit::{ManualClock, START};

use super::names::VaultPath;
use super::{TransportError, VaultLogin, VaultOptions, VaultSigner, VaultTransport};

/// How the model is reached.
#[derive(Debug, Clone, Default)]
pub(super) struct Wire {
    pub(super) model: VaultTransitModel,
    pub(super) is_down: Arc<AtomicBool>,
    pub(super) delay_ms: Arc<AtomicU64>,
    /// How long an answer is under way.
    pub(super) late_ms: Arc<AtomicU64>,
    /// Requests that tried to connect.
    pub(super) tries: Arc<AtomicU64>,
}

#[async_trait]
impl VaultTransport for Wire {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) {
            return Err(TransportError::Connect("connection refused".into()));
        }
        let delay = self.delay_ms.load(Ordering::Relaxed);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        let answer = self.model.answer(&request);
        let late = self.late_ms.load(Ordering::Relaxed);
        if late > 0 {
            tokio::time::sleep(Duration::from_millis(late)).await;
        }
        Ok(answer)
    }
}

/// A model, a directory for tokens, and a signer over both.
pub(super) struct World {
    pub(super) wire: Wire,
    pub(super) clock: ManualClock,
    pub(super) directory: tempfile::TempDir,
    pub(super) signer: VaultSigner,
}

pub(super) fn path(text: &str) -> VaultPath {
    text.parse().unwrap()
}

impl World {
    /// One whose token is in a file and good for ever.
    pub(super) fn new() -> Self {
        Self::with(|options| options)
    }

    /// The same with other options.
    pub(super) fn with(change: impl FnOnce(VaultOptions) -> VaultOptions) -> Self {
        Self::on(Wire::default(), change)
    }

    pub(super) fn on(wire: Wire, change: impl FnOnce(VaultOptions) -> VaultOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token_file = directory.path().join("token");
        std::fs::write(&token_file, "s.first\n").unwrap();
        wire.model.accept_token("s.first");
        let options = VaultOptions {
            mount: path("transit"),
            namespace: None,
            key_prefix: path("moneyer"),
            login: VaultLogin::TokenFile(token_file),
            timeout: Duration::from_secs(2),
            concurrency: 16,
            queue: 1024,
            refresh_every: Duration::from_secs(30),
        };
        let clock = ManualClock::default();
        let transport = Arc::new(wire.clone());
        let signer = VaultSigner::new(change(options), transport, Arc::new(clock.clone()));
        Self { wire, clock, directory, signer }
    }

    pub(super) fn model(&self) -> &VaultTransitModel {
        &self.wire.model
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.directory.path().join("token")
    }

    /// A key that was made and opened, and nothing on the model's list of calls.
    pub(super) async fn key(&self) -> Arc<dyn SigningKey> {
        let key = self.open(&self.signer.generate(KeyKind::P256).await.unwrap()).await;
        drop(self.model().calls());
        key
    }

    pub(super) async fn open(&self, key: &NewKey) -> Arc<dyn SigningKey> {
        self.signer.open(&key.verifying_key, &key.handle).await.unwrap()
    }

    /// Lets the signer look after itself for a while.
    pub(super) async fn keep_for(&self, time: Duration) {
        tokio::time::timeout(time, self.signer.clone().keep()).await.unwrap_err();
    }
}

pub(super) fn unsigned(key: &dyn SigningKey) -> UnsignedToken {
    UnsignedToken::new(key.verifying_key().key_id().clone(), &sample_claims()).unwrap()
}

pub(super) async fn sign(key: &dyn SigningKey) -> Result<Token, SignerError> {
    key.sign(unsigned(key)).await
}

/// Fails unless the token is good by the key set of these keys.
pub(super) fn verify(keys: &[&Arc<dyn SigningKey>], token: &Token) {
    let set = KeySet::new(keys.iter().map(|key| key.verifying_key().clone()).collect()).unwrap();
    let claims = sample_claims();
    let expected = Expectations::exactly("https://rp.example.com".parse().unwrap());
    Verifier::new(claims.iss, set).verify(token.expose(), &expected, START).unwrap();
}

pub(super) fn problem(key: &dyn SigningKey) -> Option<String> {
    key.dependency().unwrap().fault.map(|fault| fault.problem)
}
