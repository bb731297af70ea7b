//! Why a certificate is not made.

use moneyer_identity::ErrorClass;

use crate::store::Cause;

/// Why a certificate is not made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The request is not PKCS#10, is not signed by its own key, or is too long.
    #[error("the certificate request is malformed or not signed by its own key")]
    Request(#[source] Cause),
    /// The request's key is not P-256.
    #[error("the certificate request's key is not a P-256 key")]
    Key,
    /// The library could not make it.
    #[error("the certificate could not be made")]
    Make(#[source] Cause),
}

impl CertificateError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Request(_) | Self::Key => ErrorClass::Invalid,
            Self::Make(_) => ErrorClass::Internal,
        }
    }
}
