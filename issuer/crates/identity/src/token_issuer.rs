//! What a caller in Rust holds to get tokens, wherever the keys are.
//!
//! The coordinator's authority implements [`TokenIssuer`] in process, the gRPC client of the runner
//! proxy implements it from afar, and a sandbox controller can hold either without knowing which.

use std::time::Duration;

use async_trait::async_trait;

use crate::audience::Audience;
use crate::clock::UnixTime;
use crate::component::{SandboxId, SystemWorkloadName};
use crate::error_class::ErrorClass;
use crate::issuer_url::IssuerUrl;
use crate::key::KeyId;
use crate::lifetime::Lifetime;
use crate::random_id::TokenId;
use crate::token::Token;

/// A request for a sandbox's token. Nothing in it becomes `sub`, `iss` or any claim but `aud` and
/// `exp`, and those only as far as policy allows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenRequest {
    /// Whose token.
    pub sandbox: SandboxId,
    /// Asked for; none for the default audience.
    pub audiences: Vec<Audience>,
    /// Asked for; `None` for the audience's default.
    pub lifetime: Option<Lifetime>,
}

/// A request for the token of a part of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SystemTokenRequest {
    /// Whose token.
    pub workload: SystemWorkloadName,
    /// Asked for; none for the default audience.
    pub audiences: Vec<Audience>,
    /// Asked for; `None` for the audience's default.
    pub lifetime: Option<Lifetime>,
}

/// A token and what its holder has to know of it.
#[derive(Debug, Clone)]
pub struct MintedToken {
    /// The token.
    pub token: Token,
    /// Life left when it was minted. Renew by this, not by the wall clock.
    pub expires_in: Lifetime,
    /// `exp`.
    pub expires_at: UnixTime,
    /// `kid`.
    pub key_id: KeyId,
    /// `jti`.
    pub token_id: TokenId,
}

/// A refusal or failure, as far as the caller may know it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct IssueError {
    /// What kind of failure.
    pub class: ErrorClass,
    /// One of a few constant texts.
    pub message: String,
    /// When to ask again, where whoever failed has said so.
    pub retry_after: Option<Duration>,
}

impl IssueError {
    /// A refusal or failure that says nothing of when to ask again.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), retry_after: None }
    }
}

/// A source of tokens.
#[async_trait]
pub trait TokenIssuer: Send + Sync {
    /// A token for a sandbox.
    async fn issue_token(&self, request: TokenRequest) -> Result<MintedToken, IssueError>;

    /// A token for a system workload.
    async fn issue_system_token(
        &self,
        request: SystemTokenRequest,
    ) -> Result<MintedToken, IssueError>;

    /// The value of `iss`.
    async fn issuer_url(&self) -> Result<IssuerUrl, IssueError>;
}
