//! The ring: every authority of SVIDs at one moment.
//!
//! A ring that exists is sound: exactly one authority is active, and its private key is open; every certificate
//! names this trust domain and is over its key. Withdrawn authorities are known, and not in the bundle.

use std::fmt;
use std::sync::Arc;

use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{KeyId, UnixTime};
use rcgen::{Issuer, KeyPair};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::keys::{KeyState, RingError};
use crate::store::Cause;
use crate::svid::book::key_id_of;
use crate::svid::record::{X509AuthorityRecord, X509RingRecord};
use crate::x509::is_certificate_of;

/// One authority of a ring.
#[derive(Clone)]
pub struct X509Authority {
    record: Arc<X509AuthorityRecord>,
    certificate: Arc<[u8]>,
    issuer: Option<Arc<Issuer<'static, KeyPair>>>,
}

impl fmt::Debug for X509Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "X509Authority({}, {})", self.record.key_id, self.record.state.as_str())
    }
}

impl X509Authority {
    /// The authority of a record. Opened where it signs or will.
    pub(super) fn open(
        record: &X509AuthorityRecord,
        trust_domain: &TrustDomain,
        before: Option<&X509Ring>,
    ) -> Result<Self, RingError> {
        let failed = |cause| RingError::Certificate { key_id: record.key_id.clone(), cause };
        if !record.times().are_sound() {
            return Err(RingError::Times(record.key_id.clone()));
        }
        let known = before.and_then(|ring| ring.find(&record.key_id));
        let (certificate, issuer) = match known {
            Some(known) if known.record.certificate == record.certificate => {
                (known.certificate.clone(), known.issuer.clone())
            }
            _ => {
                let der = record.certificate.to_der().map_err(|error| failed(error.into()))?;
                check_name(&der, trust_domain).map_err(failed)?;
                (der.into(), None)
            }
        };
        let issuer = match (&record.key, issuer) {
            (Some(_), Some(open)) if record.state.may_sign() => Some(open),
            (Some(key), None) if record.state.may_sign() => {
                let key = open_key(&record.key_id, &certificate, key.expose()).map_err(failed)?;
                Some(Arc::new(key))
            }
            _ => None,
        };
        Ok(Self { record: Arc::new(record.clone()), certificate, issuer })
    }

    /// Its record. The key in it is secret.
    #[must_use]
    pub fn record(&self) -> &X509AuthorityRecord {
        &self.record
    }

    /// Its certificate, DER: what the bundle lists.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// What signs, where it is open.
    pub(super) fn issuer(&self) -> Option<&Arc<Issuer<'static, KeyPair>>> {
        self.issuer.as_ref()
    }
}

/// Every authority of SVIDs at one moment.
#[derive(Debug)]
pub struct X509Ring {
    active: X509Authority,
    others: Vec<X509Authority>,
    withdrawn: Vec<X509Authority>,
    record: X509RingRecord,
}

impl X509Ring {
    /// Checks and orders the authorities.
    pub(super) fn new(
        authorities: &[X509Authority],
        record: X509RingRecord,
    ) -> Result<Self, RingError> {
        let of = |state: KeyState| move |one: &&X509Authority| one.record.state == state;
        let mut active = authorities.iter().filter(of(KeyState::Active));
        let (Some(first), 0) = (active.next(), active.count()) else {
            let found = authorities.iter().filter(of(KeyState::Active)).count();
            return Err(RingError::Active(found));
        };
        if first.issuer.is_none() {
            return Err(RingError::NotOpened(first.record.key_id.clone()));
        }
        let all = |state| authorities.iter().filter(of(state)).cloned();
        let others = all(KeyState::Prepared).chain(all(KeyState::Retiring)).collect();
        let withdrawn = all(KeyState::Withdrawn).collect();
        Ok(Self { active: first.clone(), others, withdrawn, record })
    }

    /// The authority that signs; `None` from its `sign_until` on, and where its certificate has ended.
    #[must_use]
    pub fn signing(&self, now: UnixTime) -> Option<&X509Authority> {
        let record = &self.active.record;
        let signs = now < record.not_after && record.sign_until.is_none_or(|until| now < until);
        signs.then_some(&self.active)
    }

    /// Every authority in the bundle: the active one first, then prepared, then retiring ones.
    pub fn bundle(&self) -> impl Iterator<Item = &X509Authority> {
        std::iter::once(&self.active).chain(&self.others)
    }

    /// The ids of their keys.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.bundle().map(|one| one.record.key_id.clone())
    }

    /// Whether the bundle lists this authority.
    #[must_use]
    pub fn publishes(&self, key_id: &KeyId) -> bool {
        self.bundle().any(|one| one.record.key_id == *key_id)
    }

    /// Every record, in the bundle or withdrawn.
    pub fn records(&self) -> impl Iterator<Item = &X509AuthorityRecord> {
        self.bundle().chain(&self.withdrawn).map(|one| &*one.record)
    }

    /// What is true of all authorities together.
    #[must_use]
    pub fn record(&self) -> &X509RingRecord {
        &self.record
    }

    fn find(&self, key_id: &KeyId) -> Option<&X509Authority> {
        self.bundle().chain(&self.withdrawn).find(|one| one.record.key_id == *key_id)
    }
}

/// That a certificate names this trust domain and nothing else: it would anchor another's SVIDs.
fn check_name(certificate: &[u8], trust_domain: &TrustDomain) -> Result<(), Cause> {
    let (_, certificate) = X509Certificate::from_der(certificate)?;
    let expected = format!("spiffe://{trust_domain}");
    let names = certificate.subject_alternative_name()?.ok_or("it names nobody")?;
    if names.value.general_names == [GeneralName::URI(&expected)] {
        return Ok(());
    }
    Err(format!("it does not name {expected}").into())
}

fn open_key(
    key_id: &KeyId,
    certificate: &[u8],
    key: &[u8],
) -> Result<Issuer<'static, KeyPair>, Cause> {
    let key = KeyPair::try_from(key)?;
    if key_id_of(&key)? != *key_id || !is_certificate_of(certificate, &key) {
        return Err("its key is not the one its certificate names".into());
    }
    Ok(Issuer::from_ca_cert_der(&certificate.into(), key)?)
}
