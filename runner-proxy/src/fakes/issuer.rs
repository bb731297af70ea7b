//! A coordinator that mints, and files that are shown.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{
    Audience, ErrorClass, IssueError, IssuerUrl, KeyId, Lifetime, MintedToken, SandboxId,
    SystemTokenRequest, Token, TokenId, TokenIssuer, TokenRequest, UnixTime,
};
use tokio::time::Instant;

use crate::token::{BatchIssuer, TokenSink};

/// What the fake coordinator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Up,
    /// Fails at once with this class.
    Fails(ErrorClass),
    /// Refuses as too much asked for, and says when to ask again.
    Busy(Duration),
    /// Answers after this long.
    Slow(Duration),
}

/// One call that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) requests: Vec<TokenRequest>,
    pub(crate) succeeded: bool,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    default_lifetime: u32,
    calls: Vec<Call>,
    minted: u32,
}

/// A coordinator that mints numbered tokens.
#[derive(Debug, Clone)]
pub(crate) struct FakeIssuer(Arc<Mutex<State>>);

impl FakeIssuer {
    pub(crate) fn new() -> Self {
        let calls = Vec::new();
        Self(Arc::new(Mutex::new(State {
            mode: Mode::Up,
            default_lifetime: 3600,
            calls,
            minted: 0,
        })))
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.0.lock().unwrap().mode = mode;
    }

    pub(crate) fn set_lifetime(&self, seconds: u32) {
        self.0.lock().unwrap().default_lifetime = seconds;
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.lock().unwrap().calls.clone()
    }

    pub(crate) fn minted(&self) -> u32 {
        self.0.lock().unwrap().minted
    }

    async fn answer(&self, requests: Vec<TokenRequest>) -> Result<Vec<MintedToken>, IssueError> {
        let mode = {
            let mut state = self.0.lock().unwrap();
            let succeeded = !matches!(state.mode, Mode::Fails(_) | Mode::Busy(_));
            state.calls.push(Call { at: Instant::now(), requests: requests.clone(), succeeded });
            state.mode
        };
        match mode {
            Mode::Up => {}
            Mode::Fails(class) => {
                return Err(IssueError::new(class, "as the test asked"));
            }
            Mode::Busy(pause) => {
                let error = IssueError::new(ErrorClass::Exhausted, "as the test asked");
                return Err(IssueError { retry_after: Some(pause), ..error });
            }
            Mode::Slow(delay) => tokio::time::sleep(delay).await,
        }
        let mut state = self.0.lock().unwrap();
        let mint = |request: TokenRequest| {
            state.minted += 1;
            let seconds = request.lifetime.map_or(state.default_lifetime, Lifetime::seconds);
            minted(&format!("token-{}", state.minted), seconds)
        };
        Ok(requests.into_iter().map(mint).collect())
    }
}

/// A token with this text and life.
pub(crate) fn minted(text: &str, seconds: u32) -> MintedToken {
    MintedToken {
        token: Token::new(text.to_owned()),
        expires_in: Lifetime::from_seconds(seconds),
        expires_at: UnixTime(1_800_000_000),
        key_id: KeyId::parse("key").unwrap(),
        token_id: TokenId::random().unwrap(),
    }
}

#[async_trait]
impl TokenIssuer for FakeIssuer {
    async fn issue_token(&self, request: TokenRequest) -> Result<MintedToken, IssueError> {
        Ok(self.answer(vec![request]).await?.remove(0))
    }

    async fn issue_system_token(&self, _: SystemTokenRequest) -> Result<MintedToken, IssueError> {
        Err(IssueError::new(ErrorClass::Denied, "not in this fake"))
    }

    async fn issuer_url(&self) -> Result<IssuerUrl, IssueError> {
        Ok(IssuerUrl::parse("https://id.example.com").unwrap())
    }
}

#[async_trait]
impl BatchIssuer for FakeIssuer {
    async fn issue_tokens(
        &self,
        requests: Vec<TokenRequest>,
    ) -> Result<Vec<Result<MintedToken, IssueError>>, IssueError> {
        Ok(self.answer(requests).await?.into_iter().map(Ok).collect())
    }

    async fn issue_jwt_svid(
        &self,
        request: TokenRequest,
    ) -> Result<(SpiffeId, MintedToken), IssueError> {
        let id = spiffe_id(request.sandbox.as_str());
        Ok((id, self.answer(vec![request]).await?.remove(0)))
    }
}

/// Remembers what was shown and removed.
#[derive(Debug, Default)]
pub(crate) struct FakeSink {
    pub(crate) shown: Mutex<Vec<(TokenRequest, String)>>,
    pub(crate) removed: Mutex<Vec<TokenRequest>>,
    pub(crate) full: std::sync::atomic::AtomicBool,
}

impl FakeSink {
    pub(crate) fn last(&self) -> Option<String> {
        self.shown.lock().unwrap().last().map(|(_, token)| token.clone())
    }
}

impl TokenSink for FakeSink {
    fn put(&self, request: &TokenRequest, token: &MintedToken) -> io::Result<()> {
        if self.full.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.shown.lock().unwrap().push((request.clone(), token.token.expose().to_owned()));
        Ok(())
    }

    fn remove(&self, request: &TokenRequest) {
        self.removed.lock().unwrap().push(request.clone());
    }
}

/// The SPIFFE ID that the fake gives sandbox `id`.
pub(crate) fn spiffe_id(id: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://id.test/sandbox/{id}")).unwrap()
}

/// A sandbox's id.
pub(crate) fn sandbox(id: &str) -> SandboxId {
    SandboxId::parse(id).unwrap()
}

/// A request of sandbox `id` for these audiences.
pub(crate) fn request(id: &str, audiences: &[&str]) -> TokenRequest {
    let audiences = audiences.iter().map(|text| Audience::parse(text).unwrap()).collect();
    TokenRequest { sandbox: sandbox(id), audiences, lifetime: None }
}
