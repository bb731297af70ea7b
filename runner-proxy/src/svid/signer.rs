//! Whoever signs X.509-SVIDs: the coordinator, or a stand-in in tests.

use async_trait::async_trait;
use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{IssueError, Lifetime, SandboxId};

/// What a request for a certificate came back with.
#[derive(Debug, Clone)]
pub(crate) struct SignedSvid {
    /// Whose it is.
    pub(crate) id: SpiffeId,
    /// DER, the leaf first.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// Life left when it was signed. Renew by this, not by the wall clock.
    pub(crate) expires_in: Lifetime,
}

/// A source of X.509-SVIDs.
#[async_trait]
pub(crate) trait SvidSigner: Send + Sync {
    /// An X.509-SVID for a sandbox, over the key of this request (PKCS#10, DER).
    async fn sign_x509_svid(
        &self,
        sandbox: &SandboxId,
        certificate_request: Vec<u8>,
    ) -> Result<SignedSvid, IssueError>;
}
