//! A coordinator that signs numbered X.509-SVIDs, which are no certificates, or real ones under an authority.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{ErrorClass, IssueError, Lifetime, SandboxId};
use tokio::time::Instant;

use super::bundles::FakeAuthority;
use super::{Mode, spiffe_id};
use crate::svid::{SignedSvid, SvidSigner};

#[derive(Debug)]
struct State {
    mode: Mode,
    lifetime: u32,
    id: SpiffeId,
    signed: u8,
    asked: Vec<Instant>,
    authority: Option<FakeAuthority>,
}

/// Signs for sandbox `s`.
#[derive(Debug, Clone)]
pub(crate) struct FakeSigner(Arc<Mutex<State>>);

impl FakeSigner {
    pub(crate) fn new() -> Self {
        let (mode, id, asked) = (Mode::Up, spiffe_id("s"), Vec::new());
        let state = State { mode, lifetime: 3600, id, signed: 0, asked, authority: None };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.0.lock().unwrap().mode = mode;
    }

    pub(crate) fn set_id(&self, id: SpiffeId) {
        self.0.lock().unwrap().id = id;
    }

    /// Claims lives of so many seconds from now on.
    pub(crate) fn set_lifetime(&self, lifetime: u32) {
        self.0.lock().unwrap().lifetime = lifetime;
    }

    /// Signs real certificates from now on.
    pub(crate) fn sign_under(&self, authority: &FakeAuthority) {
        self.0.lock().unwrap().authority = Some(authority.clone());
    }

    /// How many were signed.
    pub(crate) fn signed(&self) -> u8 {
        self.0.lock().unwrap().signed
    }

    /// When it was asked.
    pub(crate) fn asked(&self) -> Vec<Instant> {
        self.0.lock().unwrap().asked.clone()
    }
}

#[async_trait]
impl SvidSigner for FakeSigner {
    async fn sign_x509_svid(
        &self,
        _sandbox: &SandboxId,
        _certificate_request: Vec<u8>,
    ) -> Result<SignedSvid, IssueError> {
        let mode = {
            let mut state = self.0.lock().unwrap();
            state.asked.push(Instant::now());
            state.mode
        };
        match mode {
            Mode::Up => {}
            Mode::Fails(class) => return Err(IssueError::new(class, "as the test asked")),
            Mode::Busy(_) => return Err(IssueError::new(ErrorClass::Exhausted, "busy")),
            Mode::Slow(delay) => tokio::time::sleep(delay).await,
        }
        let mut state = self.0.lock().unwrap();
        state.signed += 1;
        let certificates = match &state.authority {
            Some(authority) => vec![authority.leaf(state.id.as_str())],
            None => vec![vec![state.signed], vec![0]],
        };
        Ok(SignedSvid {
            id: state.id.clone(),
            certificates,
            expires_in: Lifetime::from_seconds(state.lifetime),
        })
    }
}
