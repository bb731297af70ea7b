//! The server's end: mutual TLS for gRPC, plain HTTPS for the rest.
//!
//! Which configuration a connection gets is decided after its `ClientHello` is read, so a
//! new certificate or authority takes effect on the next connection without a new
//! listener, and a client that offers the joining protocol by ALPN (RFC 7301) gets a
//! handshake without a client certificate. Nothing else opens that door: a client that
//! does not offer it must show a certificate or the handshake fails.
//!
//! A listener may also [ask](ServerTls::asking) for a certificate that is not needed: what is shown there is a
//! [`ShownChain`](super::ShownChain) and authenticates nobody by itself.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::server::{
    Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::provider::provider;
use super::shown_chain::{AskingVerifier, ShownChain};
use super::{PeerCertificate, TlsError, TlsIdentity};
use crate::listener::Stream;

/// The protocol by which an ACME server looks for the answer to its challenge (RFC 8737 section 6.2).
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// Has no certificate for anybody.
#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

/// The server's side of TLS. Clones share what [`ServerTls::replace`] sets.
#[derive(Debug, Clone)]
pub struct ServerTls {
    current: Arc<ArcSwap<Configurations>>,
    asks: bool,
}

/// A connection that was encrypted until here.
pub struct Terminated {
    /// What the client says.
    pub stream: Box<dyn Stream>,
    /// The name it asked for (RFC 6066 section 3), in lower case; `None` if it named none.
    pub server_name: Option<String>,
    /// Whether HTTP/2 was agreed on.
    pub is_http2: bool,
}

#[derive(Debug)]
struct Configurations {
    ordinary: Arc<ServerConfig>,
    asking: Option<Arc<ServerConfig>>,
    joining: Option<Joining>,
    certified: Option<Arc<CertifiedKey>>,
    authorities: Vec<CertificateDer<'static>>,
}

#[derive(Debug)]
struct Joining {
    alpn: Vec<u8>,
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// HTTPS without client certificates: TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2.
    pub fn server_only(identity: &TlsIdentity) -> Result<Self, TlsError> {
        let certified = identity.certified()?;
        Self::https(resolver(&certified), Some(certified))
    }

    /// The same before there is a certificate: every handshake is refused with an alert.
    pub fn without_certificate() -> Result<Self, TlsError> {
        Self::https(Arc::new(NoCertificate), None)
    }

    fn https(
        resolver: Arc<dyn ResolvesServerCert>,
        certified: Option<Arc<CertifiedKey>>,
    ) -> Result<Self, TlsError> {
        let builder = || {
            ServerConfig::builder_with_provider(provider())
                .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
                .map_err(TlsError::Versions)
        };
        let mut config = builder()?.with_no_client_auth().with_cert_resolver(Arc::clone(&resolver));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let verifier = Arc::new(AskingVerifier::new());
        let asking = builder()?.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
        // That the key is held is proved on each connection.
        let mut asking = without_resumption(asking, b"h2");
        asking.alpn_protocols.push(b"http/1.1".to_vec());
        Ok(Self::of(Configurations {
            ordinary: Arc::new(config),
            asking: Some(Arc::new(asking)),
            joining: None,
            certified,
            authorities: Vec::new(),
        }))
    }

