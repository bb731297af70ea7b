//! How an ACME server looks for the answer to its challenge (RFC 8737 section 3).

use std::net::SocketAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// id-pe-acmeIdentifier.
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";

/// Believes every certificate, and holds the server to its key.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is offered".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        // By the bare key: rustls reads no certificate with a critical extension that it does not know.
        let bad = |_| rustls::Error::General("no certificate".to_owned());
        let (_, read) = X509Certificate::from_der(cert).map_err(bad)?;
        let key = SubjectPublicKeyInfoDer::from(read.public_key().raw);
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Connects as RFC 8737 says; the certificate that is shown.
pub(super) async fn shown(
    address: SocketAddr,
    host: &str,
) -> Result<CertificateDer<'static>, String> {
    let mut config = ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider::default_provider())))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let tcp = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    let mut stream = stream.map_err(|error| error.to_string())?;
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() != Some(b"acme-tls/1") {
        return Err("acme-tls/1 was not agreed".to_owned());
    }
    let certificate = session.peer_certificates().unwrap()[0].clone().into_owned();
    // Nothing is said over such a connection: it is closed.
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.map_err(|error| error.to_string())?;
    if said.is_empty() { Ok(certificate) } else { Err("something was said".to_owned()) }
}

/// Whether the host at this address answers a challenge.
pub(super) async fn validate(
    address: SocketAddr,
    host: &str,
    key_authorization: &str,
) -> Result<(), String> {
    let certificate = shown(address, host).await?;
    let (_, read) = X509Certificate::from_der(&certificate).map_err(|error| error.to_string())?;
    let names = read.subject_alternative_name().ok().flatten().ok_or("no name")?;
    if names.value.general_names != [GeneralName::DNSName(host)] {
        return Err(format!("other names: {:?}", names.value.general_names));
    }
    let found = read.extensions().iter().find(|one| one.oid.to_id_string() == ACME_IDENTIFIER);
    let found = found.ok_or("no acmeIdentifier")?;
    let expected = digest(&SHA256, key_authorization.as_bytes());
    let octets = [&[4, 32][..], expected.as_ref()].concat();
    if found.critical && found.value == octets {
        Ok(())
    } else {
        Err("another acmeIdentifier, or one that is not critical".to_owned())
    }
}
