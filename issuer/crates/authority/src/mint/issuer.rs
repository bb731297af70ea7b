//! The authority as a [`TokenIssuer`], for callers in the same process.

use async_trait::async_trait;
use moneyer_identity::{
    IssueError, IssuerUrl, MintedToken, SystemTokenRequest, TokenIssuer, TokenRequest,
};

use crate::authority::Authority;
use crate::enrollment::Places;
use crate::mint::error::MintError;
use crate::mint::minter::Ask;

/// Mints for whoever may place sandboxes: a controller or operator in this process.
#[derive(Debug)]
pub struct PermittedIssuer<P> {
    authority: Authority,
    by: P,
}

impl<P: Places> PermittedIssuer<P> {
    /// An issuer on behalf of `by`.
    #[must_use]
    pub fn new(authority: Authority, by: P) -> Self {
        Self { authority, by }
    }
}

#[async_trait]
impl<P: Places> TokenIssuer for PermittedIssuer<P> {
    async fn issue_token(&self, request: TokenRequest) -> Result<MintedToken, IssueError> {
        let ask =
            Ask { audiences: request.audiences, lifetime: request.lifetime, ..Ask::default() };
        self.authority.mint_any(&self.by, &request.sandbox, ask).await.map_err(|e| told(&e))
    }

    async fn issue_system_token(
        &self,
        request: SystemTokenRequest,
    ) -> Result<MintedToken, IssueError> {
        let ask =
            Ask { audiences: request.audiences, lifetime: request.lifetime, ..Ask::default() };
        self.authority.mint_system_any(&self.by, &request.workload, ask).await.map_err(|e| told(&e))
    }

    async fn issuer_url(&self) -> Result<IssuerUrl, IssueError> {
        Ok(self.authority.issuer())
    }
}

fn told(error: &MintError) -> IssueError {
    IssueError::new(error.class(), error.told())
}
