//! A peer's leaf certificate, read after the TLS library has verified its chain.
//!
//! What it may say and what it names is read by [`X509Leaf`]. The chain, the signature and the extended key
//! usage were the handshake's business. Read once per connection; the times and the serial number are
//! compared on every call.

use std::sync::Arc;

use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{SpiffeId, X509Leaf};

use crate::x509::hex;

pub use moneyer_identity::spiffe::LeafError;

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
        let leaf = X509Leaf::of_peer(der)?;
        Ok(Self {
            id: leaf.id().clone(),
            serial: hex(leaf.serial()).into(),
            not_before: leaf.not_before(),
            not_after: leaf.not_after(),
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
