//! A peer's leaf certificate, read after the TLS library has verified its chain.
//!
//! X509-SVID section 5: exactly one URI SAN, which is a SPIFFE ID with a path, no CA flag, no
//! `keyCertSign`. The chain, the signature and the extended key usage were the handshake's business.
//! Read once per connection; the times and the serial number are compared on every call.

use std::sync::Arc;

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{SpiffeId, SpiffeIdError};
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use crate::store::Cause;

/// Why a certificate names nobody.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// Not a certificate, or a malformed one.
    #[error("the certificate cannot be read")]
    Malformed(#[source] Cause),
    /// A CA's certificate must never authenticate a peer.
    #[error("the certificate is an authority's, not a leaf")]
    Authority,
    /// None or several URI SANs.
    #[error("the certificate does not have exactly one URI name")]
    Names,
    /// The URI is not a SPIFFE ID.
    #[error("the certificate's URI name is not a SPIFFE ID")]
    SpiffeId(#[source] SpiffeIdError),
}

/// What a peer's certificate says.
#[derive(Debug, Clone)]
pub struct PeerLeaf {
    pub(super) id: SpiffeId,
    pub(super) serial: Arc<str>,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
}

impl PeerLeaf {
    /// Reads a leaf whose chain was verified in the handshake.
    pub fn parse(der: &[u8]) -> Result<Self, LeafError> {
        let (rest, certificate) =
            X509Certificate::from_der(der).map_err(|error| LeafError::Malformed(error.into()))?;
        if !rest.is_empty() {
            return Err(LeafError::Malformed("bytes follow it".into()));
        }
        let mut uris = Vec::new();
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::BasicConstraints(constraints) if constraints.ca => {
                    return Err(LeafError::Authority);
                }
                ParsedExtension::KeyUsage(usage) if usage.key_cert_sign() || usage.crl_sign() => {
                    return Err(LeafError::Authority);
                }
                ParsedExtension::SubjectAlternativeName(names) => {
                    uris.extend(names.general_names.iter().filter_map(|name| match name {
                        GeneralName::URI(uri) => Some(*uri),
                        _ => None,
                    }));
                }
                ParsedExtension::ParseError { error } => {
                    return Err(LeafError::Malformed(error.clone().into()));
                }
                _ => {}
            }
        }
        let [uri] = uris.as_slice() else { return Err(LeafError::Names) };
        let validity = certificate.validity();
        Ok(Self {
            id: SpiffeId::parse(uri).map_err(LeafError::SpiffeId)?,
            serial: hex(certificate.raw_serial()).into(),
            not_before: UnixTime(validity.not_before.timestamp()),
            not_after: UnixTime(validity.not_after.timestamp()),
        })
    }

    /// The SPIFFE ID it names.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// From then on it proves nothing.
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }
}

/// Bytes as lower-case hexadecimal, leading zero bytes dropped, as DER adds one to keep a serial
/// number positive.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().skip_while(|&&byte| byte == 0).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}
