//! The authorities of one trust domain.
//!
//! Bundle standard, sections 3 and 4. Valid by construction: each certificate once, each `kid` once, no
//! more of either than a reader takes. Authorities stand in a fixed order whatever order they came in, so
//! the same content is the same bytes and a turn of the active key is no change.

use std::time::Duration;

use super::content_digest::ContentDigest;
use super::jwt_authority::JwtAuthority;
use super::reading::{EntryError, MAXIMUM_BUNDLE_BYTES};
use super::x509_authority::X509Authority;
use crate::key::KeyId;
use crate::spiffe::TrustDomain;

/// Most entries in a bundle. A domain of forty servers with keys of their own, each with a prepared, an
/// active and an old one of both kinds, has 240.
pub const MAXIMUM_AUTHORITIES: usize = 256;

/// Why a bundle is refused as a whole.
#[derive(Debug, thiserror::Error)]
pub enum TrustBundleError {
    /// Longer than [`MAXIMUM_BUNDLE_BYTES`].
    #[error("the bundle is longer than {MAXIMUM_BUNDLE_BYTES} bytes")]
    TooLong,
    /// Not a JSON object with an array `keys`, or a name stands twice in an object.
    #[error("the bundle is not a JSON object with an array of keys")]
    Malformed,
    /// More than [`MAXIMUM_AUTHORITIES`] entries.
    #[error("the bundle has more than {MAXIMUM_AUTHORITIES} entries")]
    TooManyEntries,
    /// An entry of a known kind is wrong.
    #[error("entry {index} of the bundle is refused")]
    Entry {
        /// Its place, from 0.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: EntryError,
    },
    /// Two keys with one `kid`.
    #[error("two keys of the bundle have the same kid")]
    DuplicateKeyId,
    /// `spiffe_sequence` is not an integer from 0 to 2^64 − 1.
    #[error("spiffe_sequence is not an unsigned integer")]
    Sequence,
    /// `spiffe_refresh_hint` is not an integer from 0 to 2^64 − 1.
    #[error("spiffe_refresh_hint is not an unsigned integer of seconds")]
    RefreshHint,
}

/// What SVIDs of one trust domain are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustBundle {
    trust_domain: TrustDomain,
    x509_authorities: Vec<X509Authority>,
    jwt_authorities: Vec<JwtAuthority>,
    sequence: Option<u64>,
    refresh_hint: Option<Duration>,
}

impl TrustBundle {
    /// A bundle of these authorities, without a sequence number or a refresh hint.
    pub fn new(
        trust_domain: TrustDomain,
        mut x509_authorities: Vec<X509Authority>,
        mut jwt_authorities: Vec<JwtAuthority>,
    ) -> Result<Self, TrustBundleError> {
        x509_authorities.sort_unstable();
        x509_authorities.dedup();
        jwt_authorities.sort_by(|one, other| one.key_id().cmp(other.key_id()));
        let same = |pair: &[JwtAuthority]| match pair {
            [one, other] => one.key_id() == other.key_id(),
            _ => false,
        };
        if jwt_authorities.windows(2).any(same) {
            return Err(TrustBundleError::DuplicateKeyId);
        }
        if x509_authorities.len() + jwt_authorities.len() > MAXIMUM_AUTHORITIES {
            return Err(TrustBundleError::TooManyEntries);
        }
        let (sequence, refresh_hint) = (None, None);
        Ok(Self { trust_domain, x509_authorities, jwt_authorities, sequence, refresh_hint })
    }

    /// The same content under this number, which grows exactly when the content changes.
    #[must_use]
    pub fn with_sequence(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// The same authorities, to be asked for again after this long. Whole seconds.
    #[must_use]
    pub fn with_refresh_hint(mut self, refresh_hint: Duration) -> Self {
        self.refresh_hint = Some(Duration::from_secs(refresh_hint.as_secs()));
        self
    }

    /// The same authorities without a hint, as they stand in a bundle map.
    #[must_use]
    pub(super) fn without_refresh_hint(mut self) -> Self {
        self.refresh_hint = None;
        self
    }

    /// Whose authorities these are, and nobody else's.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The CA certificates. With none of them every X.509-SVID of the domain is refused.
    #[must_use]
    pub fn x509_authorities(&self) -> &[X509Authority] {
        &self.x509_authorities
    }

    /// The keys of JWT-SVIDs. With none of them every JWT-SVID of the domain is refused.
    #[must_use]
    pub fn jwt_authorities(&self) -> &[JwtAuthority] {
        &self.jwt_authorities
    }

    /// The key of this id.
    #[must_use]
    pub fn jwt_authority(&self, key_id: &KeyId) -> Option<&JwtAuthority> {
        self.jwt_authorities.iter().find(|authority| authority.key_id() == key_id)
    }

    /// `spiffe_sequence`.
    #[must_use]
    pub fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// `spiffe_refresh_hint`: as it was said, however short or long.
    #[must_use]
    pub fn refresh_hint(&self) -> Option<Duration> {
        self.refresh_hint
    }

    /// Tells whether the content is the same, whatever the sequence number.
    #[must_use]
    pub fn content_digest(&self) -> ContentDigest {
        ContentDigest::of(self)
    }
}
