//! X.509-SVIDs: what is decided before the record, and the signature after (X509-SVID sections 2 to 4).
//!
//! The leaf names one SPIFFE ID and has no subject. It is all of the chain: its authority is self-signed and
//! in the bundle. It never outlives its authority.

use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::spiffe::SpiffeId;
use moneyer_identity::{KeyId, Lifetime, UnixTime};
use rcgen::{ExtendedKeyUsagePurpose, Issuer, KeyPair, PublicKey, PublicKeyData};

use crate::svid::error::SvidError;
use crate::svid::ring::X509Ring;
use crate::x509::{LeafForm, hex, make_leaf, random_serial, requested_key};

/// How far `notBefore` lies in the past, as `nbf` of a token: a verifier whose clock is 30 s slow takes it.
const BACKDATE: Duration = Duration::from_secs(30);

/// An X.509-SVID.
#[derive(Debug, Clone)]
pub struct X509Svid {
    /// Whom it names.
    pub id: SpiffeId,
    /// DER, the leaf first. Those that anchor it are in the bundle.
    pub certificates: Vec<Vec<u8>>,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// The authority that signed it.
    pub key_id: KeyId,
    /// From when it is valid.
    pub not_before: UnixTime,
    /// Until when.
    pub not_after: UnixTime,
    /// Life left when it was made.
    pub expires_in: Lifetime,
}

/// An SVID up to its signature.
pub(crate) struct Unsigned<K = PublicKey> {
    issuer: Arc<Issuer<'static, KeyPair>>,
    public_key: K,
    serial: [u8; 16],
    now: UnixTime,
    pub(crate) key_id: KeyId,
    pub(crate) id: SpiffeId,
    pub(crate) not_after: UnixTime,
}

/// An SVID over the key of a request, up to its signature by the authority of the moment.
pub(crate) fn draft(
    ring: &X509Ring,
    id: SpiffeId,
    request: &[u8],
    times: (Duration, UnixTime),
) -> Result<Unsigned, SvidError> {
    draft_over(ring, id, requested_key(request).map_err(SvidError::Certificate)?, times)
}

/// The same over a key that is known.
pub(crate) fn draft_over<K: PublicKeyData>(
    ring: &X509Ring,
    id: SpiffeId,
    public_key: K,
    (lifetime, now): (Duration, UnixTime),
) -> Result<Unsigned<K>, SvidError> {
    let signing = ring.signing(now).ok_or(SvidError::NoAuthority)?;
    let issuer = signing.issuer().ok_or(SvidError::NoAuthority)?.clone();
    let record = signing.record();
    Ok(Unsigned {
        issuer,
        public_key,
        serial: random_serial().map_err(SvidError::Certificate)?,
        now,
        key_id: record.key_id.clone(),
        id,
        not_after: now.plus(lifetime).min(record.not_after),
    })
}

impl<K: PublicKeyData> Unsigned<K> {
    /// Its serial number, hexadecimal.
    pub(crate) fn serial(&self) -> String {
        hex(&self.serial)
    }

    /// The SVID.
    pub(crate) fn sign(self) -> Result<X509Svid, SvidError> {
        let form = LeafForm {
            id: self.id,
            usages: vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            not_before: self.now.minus(BACKDATE),
            not_after: self.not_after,
        };
        let leaf = make_leaf(&self.issuer, &self.public_key, form, self.serial);
        let leaf = leaf.map_err(SvidError::Certificate)?;
        Ok(X509Svid {
            id: leaf.id,
            certificates: vec![leaf.der],
            serial: leaf.serial,
            key_id: self.key_id,
            not_before: leaf.not_before,
            not_after: leaf.not_after,
            expires_in: Lifetime::of(leaf.not_after.since(self.now)),
        })
    }
}
