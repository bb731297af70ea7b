//! Proof that a client showed a certificate in a completed handshake.

use rustls_pki_types::CertificateDer;

/// The leaf certificate a client authenticated with, already verified against the
/// authorities of the listener and proven by the handshake signature.
///
/// What the certificate says (its SPIFFE ID, its rights) is for the caller to read.
/// There is no public constructor: a value exists only if the handshake took place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate(CertificateDer<'static>);

impl PeerCertificate {
    /// The certificate as DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0
    }

    /// Takes the verified leaf out of a connection whose handshake is complete.
    pub(crate) fn of(connection: &rustls::ServerConnection) -> Option<Self> {
        if connection.is_handshaking() {
            return None;
        }
        let leaf = connection.peer_certificates()?.first()?;
        Some(Self(leaf.clone().into_owned()))
    }

    /// A certificate nobody verified, for tests of what comes after the handshake.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn unverified_for_tests(der: Vec<u8>) -> Self {
        Self(der.into())
    }
}
