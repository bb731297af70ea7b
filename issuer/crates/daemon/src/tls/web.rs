//! The client's end towards servers of the web: known by their names, under the roots of this machine.
//!
//! TLS 1.2 and 1.3. The roots are those of the system and the ones that were named; nothing a client says adds to
//! them. No certificate of ours is shown, and no session is kept, so that every handshake is judged anew.

use std::io;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, ServerName};

use super::TlsError;
use super::provider::provider;
use crate::listener::Stream;

/// What the server is offered to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebAlpn {
    /// HTTP/2 or HTTP/1.1, as it likes.
    Either,
    /// HTTP/1.1 alone.
    Http1,
}

/// The client's side of HTTPS. Clones share everything.
#[derive(Debug, Clone)]
pub struct WebTls {
    either: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
}

/// A connection to a server whose name was verified.
pub struct WebConnection {
    /// Its bytes.
    pub stream: Box<dyn Stream>,
    /// Whether HTTP/2 was agreed on.
    pub is_http2: bool,
}

impl WebTls {
    /// Trusts the roots of this machine and `named` ones, each of which is PEM and may hold several.
    ///
    /// # Errors
    /// A named root that is none.
    pub fn new(named: &[Vec<u8>]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(system_roots());
        for pem in named {
            let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
            if certificates.peek().is_none() {
                return Err(TlsError::Root(pem::Error::NoItemsFound));
            }
            for certificate in certificates {
                let certificate = certificate.map_err(TlsError::Root)?;
                roots.add(certificate).map_err(TlsError::Authority)?;
            }
        }
        let roots = Arc::new(roots);
        let config = |protocols: &[&[u8]]| {
            let mut config = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
                .map_err(TlsError::Versions)?
                .with_root_certificates(Arc::clone(&roots))
                .with_no_client_auth();
            config.resumption = Resumption::disabled();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Ok(Arc::new(config))
        };
        Ok(Self { either: config(&[b"h2", b"http/1.1"])?, http1: config(&[b"http/1.1"])? })
    }

    /// Shakes hands on `io` with the server named `host`: a DNS name, or an IP address without brackets. It has no
    /// time limit of its own.
    ///
    /// # Errors
    /// Whatever ends the handshake, such as a certificate for another name.
    pub async fn connect(
        &self,
        host: &str,
        io: impl Stream + 'static,
        alpn: WebAlpn,
    ) -> io::Result<WebConnection> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let config = match alpn {
            WebAlpn::Either => &self.either,
            WebAlpn::Http1 => &self.http1,
        };
        let stream = tokio_rustls::TlsConnector::from(Arc::clone(config)).connect(name, io).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(WebConnection { stream: Box::new(stream), is_http2 })
    }
}

/// The roots that this machine trusts, as its other programs find them. What cannot be read of them is left out.
#[must_use]
pub fn system_roots() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "some of the roots of this machine cannot be read");
    }
    found.certs
}
