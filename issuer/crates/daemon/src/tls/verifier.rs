//! How a client knows that it talks to the right server.
//!
//! The chain must lead to a trusted authority and the leaf must carry the expected SPIFFE
//! ID as its only URI (SPIFFE X509-SVID section 2 allows exactly one). DNS names are not
//! looked at: the coordinator may be reached by any address. A client that joins for the
//! first time has only the SHA-256 of the authority; the server then sends that authority
//! itself and the rest of the check is the same.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::provider::provider;

/// Why a server that could complete the handshake was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrongServer {
    /// Its certificate carries another identity than the expected one.
    #[error("the server is not {expected}: the URI names of its certificate are {found:?}")]
    SpiffeId {
        /// The identity it should have.
        expected: String,
        /// The URI names it has.
        found: Vec<String>,
    },
    /// It sent no certificate with the pinned hash.
    #[error(
        "the server sent no authority with the pinned SHA-256; check the hash in the join token"
    )]
    NotPinned,
}

/// What the chain must lead to.
#[derive(Debug)]
pub(super) enum Trust {
    /// One of these authorities.
    Authorities(RootCertStore),
    /// An authority sent by the server whose DER has this SHA-256.
    Pin([u8; 32]),
}

/// Verifies a server by authority and SPIFFE ID.
#[derive(Debug)]
pub(super) struct SpiffeVerifier {
    trust: Trust,
    expected: String,
    algorithms: WebPkiSupportedAlgorithms,
}

impl SpiffeVerifier {
    pub(super) fn new(trust: Trust, expected: &str) -> Self {
        let algorithms = provider().signature_verification_algorithms;
        Self { trust, expected: expected.to_owned(), algorithms }
    }

    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let leaf = ParsedCertificate::try_from(leaf)?;
        let algorithms = self.algorithms.all;
        match &self.trust {
            Trust::Authorities(roots) => {
                verify_server_cert_signed_by_trust_anchor(&leaf, roots, rest, now, algorithms)
            }
            Trust::Pin(pin) => {
                let pinned = rest.iter().find(|sent| digest(&SHA256, sent).as_ref() == pin);
                let pinned = pinned.ok_or_else(|| refused(WrongServer::NotPinned))?;
                let mut roots = RootCertStore::empty();
                roots.add(pinned.clone().into_owned())?;
                verify_server_cert_signed_by_trust_anchor(&leaf, &roots, rest, now, algorithms)
            }
        }
    }

    fn verify_identity(&self, leaf: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let found = uri_names(leaf).ok_or(CertificateError::BadEncoding)?;
        match found.as_slice() {
            [only] if *only == self.expected => Ok(()),
            _ => Err(refused(WrongServer::SpiffeId { expected: self.expected.clone(), found })),
        }
    }
}

impl ServerCertVerifier for SpiffeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.verify_chain(end_entity, intermediates, now)?;
        self.verify_identity(end_entity)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // Unreachable while the configuration offers TLS 1.3 only; refuse should that change.
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn refused(why: WrongServer) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(why))).into()
}

/// The URI names of a certificate; `None` if it cannot be read.
fn uri_names(certificate: &[u8]) -> Option<Vec<String>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let mut names = Vec::new();
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(found) => {
                names.extend(found.general_names.iter().filter_map(|name| match name {
                    GeneralName::URI(uri) => Some((*uri).to_owned()),
                    _ => None,
                }));
            }
            ParsedExtension::ParseError { .. } => return None,
            _ => {}
        }
    }
    Some(names)
}
