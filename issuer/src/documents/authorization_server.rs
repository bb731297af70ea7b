//! RFC 8414 metadata of a coordinator whose clients are told where tokens are exchanged.
//!
//! Without that it is the discovery document, byte for byte. With it, it says beside what discovery says that there is one
//! grant (RFC 8693 section 2.1) and that nobody has a client secret: who may have what is proved by the subject token. Left
//! out, both would mean something else (RFC 8414 section 2).

use moneyer_identity::ProviderMetadata;
use serde::Serialize;

/// The one grant that `POST /token` takes.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What a client of token exchange learns.
#[derive(Debug, Serialize)]
pub(super) struct AuthorizationServerMetadata<'a> {
    #[serde(flatten)]
    provider: &'a ProviderMetadata,
    token_endpoint: &'a str,
    grant_types_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 1],
}

impl<'a> AuthorizationServerMetadata<'a> {
    /// Of this provider, where tokens are exchanged there.
    pub(super) fn new(provider: &'a ProviderMetadata, token_endpoint: &'a str) -> Self {
        Self {
            provider,
            token_endpoint,
            grant_types_supported: [TOKEN_EXCHANGE],
            token_endpoint_auth_methods_supported: ["none"],
        }
    }
}
