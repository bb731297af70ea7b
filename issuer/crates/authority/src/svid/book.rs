//! The changes that steps make of the records: pure. And how an authority is made.

use std::time::Duration;

use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{KeyCertificate, KeyId, Lifetime, UnixTime, VerifyingKey};
use rcgen::{KeyPair, PublicKeyData as _};

use crate::keys::{KeyState, Shelf, ShelfDraft, Step, end_of_withdrawn};
use crate::signer::KeyHandle;
use crate::store::Cause;
use crate::svid::plan::X509Plan;
use crate::svid::record::X509AuthorityRecord;
use crate::x509::{CertificateError, NewAuthority, make_authority, new_key};

/// How far `notBefore` of an authority lies in the past, for peers whose clock is slow: further than that of
/// any SVID.
const BACKDATE: Duration = Duration::from_secs(60);

/// Characters of its key id that an authority's name shows: enough to tell those of one bundle apart.
const SHOWN_ID: usize = 12;

/// The records of authorities.
pub(super) type Book = Shelf<X509AuthorityRecord>;

/// Them as they will be.
pub(super) type Draft = ShelfDraft<X509AuthorityRecord>;

impl Draft {
    /// Makes a step that needs no new authority.
    pub(super) fn step(&mut self, step: &Step, plan: &X509Plan, now: UnixTime) {
        match step {
            Step::Publish(key_id) => self.edit(key_id, |key| key.published_at = Some(now)),
            Step::Lapse(key_id) => self.edit(key_id, |key| key.published_at = None),
            Step::Extend(key_id, until) => {
                self.edit(key_id, |key| key.sign_until = key.sign_until.max(Some(*until)));
            }
            Step::Activate(key_id) => self.activate(key_id, plan, now),
            Step::Request => self.shelf.ring.requested_at = Some(now),
            Step::Retire(key_id) => self.edit(key_id, retire),
            Step::Prune(key_id) => self.remove(key_id),
            Step::Withdraw(key_ids) => {
                for key_id in key_ids {
                    self.edit(key_id, |key| withdraw(key, now));
                }
                let ring = &mut self.shelf.ring;
                ring.withdrawals = ring.withdrawals.saturating_add(1);
            }
            Step::Prepare(_) => {}
        }
    }

    /// Notes of the authority that signs how long its SVIDs may live, and tells whether that was news.
    pub(super) fn lengthen(&mut self, lifetime: Duration) -> bool {
        let shorter = |key: &&X509AuthorityRecord| {
            key.state == KeyState::Active
                && key.longest_lifetime.is_none_or(|longest| longest.duration() < lifetime)
        };
        let news: Vec<KeyId> =
            self.records().filter(shorter).map(|key| key.key_id.clone()).collect();
        for key_id in &news {
            self.edit(key_id, |key| lengthen(key, lifetime));
        }
        !news.is_empty()
    }

    fn activate(&mut self, key_id: &KeyId, plan: &X509Plan, now: UnixTime) {
        let active = self.records().filter(|key| key.state == KeyState::Active);
        let active: Vec<KeyId> = active.map(|key| key.key_id.clone()).collect();
        for retired in &active {
            // Its `sign_until` stays: a coordinator that was frozen may go by it when it wakes.
            self.edit(retired, retire);
        }
        self.edit(key_id, |key| activate(key, plan, now));
        self.shelf.ring.requested_at = None;
    }
}

/// Makes an authority. It is in the bundle from the moment its record is stored.
pub(super) fn prepared(
    trust_domain: &TrustDomain,
    plan: &X509Plan,
    now: UnixTime,
) -> Result<X509AuthorityRecord, CertificateError> {
    let key = new_key()?;
    let key_id = key_id_of(&key).map_err(CertificateError::Make)?;
    let shown: String = key_id.as_str().chars().take(SHOWN_ID).collect();
    let not_after = now.plus(plan.certificate_lifetime());
    let form = NewAuthority {
        trust_domain,
        name: format!("Moneyer SVID authority {shown}"),
        not_before: now.minus(BACKDATE),
        not_after,
    };
    Ok(X509AuthorityRecord {
        key_id,
        state: KeyState::Prepared,
        certificate: KeyCertificate::from_der(&make_authority(form, &key)?),
        key: Some(KeyHandle::new(key.serialize_der())),
        not_after,
        created_at: now,
        published_at: None,
        activated_at: None,
        sign_until: None,
        longest_lifetime: None,
    })
}

/// The RFC 7638 thumbprint of a P-256 key.
pub(super) fn key_id_of(key: &KeyPair) -> Result<KeyId, Cause> {
    // 4, x, y (RFC 5480 section 2.2).
    let point = key.der_bytes();
    let (x, y) = match point.split_first() {
        Some((4, coordinates)) => coordinates.split_at_checked(32).ok_or("the key is too short")?,
        _ => return Err("the key is not an uncompressed point".into()),
    };
    Ok(VerifyingKey::p256(x, y)?.thumbprint().clone())
}

/// Lets an authority sign from now on for one round and its margin.
pub(super) fn activate(key: &mut X509AuthorityRecord, plan: &X509Plan, now: UnixTime) {
    key.state = KeyState::Active;
    key.published_at = key.published_at.or(Some(now));
    key.activated_at = Some(now);
    key.sign_until = Some(now.plus(plan.schedule().signs_for()));
    lengthen(key, plan.lifetime());
}

fn lengthen(key: &mut X509AuthorityRecord, lifetime: Duration) {
    key.longest_lifetime = key.longest_lifetime.max(Some(Lifetime::of(lifetime)));
}

fn retire(key: &mut X509AuthorityRecord) {
    key.state = KeyState::Retiring;
    key.key = None;
}

fn withdraw(key: &mut X509AuthorityRecord, now: UnixTime) {
    key.state = KeyState::Withdrawn;
    key.sign_until = Some(end_of_withdrawn(key.sign_until, key.activated_at, now));
    key.key = None;
}
