//! What is recorded of users' tokens that are readdressed to sandboxes. As everywhere, no token has a field here.

use moneyer_identity::grant::TokenEndpoint;
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{AppName, CredentialName, ProviderName, SandboxId, UnixTime};
use serde::Serialize;

/// A user's token that was readdressed to a sandbox and is handed to its runner.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubjectTokenExchanged {
    /// For which sandbox.
    pub sandbox: SandboxId,
    /// Its app.
    pub app: AppName,
    /// To whom it is addressed.
    pub spiffe_id: SpiffeId,
    /// The provider that holds the user's token.
    pub provider: ProviderName,
    /// Its credential whose grant is the exchange.
    pub credential: CredentialName,
    /// Where it was exchanged.
    pub token_endpoint: TokenEndpoint,
}

/// A user's token was asked for by a known runner, and is not readdressed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubjectTokenRefused {
    /// For which sandbox, where it is one of those recorded one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxId>,
    /// The kind of refusal.
    pub class: &'static str,
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
}

/// A user's token that was renewed by its refresh token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubjectTokenRenewed {
    /// The provider that holds it.
    pub provider: ProviderName,
    /// Which of what it holds.
    pub credential: CredentialName,
    /// When it ends.
    pub expires_at: UnixTime,
}
