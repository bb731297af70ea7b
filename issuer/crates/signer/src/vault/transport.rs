//! The port through which Vault is asked: whoever has an HTTP client implements it.

use async_trait::async_trait;
use bytes::Bytes;
use moneyer_authority::store::Cause;

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// There was no connection, so the request was not sent.
    #[error("no connection")]
    Connect(#[source] Cause),
    /// It may have been sent, and no complete answer came.
    #[error("no complete answer came")]
    Answer(#[source] Cause),
}

/// Carries one request to Vault and brings the answer, whatever its status. Follows no redirect, and bounds
/// the time to connect, the time in all and the size of the answer.
#[async_trait]
pub trait VaultTransport: Send + Sync + std::fmt::Debug {
    /// One request. Its path begins with `/v1/`; the address before that is the transport's own.
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError>;
}
