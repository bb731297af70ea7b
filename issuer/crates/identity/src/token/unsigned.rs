//! A token before its signature.
//!
//! The header is exactly `alg`, `kid` and `typ` = `JWT` (a JWT-SVID may hold no other, JWT-SVID section
//! 2, and neither do our OIDC tokens). josekit serialises and calls the signer that is handed in, so
//! every signer makes the same bytes.

use josekit::JoseError;
use josekit::jws::{JwsHeader, JwsSigner};

use crate::claims::ClaimSet;
use crate::key::KeyId;
use crate::token::secret::Token;

#[derive(Debug, thiserror::Error)]
#[error("the signer goes by another key id than the token")]
struct OtherKey;

/// Claims, serialised once, and the key that is to sign them.
#[derive(Debug, Clone)]
pub struct UnsignedToken {
    key_id: KeyId,
    payload: Vec<u8>,
}

impl UnsignedToken {
    /// Serialises the claims.
    pub fn new(key_id: KeyId, claims: &ClaimSet) -> Result<Self, serde_json::Error> {
        Ok(Self { key_id, payload: serde_json::to_vec(claims)? })
    }

    /// The key that is to sign.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// Signs. The signer's algorithm becomes `alg`. A signer that goes by another key id is refused:
    /// josekit would write the signer's id over ours, and no key set has it.
    pub fn signed_by(&self, signer: &dyn JwsSigner) -> Result<Token, JoseError> {
        if signer.key_id().is_some_and(|key_id| key_id != self.key_id.as_str()) {
            return Err(JoseError::InvalidKeyFormat(OtherKey.into()));
        }
        let mut header = JwsHeader::new();
        header.set_token_type("JWT");
        header.set_key_id(self.key_id.as_str());
        josekit::jws::serialize_compact(&self.payload, &header, signer).map(Token::new)
    }
}
