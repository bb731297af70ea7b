//! What a leaf certificate says.
//!
//! Two readings of one certificate. [`X509Leaf::of_peer`] is for a certificate whose chain the TLS library
//! has verified: X509-SVID section 5, exactly one URI name, which is a SPIFFE ID, and nothing that makes
//! it an authority. [`X509Leaf::of_svid`] asks for the whole profile of sections 2 to 4 as well. Neither
//! checks a signature or a time.

use crate::clock::UnixTime;
use crate::spiffe::certificate::{Certificate, CertificateError, ExtendedUsage};
use crate::spiffe::{SpiffeId, SpiffeIdError};

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LeafError {
    /// Not a certificate, or a malformed one.
    #[error("the certificate cannot be read")]
    Malformed(#[source] CertificateError),
    /// A CA's certificate must never authenticate a peer.
    #[error("the certificate is an authority's, not a leaf")]
    Authority,
    /// None or several URI SANs.
    #[error("the certificate does not have exactly one URI name")]
    Names,
    /// The URI is not a SPIFFE ID.
    #[error("the certificate's URI name is not a SPIFFE ID")]
    SpiffeId(#[source] SpiffeIdError),
    /// The SPIFFE ID is a trust domain's own.
    #[error("the certificate names a trust domain and not a workload")]
    NoWorkload,
    /// It does not say that it is no authority.
    #[error("the certificate has no basic constraints")]
    Constraints,
    /// Its key usage is missing, not critical, or lacks `digitalSignature`.
    #[error("the certificate's key usage is missing, not critical, or lacks digitalSignature")]
    Usage,
    /// It has extended key usages, and not both `serverAuth` and `clientAuth`.
    #[error("the certificate's extended key usage is not for servers and clients both")]
    ExtendedUsage,
    /// Its subject is empty and its names are not critical.
    #[error("the certificate has no subject, and its alternative names are not critical")]
    NamesNotCritical,
}

/// A leaf's own words: whose it says it is, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct X509Leaf {
    id: SpiffeId,
    serial: Vec<u8>,
    not_before: UnixTime,
    not_after: UnixTime,
}

impl X509Leaf {
    /// Reads a certificate whose chain was verified in the handshake.
    pub fn of_peer(der: &[u8]) -> Result<Self, LeafError> {
        Self::of(&Certificate::parse(der).map_err(LeafError::Malformed)?)
    }

    /// Reads a certificate that is to be an X.509-SVID in every respect.
    pub fn of_svid(der: &[u8]) -> Result<Self, LeafError> {
        let certificate = Certificate::parse(der).map_err(LeafError::Malformed)?;
        let leaf = Self::of(&certificate)?;
        if certificate.authority.is_none() {
            return Err(LeafError::Constraints);
        }
        match certificate.usage {
            Some((usage, true)) if usage.digital_signature() => {}
            _ => return Err(LeafError::Usage),
        }
        let both = ExtendedUsage { server: true, client: true };
        if certificate.extended_usage.is_some_and(|usage| usage != both) {
            return Err(LeafError::ExtendedUsage);
        }
        if certificate.has_no_subject() && !certificate.names_are_critical {
            return Err(LeafError::NamesNotCritical);
        }
        Ok(leaf)
    }

    fn of(certificate: &Certificate<'_>) -> Result<Self, LeafError> {
        if certificate.authority == Some(true) || certificate.signs_certificates() {
            return Err(LeafError::Authority);
        }
        let [uri] = certificate.uris.as_slice() else { return Err(LeafError::Names) };
        let id = SpiffeId::parse(uri).map_err(LeafError::SpiffeId)?;
        if id.segments().next().is_none() {
            return Err(LeafError::NoWorkload);
        }
        let (not_before, not_after) = certificate.validity();
        let serial = certificate.parsed.raw_serial().to_vec();
        Ok(Self { id, serial, not_before, not_after })
    }

    /// The SPIFFE ID it names: a workload's, with a path.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// Its serial number, big-endian, as it is encoded.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The first second it is good for.
    #[must_use]
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second it is good for.
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }
}
