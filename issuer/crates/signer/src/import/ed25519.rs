//! Ed25519 keys (RFC 8410), PKCS#8 version 1 and version 2, which adds the public half.

use moneyer_identity::Algorithm;

use crate::import::error::ImportError;
use crate::import::key::{Claimed, public_half};
use crate::local::ed25519_pkcs8;

/// A `CurvePrivateKey`: an OCTET STRING of 32 bytes.
pub(super) fn private(der: &[u8], public: Option<&[u8]>) -> Result<Claimed, ImportError> {
    let seed = der.strip_prefix(&[0x04, 0x20]).and_then(|seed| seed.try_into().ok());
    let seed = seed.ok_or(ImportError::Damaged("its Ed25519 structure is broken"))?;
    pair(seed, public)
}

/// A key from its 32 bytes, and the public half that its file claims.
pub(super) fn pair(seed: &[u8; 32], public: Option<&[u8]>) -> Result<Claimed, ImportError> {
    let pkcs8 = ed25519_pkcs8(seed);
    let computed = public_half(Algorithm::EdDsa, &pkcs8)?;
    if let Some(public) = public {
        let claimed = moneyer_identity::VerifyingKey::ed25519(public);
        let same = claimed.is_ok_and(|claimed| claimed.thumbprint() == computed.thumbprint());
        if !same {
            return Err(ImportError::Mismatch);
        }
    }
    Ok(Claimed { public: computed, pkcs8 })
}
