//! The X.509-SVID that the cluster's own bundle endpoint shows (SPIFFE Federation section 5.2.2).
//!
//! Its key is made here and lives in memory alone. As with every SVID its record is durable before it leaves,
//! and none is signed by a clock that is wrong. Its id is below `/moneyer/`, where no sandbox's can be.

use std::sync::Arc;

use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{KeyId, UnixTime};
use zeroize::Zeroizing;

use super::open::Authority;
use crate::audit::{Actor, AuditEvent, Event};
use crate::svid::{SvidError, X509Ring, draft_over};
use crate::x509::new_key;

/// An X.509-SVID of the bundle endpoint, and its key.
pub struct EndpointSvid {
    /// Whom it names.
    pub id: SpiffeId,
    /// DER, the leaf first.
    pub chain: Vec<Vec<u8>>,
    /// PKCS#8, DER.
    pub key: Zeroizing<Vec<u8>>,
    /// The authority that signed it.
    pub authority: KeyId,
    /// By which reading of the clock.
    pub made_at: UnixTime,
}

impl Authority {
    /// An X.509-SVID for the bundle endpoint, by the authority of this moment.
    pub async fn certify_bundle_endpoint(&self) -> Result<EndpointSvid, SvidError> {
        let now = self.sound_time().map_err(SvidError::Clock)?;
        self.ledger.check().map_err(SvidError::RolledBack)?;
        let id = SpiffeId::of(self.trust_domain(), &["moneyer", "bundle"]);
        let id = id.map_err(SvidError::Id)?;
        let made = new_key().map_err(SvidError::Certificate)?;
        let key = Zeroizing::new(made.serialize_der());
        let ring: Arc<X509Ring> = self.x509.ring();
        let unsigned = draft_over(&ring, id, made, (self.charter.x509.lifetime(), now))?;
        let event = AuditEvent::new(
            now,
            Actor::System,
            Event::BundleEndpointCertified {
                spiffe_id: unsigned.id.clone(),
                serial: unsigned.serial(),
                kid: unsigned.key_id.clone(),
                not_after: unsigned.not_after,
            },
        );
        let recording = self.ports.audit.record(vec![event]).map_err(SvidError::Audit)?;
        recording.durable().await.map_err(SvidError::Audit)?;
        let svid = unsigned.sign()?;
        Ok(EndpointSvid {
            id: svid.id,
            chain: svid.certificates,
            key,
            authority: svid.key_id,
            made_at: now,
        })
    }
}
