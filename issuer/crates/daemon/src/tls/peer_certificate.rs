//! Proof that a client showed a certificate in a completed handshake.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls_pki_types::CertificateDer;

/// The leaf certificate a client authenticated with, already verified against the
/// authorities of the listener and proven by the handshake signature.
///
/// What the certificate says (its SPIFFE ID, its rights) is for the caller to read.
/// There is no public constructor: a value exists only if the handshake took place.
#[derive(Clone)]
pub struct PeerCertificate {
    der: CertificateDer<'static>,
    read: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PeerCertificate").field(&self.der).finish()
    }
}

impl PartialEq for PeerCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for PeerCertificate {}

impl From<CertificateDer<'static>> for PeerCertificate {
    fn from(der: CertificateDer<'static>) -> Self {
        Self { der, read: OnceLock::new() }
    }
}

impl PeerCertificate {
    /// The certificate as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What `read` makes of the certificate: made once for a connection, and the same value for every
    /// request on it. A failure is not kept. Meant for one type; another one is read each time.
    pub fn read<T: Clone + Send + Sync + 'static, E>(
        &self,
        read: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<T, E> {
        let known = self.read.get().and_then(|known| known.downcast_ref::<T>());
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let value = read(&self.der)?;
        // Another request on the connection may have been first, with the same value.
        self.read.set(Arc::new(value.clone())).ok();
        Ok(value)
    }

    /// Takes the verified leaf out of a connection whose handshake is complete.
    pub(crate) fn of(connection: &rustls::ServerConnection) -> Option<Self> {
        if connection.is_handshaking() {
            return None;
        }
        let leaf = connection.peer_certificates()?.first()?;
        Some(leaf.clone().into_owned().into())
    }

    /// A certificate nobody verified, for tests of what comes after the handshake.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn unverified_for_tests(der: Vec<u8>) -> Self {
        CertificateDer::from(der).into()
    }
}
