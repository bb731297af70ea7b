//! A certificate chain with its private key, as one end shows it to the other.

use std::fmt;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::TlsError;
use super::provider::provider;

/// What one end of a connection shows: DER certificates, leaf first, and the leaf's key.
pub struct TlsIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl TlsIdentity {
    /// Joins a chain (leaf first, DER) and the leaf's private key (PKCS#8 DER).
    ///
    /// That they belong together is checked where the identity is used.
    #[must_use]
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivatePkcs8KeyDer<'static>) -> Self {
        Self { chain, key }
    }

    /// The chain, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    #[cfg(test)]
    pub(crate) fn key_for_tests(&self) -> PrivatePkcs8KeyDer<'static> {
        self.key.clone_key()
    }

    /// The form rustls signs with; checks that the key is the leaf's.
    pub(super) fn certified(&self) -> Result<Arc<CertifiedKey>, TlsError> {
        let key = PrivateKeyDer::Pkcs8(self.key.clone_key());
        CertifiedKey::from_der(self.chain.clone(), key, &provider())
            .map(Arc::new)
            .map_err(TlsError::Identity)
    }
}

impl Clone for TlsIdentity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity")
            .field("certificates", &self.chain.len())
            .finish_non_exhaustive()
    }
}
