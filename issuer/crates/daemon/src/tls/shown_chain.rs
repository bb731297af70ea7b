//! The certificates that a client showed where it was asked for some and needs none.
//!
//! The handshake proves that the client holds the key of the first certificate, and nothing else: no authority
//! was looked at, and every certificate may be of its own making. Whoever takes a chain for somebody's has to
//! verify it. That is why this is another type than [`super::PeerCertificate`].

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::provider::provider;

/// The chain, the client's own certificate first. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownChain(Vec<CertificateDer<'static>>);

impl ShownChain {
    /// The certificates as DER.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// Takes the chain out of a connection whose handshake is complete.
    pub(crate) fn of(connection: &rustls::ServerConnection) -> Option<Self> {
        if connection.is_handshaking() {
            return None;
        }
        let shown = connection.peer_certificates()?;
        let chain: Vec<_> = shown.iter().map(|one| one.clone().into_owned()).collect();
        if chain.is_empty() { None } else { Some(Self(chain)) }
    }
}

/// Asks for a certificate, lets those in who have none, and checks of the others that they hold its key.
#[derive(Debug)]
pub(super) struct AskingVerifier(WebPkiSupportedAlgorithms);

impl AskingVerifier {
    pub(super) fn new() -> Self {
        Self(provider().signature_verification_algorithms)
    }
}

impl ClientCertVerifier for AskingVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Whose it is is not known here: the result is a `ShownChain`, which claims nothing.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
