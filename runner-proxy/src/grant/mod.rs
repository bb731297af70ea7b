//! Token grants: how the token for a request of a sandbox comes about (RFC 7523, RFC 8693).
//!
//! The sandbox's JWT-SVID is the client assertion, the token endpoint of the grant answers with an access token, and
//! the token is kept until shortly before its end, for exactly the sandbox, revision and grant it was obtained for.
//! However many ask for the same token, it is asked for once. Nothing here is ever shown to the sandbox: not the
//! assertion, not the token, and of a failure no more than that there was one.

mod assertion;
mod cache;
mod error;
mod obtain;
mod subject;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use assertion::AssertionError;
pub(crate) use assertion::{Assertions, OwnAssertions, SocketAssertions};
pub(crate) use cache::{GrantKey, Holder, TokenCache};
pub(crate) use error::GrantError;
pub(crate) use obtain::Grantor;
pub(crate) use subject::SubjectTokens;
#[cfg(test)]
pub(crate) use tests::{World, key};

use std::sync::Arc;

use async_trait::async_trait;
use moneyer_identity::grant::{BearerToken, Destination};

/// Where the proxy has tokens from.
#[async_trait]
pub(crate) trait TokenSource: Send + Sync {
    /// The token of a grant, fresh enough to be sent to a destination. Which destination it is changes nothing about the
    /// token: it is recorded of the first.
    async fn token(
        &self,
        key: GrantKey,
        destination: &Destination,
    ) -> Result<Arc<BearerToken>, Arc<GrantError>>;

    /// Tells that an upstream answered 401 to this token.
    fn refused(&self, key: &GrantKey, token: &BearerToken);
}
