//! A CA certificate that X.509-SVIDs of a trust domain are verified under.
//!
//! X509-SVID section 4 and appendix A: `cA` is set, and a key usage, where there is one, allows to sign
//! certificates. This is checked here because a path builder takes a root's name and key and asks no
//! more: a leaf among the roots would sign SVIDs of everyone. Its own SPIFFE ID is advice and is not
//! asked for; upstream roots have none.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::public_members::PublicMembers;
use crate::clock::UnixTime;
use crate::spiffe::certificate::{Certificate, CertificateError};

/// Why a certificate is no authority.
#[derive(Debug, thiserror::Error)]
pub enum X509AuthorityError {
    /// It cannot be read.
    #[error("the certificate cannot be read")]
    Certificate(#[source] CertificateError),
    /// `cA` is not set, or its key usage forbids signing certificates.
    #[error("the certificate is not an authority's: it may not sign certificates")]
    NotAnAuthority,
    /// Its key is of a kind that is not used.
    #[error(
        "the certificate's key is not RSA of 2048 to 4096 bits, P-256, P-384, P-521 or Ed25519"
    )]
    Key,
    /// The library that builds paths cannot use it as a root.
    #[error("the certificate cannot be used as a root")]
    Anchor(#[source] webpki::Error),
}

/// A CA certificate of a trust bundle. Two are equal if their bytes are.
#[derive(Clone)]
pub struct X509Authority {
    der: Arc<[u8]>,
    pub(super) members: PublicMembers,
    anchor: TrustAnchor<'static>,
    not_after: UnixTime,
}

impl X509Authority {
    /// Reads exactly one DER certificate.
    pub fn parse(der: &[u8]) -> Result<Self, X509AuthorityError> {
        let certificate = Certificate::parse(der).map_err(X509AuthorityError::Certificate)?;
        let usage = certificate.usage.as_ref();
        let may_sign = usage.is_none_or(|(usage, _)| usage.key_cert_sign());
        if certificate.authority != Some(true) || !certificate.has_version_3() || !may_sign {
            return Err(X509AuthorityError::NotAnAuthority);
        }
        let members = PublicMembers::of_certificate(certificate.parsed.public_key())
            .ok_or(X509AuthorityError::Key)?;
        let anchor = webpki::anchor_from_trusted_cert(&CertificateDer::from(der))
            .map_err(X509AuthorityError::Anchor)?
            .to_owned();
        let (_, not_after) = certificate.validity();
        Ok(Self { der: der.into(), members, anchor, not_after })
    }

    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Until when the certificate says it is good.
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The root as the path builder takes it.
    pub(in crate::spiffe) fn anchor(&self) -> &TrustAnchor<'static> {
        &self.anchor
    }
}

impl PartialEq for X509Authority {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for X509Authority {}

impl PartialOrd for X509Authority {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for X509Authority {
    fn cmp(&self, other: &Self) -> Ordering {
        self.der.cmp(&other.der)
    }
}

impl fmt::Debug for X509Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X509Authority({} bytes)", self.der.len())
    }
}
