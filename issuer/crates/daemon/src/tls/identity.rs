//! A certificate chain with its private key, as one end shows it to the other.

use std::fmt;
use std::sync::Arc;

use moneyer_identity::UnixTime;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::TlsError;
use super::provider::provider;

/// What one end of a connection shows: DER certificates, leaf first, and the leaf's key.
pub struct TlsIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: UnixTime,
    /// The last second.
    pub not_after: UnixTime,
}

impl TlsIdentity {
    /// Joins a chain (leaf first, DER) and the leaf's private key (PKCS#8 DER).
    ///
    /// That they belong together is checked where the identity is used.
    #[must_use]
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivatePkcs8KeyDer<'static>) -> Self {
        Self { chain, key: key.into() }
    }

    /// Joins a chain in PEM, leaf first, and the leaf's private key, and checks that they belong together.
    pub fn from_pem(chain: &[u8], key: PrivatePkcs8KeyDer<'static>) -> Result<Self, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.and_then(|chain| {
            if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) }
        });
        let identity = Self::new(chain.map_err(TlsError::Chain)?, key);
        identity.certified()?;
        Ok(identity)
    }

    /// The same with a key in whichever form it came.
    pub(super) fn with_key(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        Self { chain, key }
    }

    /// When the leaf is valid; `None` if it cannot be read.
    #[must_use]
    pub fn validity(&self) -> Option<Validity> {
        let (_, leaf) = X509Certificate::from_der(self.chain.first()?).ok()?;
        let validity = leaf.validity();
        Some(Validity {
            not_before: UnixTime(validity.not_before.timestamp()),
            not_after: UnixTime(validity.not_after.timestamp()),
        })
    }

    /// Whether the leaf is for this host, by RFC 6125 as clients see it.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let leaf = self.chain.first().map(ParsedCertificate::try_from);
        let (Some(Ok(leaf)), Ok(name)) = (leaf, ServerName::try_from(host)) else { return false };
        rustls::client::verify_server_name(&leaf, &name).is_ok()
    }

    /// The chain, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    #[cfg(test)]
    pub(crate) fn key_for_tests(&self) -> PrivatePkcs8KeyDer<'static> {
        match &self.key {
            PrivateKeyDer::Pkcs8(key) => key.clone_key(),
            other => panic!("not PKCS#8: {other:?}"),
        }
    }

    /// The form rustls signs with; checks that the key is the leaf's.
    pub(super) fn certified(&self) -> Result<Arc<CertifiedKey>, TlsError> {
        CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), &provider())
            .map(Arc::new)
            .map_err(TlsError::Identity)
    }
}

impl TlsIdentity {
    /// The same without the check, which knows no critical extension of an ACME challenge.
    pub(super) fn certified_unchecked(&self) -> Result<Arc<CertifiedKey>, TlsError> {
        let key = provider().key_provider.load_private_key(self.key.clone_key());
        let key = key.map_err(TlsError::Identity)?;
        Ok(Arc::new(CertifiedKey::new(self.chain.clone(), key)))
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
