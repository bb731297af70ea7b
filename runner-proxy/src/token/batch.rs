//! Asking for many tokens in one call.

use async_trait::async_trait;
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{IssueError, MintedToken, TokenIssuer, TokenRequest};

/// The most requests in one call: what the coordinator takes (`MintTokens`), and as much signing
/// as one call can wait for within its deadline on a small machine.
pub(crate) const MAXIMUM_BATCH: usize = 64;

/// A source of tokens that also takes requests by the batch, as renewals come.
#[async_trait]
pub(crate) trait BatchIssuer: TokenIssuer {
    /// One result for each of at most [`MAXIMUM_BATCH`] requests, in their order; or the failure
    /// that kept all of them from being answered.
    async fn issue_tokens(
        &self,
        requests: Vec<TokenRequest>,
    ) -> Result<Vec<Result<MintedToken, IssueError>>, IssueError>;

    /// A JWT-SVID for a sandbox, and the SPIFFE ID it is for.
    async fn issue_jwt_svid(
        &self,
        request: TokenRequest,
    ) -> Result<(SpiffeId, MintedToken), IssueError>;
}
