//! A certificate over a signing key, for relying parties that read the key from one (`x5c`, RFC 7517
//! section 4.7).
//!
//! Self-signed: it says nothing that the key set does not say, and nobody has to trust it. It is kept
//! once made, so that its bytes and its thumbprint stay the same for as long as the key is published. A
//! signer is handed bytes that begin like DER, never the text of a token.

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use josekit::jws::JwsSigner;
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;

use crate::algorithm::Algorithm;
use crate::key::verifying_key::VerifyingKey;

/// The tag of a SEQUENCE, with which everything in a certificate that is signed begins. No token does:
/// its first character is an `e`.
const SEQUENCE: u8 = 0x30;

/// Why a certificate is not made or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyCertificateError {
    /// What is to be signed is no part of a certificate.
    #[error("what is to be signed is no part of a certificate")]
    NotDer,
    /// The signer failed.
    #[error("the signer could not sign the certificate")]
    Sign(#[source] josekit::JoseError),
    /// A signature was made elsewhere and is not that of the key over the certificate.
    #[error("what came as the signature is not one of this key over this certificate")]
    NotItsSignature,
    /// The signature cannot be written as certificates write it.
    #[error("the signature cannot be written as DER")]
    Signature(#[source] ErrorStack),
    /// Not base64.
    #[error("the certificate is not base64")]
    NotBase64,
}

/// The part of a certificate that is signed (`TBSCertificate`, RFC 5280 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedCertificate(Vec<u8>);

impl UnsignedCertificate {
    /// Takes over the bytes.
    pub fn new(der: Vec<u8>) -> Result<Self, KeyCertificateError> {
        if der.first() == Some(&SEQUENCE) {
            Ok(Self(der))
        } else {
            Err(KeyCertificateError::NotDer)
        }
    }

    /// The signature in the form of certificates: that of ECDSA is DER there, and two numbers in a token.
    pub fn signed_by(&self, signer: &dyn JwsSigner) -> Result<Vec<u8>, KeyCertificateError> {
        let signature = signer.sign(&self.0).map_err(KeyCertificateError::Sign)?;
        if signer.algorithm().name() == Algorithm::ES256.as_str() {
            return der_of(&signature).map_err(KeyCertificateError::Signature);
        }
        Ok(signature)
    }

    /// The bytes to sign, for a key whose private half is not in this process.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same as [`signed_by`](Self::signed_by) of a signature that was made elsewhere, in the form tokens
    /// have, if it is the key's.
    pub fn signed(
        &self,
        key: &VerifyingKey,
        signature: Vec<u8>,
    ) -> Result<Vec<u8>, KeyCertificateError> {
        if !key.signed(&self.0, &signature) {
            return Err(KeyCertificateError::NotItsSignature);
        }
        if key.algorithm() == Algorithm::ES256 {
            return der_of(&signature).map_err(KeyCertificateError::Signature);
        }
        Ok(signature)
    }
}

/// An `Ecdsa-Sig-Value` (RFC 3279 section 2.2.3).
fn der_of(signature: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let (r, s) = signature.split_at(signature.len() / 2);
    EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?.to_der()
}

/// A certificate, as `x5c` holds it: base64 of its DER.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct KeyCertificate(String);

impl KeyCertificate {
    /// From its DER.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Self {
        Self(STANDARD.encode(der))
    }

    /// Its DER.
    pub fn to_der(&self) -> Result<Vec<u8>, KeyCertificateError> {
        STANDARD.decode(&self.0).map_err(|_not_base64| KeyCertificateError::NotBase64)
    }

    /// The SHA-1 of it in hexadecimal, as AWS IAM writes thumbprints. It finds a certificate and protects
    /// nothing.
    pub fn thumbprint(&self) -> Result<String, KeyCertificateError> {
        let digest = openssl::sha::sha1(&self.to_der()?);
        Ok(digest.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            write!(text, "{byte:02x}").ok();
            text
        }))
    }
}

impl fmt::Debug for KeyCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyCertificate({} bytes of base64)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_is_handed_nothing_that_could_be_a_token() {
        assert!(UnsignedCertificate::new(vec![SEQUENCE, 0x82]).is_ok());
        for bad in [&b""[..], b"eyJhbGciOiJSUzI1NiJ9.e30", b"\x31\x00"] {
            assert!(UnsignedCertificate::new(bad.to_vec()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_thumbprint_is_of_the_bytes() {
        // FIPS 180-2, appendix A.1.
        let thumbprint = KeyCertificate::from_der(b"abc").thumbprint().unwrap();
        assert_eq!(thumbprint, "a9993e364706816aba3e25717850c26c9cd0d89d");
        let broken: KeyCertificate = serde_json::from_str("\"*\"").unwrap();
        assert!(matches!(broken.thumbprint(), Err(KeyCertificateError::NotBase64)));
    }
}
