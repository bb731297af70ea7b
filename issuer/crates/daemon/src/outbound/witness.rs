//! What a server's certificates are worth, told and not enforced.
//!
//! The chain is verified by RFC 5280 and RFC 6125 as any client would, first under the roots
//! that Mozilla trusts (compiled in, so that the answer does not depend on what somebody
//! added to this machine), then under those that were named. Whatever comes of it is
//! written down and the handshake goes on: only for who reads public documents and
//! believes none of them. That the server holds the key of its certificate is enforced.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::policy::OutboundError;

/// Under which roots a chain holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worth {
    /// Under one that Mozilla trusts, and so does about everybody.
    Public,
    /// Under one that was named.
    Named,
    /// Under none, and why.
    Nothing(String),
}

/// The certificates that a server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerChain {
    /// Under which roots they hold.
    pub worth: Worth,
    /// Who issued the last of them: the root, as a rule.
    pub issuer: String,
    /// SHA-1 of the last of them, in hex: what AWS calls the thumbprint.
    pub thumbprint: String,
}

/// A verifier that lets every chain pass and tells what it is worth.
#[derive(Debug)]
pub(super) struct Witness {
    public: Arc<WebPkiServerVerifier>,
    named: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<PeerChain>>,
}

impl Witness {
    /// One that knows Mozilla's roots and these, each of which is PEM and may hold several.
    pub(super) fn new(named: &[Vec<u8>]) -> Result<Self, OutboundError> {
        let named = if named.is_empty() { None } else { Some(named_roots(named)?) };
        Self::under(public_roots(), named)
    }

    fn under(public: RootCertStore, named: Option<RootCertStore>) -> Result<Self, OutboundError> {
        let provider = crate::tls::provider();
        let verifier = |roots: RootCertStore| {
            WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
                .build()
                .map_err(|error| OutboundError::Root(error.into()))
        };
        let (public, named) = (verifier(public)?, named.map(verifier).transpose()?);
        Ok(Self { public, named, provider, seen: Mutex::new(None) })
    }

    /// The chain of the last handshake, if there was one.
    pub(super) fn seen(&self) -> Option<PeerChain> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn public_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    roots
}

pub(super) fn named_roots(named: &[Vec<u8>]) -> Result<RootCertStore, OutboundError> {
    let mut roots = RootCertStore::empty();
    for pem in named {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| OutboundError::Root(error.into()))?;
            roots.add(certificate).map_err(|error| OutboundError::Root(error.into()))?;
        }
        if roots.len() == before {
            return Err(OutboundError::NoRoot);
        }
    }
    Ok(roots)
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verify = |verifier: &Arc<WebPkiServerVerifier>| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        let worth = match (verify(&self.public), self.named.as_ref().map(verify)) {
            (Ok(_), _) => Worth::Public,
            (_, Some(Ok(_))) => Worth::Named,
            (Err(public), Some(Err(named))) if is_unknown(&public) => nothing(&named),
            (Err(public), _) => nothing(&public),
        };
        let last = intermediates.last().unwrap_or(end_entity);
        let chain = PeerChain { worth, issuer: issuer(last), thumbprint: thumbprint(last) };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(chain);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_unknown(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

fn nothing(error: &rustls::Error) -> Worth {
    Worth::Nothing(match error {
        error if is_unknown(error) => "no root that is trusted signed it".to_owned(),
        rustls::Error::InvalidCertificate(error) => error.to_string(),
        error => error.to_string(),
    })
}

fn issuer(certificate: &[u8]) -> String {
    let read = X509Certificate::from_der(certificate);
    read.map_or_else(|_unreadable| String::new(), |(_, read)| read.issuer().to_string())
}

fn thumbprint(certificate: &[u8]) -> String {
    use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate);
    let digits = digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::fixtures::Authority;

    fn roots(authority: &Authority) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).unwrap();
        roots
    }

    /// What a chain that this authority signed is worth to a witness.
    fn worth(witness: &Witness, authority: &Authority) -> PeerChain {
        let identity = authority.leaf_for_localhost();
        let (leaf, name) = (&identity.chain()[0], ServerName::try_from("localhost").unwrap());
        let passed = witness.verify_server_cert(leaf, &[], &name, &[], UnixTime::now());
        assert!(passed.is_ok());
        witness.seen().unwrap()
    }

    #[test]
    fn a_public_root_comes_first() {
        let (public, named, other) = (Authority::new(), Authority::new(), Authority::new());
        let witness = Witness::under(roots(&public), Some(roots(&named))).unwrap();
        assert_eq!(witness.seen(), None);
        assert_eq!(worth(&witness, &public).worth, Worth::Public);
        assert_eq!(worth(&witness, &named).worth, Worth::Named);
        assert!(matches!(worth(&witness, &other).worth, Worth::Nothing(_)));
        let both = Witness::under(roots(&public), Some(roots(&public))).unwrap();
        let seen = worth(&both, &public);
        assert_eq!(seen.worth, Worth::Public);
        assert!(seen.issuer.starts_with("CN="), "{}", seen.issuer);
        assert!(seen.thumbprint.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }

    #[test]
    fn the_roots_of_mozilla_can_be_read() {
        let roots = public_roots();
        assert_eq!(roots.len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        assert!(roots.len() > 100, "{}", roots.len());
    }
}