    /// What this serves, and beside it the answer to a challenge of an ACME server (RFC 8737): clients that
    /// offer [`ACME_TLS`] are shown `identity`, and their connection ends with the handshake.
    pub fn with_challenge(&self, identity: &TlsIdentity) -> Result<Self, TlsError> {
        let current = self.current.load_full();
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Versions)?
            .with_no_client_auth()
            .with_cert_resolver(resolver(&identity.certified_unchecked()?));
        let config = Arc::new(without_resumption(config, ACME_TLS));
        Ok(Self::of(Configurations {
            ordinary: Arc::clone(&current.ordinary),
            asking: current.asking.clone(),
            joining: Some(Joining { alpn: ACME_TLS.to_vec(), config }),
            certified: current.certified.clone(),
            authorities: current.authorities.clone(),
        }))
    }

    /// Mutual TLS: TLS 1.3, HTTP/2, and a client certificate under one of `authorities`.
    pub fn mutual(
        authorities: &[CertificateDer<'static>],
        identity: &TlsIdentity,
    ) -> Result<Self, TlsError> {
        let certified = identity.certified()?;
        let roots = Arc::new(root_store(authorities)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(TlsError::ClientVerifier)?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Versions)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(resolver(&certified));
        Ok(Self::of(Configurations {
            ordinary: Arc::new(without_resumption(config, b"h2")),
            asking: None,
            joining: None,
            certified: Some(certified),
            authorities: authorities.to_vec(),
        }))
    }

    /// Lets clients that offer `alpn` in without a certificate, so that they can ask for one.
    ///
    /// They are shown the authorities too, since a joining client knows only the hash of
    /// one. What such a connection may do is for the services to refuse: its
    /// [`crate::listener::Peer`] carries no certificate.
    pub fn with_joining(self, alpn: &[u8]) -> Result<Self, TlsError> {
        let current = self.current.load_full();
        let Some(certified) = &current.certified else {
            let none = rustls::Error::NoCertificatesPresented;
            return Err(TlsError::Identity(none));
        };
        let mut certified = CertifiedKey::clone(certified);
        for authority in &current.authorities {
            if !certified.cert.contains(authority) {
                certified.cert.push(authority.clone());
            }
        }
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        let config = Arc::new(without_resumption(config, alpn));
        Ok(Self::of(Configurations {
            ordinary: Arc::clone(&current.ordinary),
            asking: current.asking.clone(),
            joining: Some(Joining { alpn: alpn.to_vec(), config }),
            certified: current.certified.clone(),
            authorities: current.authorities.clone(),
        }))
    }

    /// The same end, which asks every client for a certificate and needs none: with each connection that shows
    /// one comes a [`ShownChain`](super::ShownChain). Both follow what [`ServerTls::replace`] sets. An end of mutual
    /// TLS goes on to need one.
    #[must_use]
    pub fn asking(&self) -> Self {
        Self { current: Arc::clone(&self.current), asks: true }
    }

    /// The same end, which agrees on HTTP/1.1 alone.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn http1_only(&self) -> Self {
        let current = self.current.load_full();
        let mut config = ServerConfig::clone(&current.ordinary);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self::of(Configurations {
            ordinary: Arc::new(config),
            asking: None,
            joining: None,
            certified: current.certified.clone(),
            authorities: current.authorities.clone(),
        })
    }

    /// What the client of a complete handshake is verified by, at an end that verifies.
    pub(crate) fn verified(&self, connection: &ServerConnection) -> Option<PeerCertificate> {
        if self.asks { None } else { PeerCertificate::of(connection) }
    }

    /// What it showed, at an end that asks.
    pub(crate) fn shown(&self, connection: &ServerConnection) -> Option<ShownChain> {
        if self.asks { ShownChain::of(connection) } else { None }
    }

    /// Takes over the certificates, authorities and joining protocol of `fresh`.
    ///
    /// Connections that are open keep what they were made with.
    pub fn replace(&self, fresh: &Self) {
        self.current.store(fresh.current.load_full());
    }

    /// Completes the handshake on `io`. It has no time limit of its own.
    ///
    /// # Errors
    /// Whatever ends the handshake; the peer has been sent the alert where there is one.
    pub async fn accept<IO>(&self, io: IO) -> io::Result<TlsStream<IO>>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
        let config = {
            let hello = start.client_hello();
            let offered = hello.alpn().into_iter().flatten();
            self.current.load().choose(offered, self.asks)
        };
        start.into_stream(config).await
    }

    /// The same for whoever has to know which name the client asked for.
    ///
    /// # Errors
    /// As of [`ServerTls::accept`].
    pub async fn terminate<IO>(&self, io: IO) -> io::Result<Terminated>
    where
        IO: Stream + 'static,
    {
        let stream = self.accept(io).await?;
        let (_, session) = stream.get_ref();
        let server_name = session.server_name().map(str::to_owned);
        let is_http2 = session.alpn_protocol() == Some(b"h2");
        Ok(Terminated { stream: Box::new(stream), server_name, is_http2 })
    }

    fn of(configurations: Configurations) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(configurations)), asks: false }
    }
}

impl Configurations {
    fn choose<'a>(
        &self,
        mut offered: impl Iterator<Item = &'a [u8]>,
        asks: bool,
    ) -> Arc<ServerConfig> {
        match &self.joining {
            Some(joining) if offered.any(|protocol| protocol == joining.alpn) => {
                Arc::clone(&joining.config)
            }
            _ => {
                let asking = self.asking.as_ref().filter(|_| asks);
                Arc::clone(asking.unwrap_or(&self.ordinary))
            }
        }
    }
}

/// A configuration where each connection is a full handshake that offers only `alpn`.
fn without_resumption(mut config: ServerConfig, alpn: &[u8]) -> ServerConfig {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

fn resolver(certified: &Arc<CertifiedKey>) -> Arc<SingleCertAndKey> {
    Arc::new(SingleCertAndKey::from(CertifiedKey::clone(certified)))
}

/// The authorities as rustls looks them up.
pub(super) fn root_store(
    authorities: &[CertificateDer<'static>],
) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(TlsError::Authority)?;
    }
    Ok(roots)
}
