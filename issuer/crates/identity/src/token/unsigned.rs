//! A token before its signature.
//!
//! The header is exactly `alg`, `kid` and `typ` = `JWT` (a JWT-SVID may hold no other, JWT-SVID section
//! 2, and neither do our OIDC tokens). josekit serialises and calls the signer that is handed in, so
//! every signer makes the same bytes. One that is far away is asked with a [`SigningInput`], which becomes a
//! token by a signature that verifies and by no other.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseError;
use josekit::jws::{ES256, EdDSA, JwsAlgorithm, JwsHeader, JwsSigner, RS256};
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::claims::ClaimSet;
use crate::key::{KeyId, VerifyingKey};
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

    /// What this key is to sign, where its private half is not in this process: the bytes are those that
    /// [`signed_by`](Self::signed_by) would sign.
    pub fn signing_input(&self, key: &VerifyingKey) -> Result<SigningInput, JoseError> {
        if *key.key_id() != self.key_id {
            return Err(JoseError::InvalidKeyFormat(OtherKey.into()));
        }
        let mut header = JwsHeader::new();
        header.set_token_type("JWT");
        header.set_key_id(self.key_id.as_str());
        let absent = Absent { algorithm: key.algorithm(), length: key.signature_bytes() };
        let text = josekit::jws::serialize_compact(&self.payload, &header, &absent)?;
        Ok(SigningInput(Zeroizing::new(text)))
    }
}

/// A token that lacks its signature and no more: header, payload and both dots. With a signature it is a
/// token, so it is wiped when dropped and never shown.
pub struct SigningInput(Zeroizing<String>);

/// A signature was made elsewhere and is not that of the key over the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what came as the signature is not one of this key over this token")]
pub struct NotItsSignature;

impl SigningInput {
    /// The bytes to sign.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes().strip_suffix(b".").unwrap_or_default()
    }

    /// The token, if this is the key's signature over it, in the form tokens have: for ES256 the two
    /// numbers, 32 bytes each. Whatever does not verify never becomes a token.
    pub fn signed(self, key: &VerifyingKey, signature: &[u8]) -> Result<Token, NotItsSignature> {
        if signature.len() != key.signature_bytes() || !key.signed(self.as_bytes(), signature) {
            return Err(NotItsSignature);
        }
        let mut text = self.0;
        // Within what was reserved: no copy is left behind.
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        Ok(Token::new(std::mem::take(&mut *text)))
    }
}

impl std::fmt::Debug for SigningInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningInput(redacted)")
    }
}

/// Stands for a private key that is elsewhere, so that josekit writes everything up to the signature.
#[derive(Debug, Clone)]
struct Absent {
    algorithm: Algorithm,
    length: usize,
}

impl JwsSigner for Absent {
    fn algorithm(&self) -> &dyn JwsAlgorithm {
        match self.algorithm {
            Algorithm::RS256 => &RS256,
            Algorithm::ES256 => &ES256,
            Algorithm::EdDsa => &EdDSA,
        }
    }

    fn key_id(&self) -> Option<&str> {
        None
    }

    fn signature_len(&self) -> usize {
        self.length
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, JoseError> {
        Ok(Vec::new())
    }

    fn box_clone(&self) -> Box<dyn JwsSigner> {
        Box::new(self.clone())
    }
}
