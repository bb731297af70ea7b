//! The first stage of a token exchange: a user's token, readdressed to the sandbox by the coordinator.
//!
//! The user's own token never leaves the coordinator. What comes from it is addressed to the sandbox's SPIFFE ID, is
//! used for one exchange and is kept nowhere here.

use async_trait::async_trait;
use moneyer_daemon::oauth::ClientAssertion;
use moneyer_identity::IssueError;
use moneyer_identity::grant::{BearerToken, TokenGrant};

use super::cache::Holder;

/// Where tokens on a user's behalf come from.
#[async_trait]
pub(crate) trait SubjectTokens: Send + Sync {
    /// The token for the second stage, for the holder of this assertion.
    async fn readdressed(
        &self,
        holder: &Holder,
        grant: &TokenGrant,
        assertion: &ClientAssertion,
    ) -> Result<BearerToken, IssueError>;
}
