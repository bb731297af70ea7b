//! How a server of a trust bundle proves itself (SPIFFE Federation, section 5.2).
//!
//! TLS 1.2 and 1.3 with the provider's suites, which are those of Mozilla's intermediate level. No certificate
//! of ours is shown and no session is kept, so that every handshake is judged anew.

use std::fmt;
use std::sync::Arc;

use moneyer_identity::UnixTime as Time;
use moneyer_identity::spiffe::{ChainError, SpiffeId, TrustBundles, VerifiedX509Svid};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::outbound::policy::OutboundError;
use crate::outbound::witness::named_roots;

/// How the server is to be known.
#[derive(Debug, Clone)]
pub enum ServerProof {
    /// By its name, under the roots that this machine trusts.
    Name,
    /// By its name, under these roots (PEM) and no others.
    NameUnder(Vec<u8>),
    /// By this SPIFFE ID in its X.509-SVID, under the bundle of the id's trust domain; the name counts for
    /// nothing.
    SpiffeId(SpiffeId, TrustBundles),
}

impl ServerProof {
    /// Whether a server could be known by it at all: the roots are certificates.
    pub fn check(&self) -> Result<(), OutboundError> {
        self.tls().map(drop)
    }

    /// The handshake by it; `None` where that of the HTTP library will do.
    pub(in crate::outbound) fn tls(&self) -> Result<Option<ClientConfig>, OutboundError> {
        let provider = crate::tls::provider();
        let verifier: Arc<dyn ServerCertVerifier> = match self {
            Self::Name => return Ok(None),
            Self::NameUnder(pem) => {
                let roots = named_roots(std::slice::from_ref(pem))?;
                WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
                    .build()
                    .map_err(|error| OutboundError::Root(error.into()))?
            }
            Self::SpiffeId(id, bundles) => Arc::new(SvidVerifier {
                expected: id.clone(),
                bundles: bundles.clone(),
                provider: Arc::clone(&provider),
            }),
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| OutboundError::Root(error.into()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(config))
    }
}

/// Why a server is not the one that is meant. rustls prints it by `Debug`, so that says it in words.
#[derive(thiserror::Error)]
enum WrongServer {
    #[error(
        "the server's certificate is not an X.509-SVID of the trust bundle it is to be known by"
    )]
    Chain(#[source] ChainError),
    #[error("the server is {found} and not {expected}")]
    Other { expected: SpiffeId, found: SpiffeId },
}

impl fmt::Debug for WrongServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&moneyer_identity::error_chain(self))
    }
}

/// Takes a server with exactly one SPIFFE ID.
#[derive(Debug)]
struct SvidVerifier {
    expected: SpiffeId,
    bundles: TrustBundles,
    provider: Arc<CryptoProvider>,
}

impl SvidVerifier {
    fn check(&self, chain: &[&[u8]], now: Time) -> Result<(), WrongServer> {
        let svid =
            VerifiedX509Svid::verify(chain, &self.bundles, now).map_err(WrongServer::Chain)?;
        if *svid.id() == self.expected {
            return Ok(());
        }
        Err(WrongServer::Other { expected: self.expected.clone(), found: svid.id().clone() })
    }
}

impl ServerCertVerifier for SvidVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(AsRef::as_ref);
        let chain: Vec<&[u8]> = chain.collect();
        let now = Time(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
        match self.check(&chain, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(wrong) => Err(CertificateError::Other(OtherError(Arc::new(wrong))).into()),
        }
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
