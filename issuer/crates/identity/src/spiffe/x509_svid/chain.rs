//! Verifying a chain (X509-SVID section 5, RFC 5280 section 6).
//!
//! The leaf's profile first, then the bundle of the leaf's own trust domain, then a path to one of that
//! bundle's authorities that have not ended. Every certificate between must be an authority that may sign
//! certificates; extended key usages, where there are any, must allow servers and clients both, since an
//! SVID is used at either end. Name constraints on URIs are refused by the path builder.

use std::time::Duration;

use rustls_pki_types::CertificateDer;
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, VerifiedPath,
};

use super::leaf::{LeafError, X509Leaf};
use crate::clock::UnixTime;
use crate::spiffe::bundle::TrustBundle;
use crate::spiffe::certificate::Certificate;
use crate::spiffe::{SpiffeId, TrustBundles, TrustDomain};

/// Most certificates in a chain: the leaf, the six intermediates that the path builder takes, and the
/// root that some servers send along.
pub const MAXIMUM_CHAIN_CERTIFICATES: usize = 8;

/// `id-kp-serverAuth` and `id-kp-clientAuth` (RFC 5280 section 4.2.1.12), as DER.
const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// Why a chain proves nothing: for logs and audit records, never for the caller.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ChainError {
    /// There is no certificate.
    #[error("there is no certificate")]
    Empty,
    /// More than [`MAXIMUM_CHAIN_CERTIFICATES`].
    #[error("there are more than {MAXIMUM_CHAIN_CERTIFICATES} certificates")]
    TooLong,
    /// The first is no X.509-SVID.
    #[error("the first certificate is not an X.509-SVID")]
    Leaf(#[source] LeafError),
    /// There is no bundle of the leaf's trust domain.
    #[error("there is no bundle of the trust domain {0}")]
    UnknownTrustDomain(TrustDomain),
    /// There is no path from the leaf to an authority of its trust domain at this time.
    #[error("there is no path from the certificate to an authority of its trust domain")]
    Path(#[source] webpki::Error),
}

/// Whose an X.509-SVID is, proved by an authority of that id's own trust domain.
#[derive(Debug, Clone)]
pub struct VerifiedX509Svid {
    leaf: X509Leaf,
}

impl VerifiedX509Svid {
    /// Verifies a chain of DER certificates, the leaf first.
    ///
    /// That the peer holds the leaf's key is the handshake's business.
    pub fn verify(
        chain: &[impl AsRef<[u8]>],
        bundles: &TrustBundles,
        now: UnixTime,
    ) -> Result<Self, ChainError> {
        if chain.len() > MAXIMUM_CHAIN_CERTIFICATES {
            return Err(ChainError::TooLong);
        }
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.as_ref())).collect();
        let (first, others) = chain.split_first().ok_or(ChainError::Empty)?;
        let leaf = X509Leaf::of_svid(first).map_err(ChainError::Leaf)?;
        let trust_domain = leaf.id().trust_domain();
        let bundle = bundles
            .find(trust_domain)
            .ok_or_else(|| ChainError::UnknownTrustDomain(trust_domain.clone()))?;
        find_path(first, others, bundle, now).map_err(ChainError::Path)?;
        Ok(Self { leaf })
    }

    /// The SPIFFE ID.
    #[must_use]
    pub fn id(&self) -> &SpiffeId {
        self.leaf.id()
    }

    /// What else the leaf says.
    #[must_use]
    pub fn leaf(&self) -> &X509Leaf {
        &self.leaf
    }
}

fn find_path(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    bundle: &TrustBundle,
    now: UnixTime,
) -> Result<(), webpki::Error> {
    // A root's own end is no part of RFC 5280's path, and an authority that has ended must not live on
    // because nobody took it out of a bundle.
    let live = bundle.x509_authorities().iter().filter(|authority| now <= authority.not_after());
    let anchors: Vec<_> = live.map(|authority| authority.anchor().clone()).collect();
    let seconds = Duration::from_secs(u64::try_from(now.0).unwrap_or(0));
    let time = rustls_pki_types::UnixTime::since_unix_epoch(seconds);
    let leaf = EndEntityCert::try_from(leaf)?;
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        intermediates,
        time,
        BothEnds,
        None,
        Some(&every_issuer_may_sign),
    )?;
    Ok(())
}

/// The path builder asks an intermediate for `cA` and never for its key usage.
fn every_issuer_may_sign(path: &VerifiedPath<'_>) -> Result<(), webpki::Error> {
    let may_sign = |der: CertificateDer<'_>| {
        Certificate::parse(&der).is_ok_and(|certificate| {
            certificate.usage.is_some_and(|(usage, _)| usage.key_cert_sign())
        })
    };
    if path.intermediate_certificates().all(|intermediate| may_sign(intermediate.der())) {
        Ok(())
    } else {
        Err(webpki::Error::EndEntityUsedAsCa)
    }
}

/// No extended key usage at all, or both.
struct BothEnds;

impl ExtendedKeyUsageValidator for BothEnds {
    fn validate(&self, purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let (mut named, mut server, mut client) = (false, false, false);
        for purpose in purposes {
            let purpose = purpose?;
            named = true;
            server |= purpose == KeyPurposeId::new(SERVER_AUTH);
            client |= purpose == KeyPurposeId::new(CLIENT_AUTH);
        }
        if !named || (server && client) {
            Ok(())
        } else {
            Err(webpki::Error::RequiredEkuNotFoundContext(webpki::RequiredEkuNotFoundContext {
                required: webpki::KeyUsage::server_auth(),
                present: Vec::new(),
            }))
        }
    }
}
