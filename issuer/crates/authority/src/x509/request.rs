//! The public key of a request (PKCS#10, RFC 2986): all that is taken from it.

use rcgen::{CertificateSigningRequestParams, PKCS_ECDSA_P256_SHA256, PublicKey};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::OID_EC_P256;
use x509_parser::prelude::FromDer as _;

use crate::x509::error::CertificateError;

/// Longest request in bytes: one with a P-256 key has about 300.
const MAXIMUM_REQUEST_BYTES: usize = 4096;

/// A P-256 point in the only form RFC 5480 section 2.2 requires: 4, x, y.
const UNCOMPRESSED_POINT_BYTES: usize = 65;

/// The P-256 key of a request that is signed by it.
pub(crate) fn requested_key(request: &[u8]) -> Result<PublicKey, CertificateError> {
    if request.len() > MAXIMUM_REQUEST_BYTES {
        return Err(CertificateError::Request("it is too long".into()));
    }
    check_curve(request)?;
    // Checks the request's signature by its own key.
    let request = CertificateSigningRequestParams::from_der(&request.into())
        .map_err(|error| CertificateError::Request(error.into()))?;
    if request.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
        return Err(CertificateError::Key);
    }
    Ok(request.public_key)
}

/// rcgen takes the key's kind from the signature's algorithm, and a P-384 key can sign with SHA-256 too.
fn check_curve(request: &[u8]) -> Result<(), CertificateError> {
    let (rest, request) = X509CertificationRequest::from_der(request)
        .map_err(|error| CertificateError::Request(error.into()))?;
    if !rest.is_empty() {
        return Err(CertificateError::Request("bytes follow it".into()));
    }
    let key = &request.certification_request_info.subject_pki;
    let curve = key.algorithm.parameters.as_ref().and_then(|curve| curve.as_oid().ok());
    let is_p256 = curve.is_some_and(|curve| curve == OID_EC_P256);
    if !is_p256 || key.subject_public_key.data.len() != UNCOMPRESSED_POINT_BYTES {
        return Err(CertificateError::Key);
    }
    Ok(())
}
