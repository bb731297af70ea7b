//! How long a token will be, known before it is signed.
//!
//! A token longer than [`MAXIMUM_TOKEN_BYTES`] is one our own verifier, and most servers' header limits,
//! refuse. Components, issuer and one audience always fit; several long audiences may not, nor the roles of
//! AWS, nor the names of many policies, nor the claims of scopes, so only those are measured. The length is exact, so that nothing that would fit is refused.

use std::io;

use moneyer_identity::{ClaimSet, MAXIMUM_TOKEN_BYTES, VerifyingKey};

use crate::mint::error::MintError;

/// Base64url digits of a P-256 or Ed25519 signature, which has 64 bytes.
const SHORT_SIGNATURE_DIGITS: usize = 86;

/// Refuses claims whose token, signed with this key, would be too long.
pub(super) fn check(claims: &ClaimSet, key: &VerifyingKey) -> Result<(), MintError> {
    let few = claims.aws.is_empty() && claims.policies.is_empty() && claims.exchanged.is_none();
    if claims.aud.as_slice().len() == 1 && few {
        return Ok(());
    }
    let mut payload = Counter(0);
    serde_json::to_writer(&mut payload, claims).map_err(|error| MintError::Encode(error.into()))?;
    let (kid, algorithm) = (key.key_id().as_str(), key.algorithm());
    let header = format!(r#"{{"typ":"JWT","kid":"{kid}","alg":"{algorithm}"}}"#);
    // An RSA signature has as many bytes as the modulus.
    let signature = key.jwk().n.as_ref().map_or(SHORT_SIGNATURE_DIGITS, String::len);
    let dots = 2;
    let token = digits(header.len()) + digits(payload.0) + signature + dots;
    if token > MAXIMUM_TOKEN_BYTES { Err(MintError::TooLong) } else { Ok(()) }
}

/// Base64url digits without padding (RFC 4648 section 5).
fn digits(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// Counts what is written.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn digits_are_those_of_base64() {
        for bytes in 0..100 {
            assert_eq!(digits(bytes), URL_SAFE_NO_PAD.encode(vec![0; bytes]).len(), "{bytes}");
        }
        assert_eq!(digits(64), SHORT_SIGNATURE_DIGITS);
    }
}
