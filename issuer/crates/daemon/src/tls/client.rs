//! The client's end of mutual TLS.
//!
//! TLS 1.3 only, no resumption, no server name sent: the server is known by its SPIFFE ID
//! under the authorities given, see [`super::verifier`]. A client that has not joined yet
//! trusts a hash instead and offers the joining protocol.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::CertificateDer;

use super::connector::TlsConnector;
use super::provider::provider;
use super::server::root_store;
use super::verifier::{SpiffeVerifier, Trust};
use super::{TlsError, TlsIdentity};

/// The client's side of TLS. Clones share what [`ClientTls::replace`] sets.
#[derive(Debug, Clone)]
pub struct ClientTls {
    current: Arc<ArcSwap<ClientConfig>>,
}

impl ClientTls {
    /// Trusts the server named `server_spiffe_id` under `authorities`, shows `identity`.
    pub fn pinned(
        authorities: &[CertificateDer<'static>],
        server_spiffe_id: &str,
        identity: Option<&TlsIdentity>,
    ) -> Result<Self, TlsError> {
        let trust = Trust::Authorities(root_store(authorities)?);
        Self::build(trust, server_spiffe_id, identity, b"h2")
    }

    /// For the first contact: trusts the server named `server_spiffe_id` under the authority
    /// it sends, if the SHA-256 of that authority's DER is `ca_sha256`; offers only `alpn`.
    pub fn joining(
        ca_sha256: [u8; 32],
        server_spiffe_id: &str,
        alpn: &[u8],
    ) -> Result<Self, TlsError> {
        Self::build(Trust::Pin(ca_sha256), server_spiffe_id, None, alpn)
    }

    /// Takes over trust and identity of `fresh` for connections still to be made.
    pub fn replace(&self, fresh: &Self) {
        self.current.store(fresh.current.load_full());
    }

    /// A service that dials, usable with tonic's `Endpoint::connect_with_connector`.
    #[must_use]
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::new(self.clone())
    }

    /// The configuration for the next connection.
    pub(super) fn config(&self) -> Arc<ClientConfig> {
        self.current.load_full()
    }

    fn build(
        trust: Trust,
        server_spiffe_id: &str,
        identity: Option<&TlsIdentity>,
        alpn: &[u8],
    ) -> Result<Self, TlsError> {
        let verifier = Arc::new(SpiffeVerifier::new(trust, server_spiffe_id));
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(TlsError::Versions)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let certified = rustls::sign::CertifiedKey::clone(&*identity.certified()?);
                let resolver = rustls::sign::SingleCertAndKey::from(certified);
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
        };
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        config.alpn_protocols = vec![alpn.to_vec()];
        Ok(Self { current: Arc::new(ArcSwap::from_pointee(config)) })
    }
}
