//! What a runner asks for.

use moneyer_identity::{CredentialName, ProviderName};
use zeroize::Zeroizing;

/// A user's token for a sandbox.
pub struct SubjectAsk {
    /// By which provider.
    pub provider: ProviderName,
    /// The credential whose grant is an exchange.
    pub credential: CredentialName,
    /// The sandbox's assertion, as the token service will be shown it in the second stage.
    pub jwt_svid: Zeroizing<String>,
}
