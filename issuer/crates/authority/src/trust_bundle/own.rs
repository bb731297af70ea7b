//! Keeps the bundle of the moment and its number.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moneyer_identity::spiffe::{
    JwtAuthority, TrustBundle, TrustBundleError, TrustDomain, X509Authority, X509AuthorityError,
};
use tokio::sync::{Mutex, watch};

use super::record::{SequenceRecord, StoreLife};
use crate::audit::{Ledger, LedgerError};
use crate::keys::{KeyRing, Keys, RingKey, Schedule};
use crate::store::{Change, Expected, Generation, StoreError, load_records};
use crate::svid::{X509Authorities, X509Ring};

/// Longest time a reader is told to wait before it asks again: what SPIRE uses where it is told nothing, too.
const LONGEST_REFRESH_HINT: Duration = Duration::from_secs(300);

/// So many times a reader asks while a key is published and does not sign yet: the Federation standard's
/// section 4.1 advises three to five.
const ASKS_BEFORE_USE: u32 = 5;

/// Why the bundle cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The keys do not form a bundle.
    #[error("the keys do not form a trust bundle")]
    Bundle(#[source] TrustBundleError),
    /// The certificate of an authority cannot be in a bundle.
    #[error("the certificate of an authority cannot be in a trust bundle")]
    X509Authority(#[source] X509AuthorityError),
    /// Its number cannot be read or written.
    #[error("the number of the trust bundle cannot be read or written")]
    Store(#[source] LedgerError),
}

impl From<StoreError> for BundleError {
    fn from(error: StoreError) -> Self {
        Self::Store(LedgerError::Store(error))
    }
}

/// What is stored of the bundle, and the revision it has there.
type Stored = Option<(SequenceRecord, Generation)>;

/// The cluster's own bundle, and word of its changes.
#[derive(Debug)]
pub struct OwnBundle {
    ledger: Ledger,
    trust_domain: TrustDomain,
    refresh_hint: Duration,
    keys: Arc<Keys>,
    x509: Arc<X509Authorities>,
    /// `None` while it is not known whether the last number was stored.
    stored: Mutex<Option<Stored>>,
    bundle: ArcSwap<TrustBundle>,
    changed: watch::Sender<u64>,
}

impl OwnBundle {
    /// The bundle of these keys, under the number it had or the next one.
    pub async fn open(
        ledger: Ledger,
        trust_domain: TrustDomain,
        keys: Arc<Keys>,
        x509: Arc<X509Authorities>,
    ) -> Result<Self, BundleError> {
        let refresh_hint = refresh_hint([keys.schedule(), x509.plan().schedule()]);
        let authorities = x509.ring();
        let content = compose(&trust_domain, (&keys.ring(), &authorities), refresh_hint)?;
        let stored = load(&ledger).await?;
        let (record, revision) = store(&ledger, &content, stored).await?;
        let bundle = ArcSwap::from_pointee(content.with_sequence(record.sequence));
        let stored = Mutex::new(Some(Some((record, revision))));
        let changed = watch::Sender::new(0);
        x509.served(authorities.key_ids());
        Ok(Self { ledger, trust_domain, refresh_hint, keys, x509, stored, bundle, changed })
    }

    /// The bundle of this moment.
    #[must_use]
    pub fn now(&self) -> Arc<TrustBundle> {
        self.bundle.load_full()
    }

    /// Whether it lists the authority with this certificate, DER.
    #[must_use]
    pub fn lists(&self, certificate: &[u8]) -> bool {
        self.bundle.load().x509_authorities().iter().any(|one| one.der() == certificate)
    }

    /// Tells whenever it has changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How often readers are told to ask.
    #[must_use]
    pub fn refresh_hint(&self) -> Duration {
        self.refresh_hint
    }

    /// Reads the number again, since another coordinator has written it: the same content has the same number,
    /// whichever coordinator is asked.
    pub(crate) async fn refresh(&self) -> Result<(), BundleError> {
        let mut stored = self.stored.lock().await;
        *stored = None;
        let read = load(&self.ledger).await?;
        let bundle = self.bundle.load();
        if let Some((record, _)) = &read
            && record.content == bundle.content_digest()
            && Some(record.sequence) != bundle.sequence()
        {
            self.bundle.store(Arc::new(TrustBundle::clone(&bundle).with_sequence(record.sequence)));
            self.changed.send_modify(|count| *count = count.wrapping_add(1));
        }
        *stored = Some(read);
        Ok(())
    }

    /// Follows the rings: new content gets the next number, and is the bundle once that is durable. To be
    /// called whenever a ring has changed, and again where it failed.
    pub async fn follow(&self) -> Result<(), BundleError> {
        let mut stored = self.stored.lock().await;
        let authorities = self.x509.ring();
        let rings = (&*self.keys.ring(), &*authorities);
        let content = compose(&self.trust_domain, rings, self.refresh_hint)?;
        if content.content_digest() == self.bundle.load().content_digest() {
            return Ok(());
        }
        let before = match stored.take() {
            Some(known) => known,
            None => load(&self.ledger).await?,
        };
        let (record, revision) = store(&self.ledger, &content, before).await?;
        self.bundle.store(Arc::new(content.with_sequence(record.sequence)));
        // What the bundle lists is what relying parties are served from now on.
        self.x509.served(authorities.key_ids());
        *stored = Some(Some((record, revision)));
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }
}

/// A fifth of the time that a key of either kind is published before it signs. One for which that is
/// switched off asks for nothing.
fn refresh_hint(schedules: [&Schedule; 2]) -> Duration {
    let often_enough = schedules.map(|schedule| schedule.publish_before_use() / ASKS_BEFORE_USE);
    let shortest = often_enough.into_iter().filter(|hint| !hint.is_zero()).min();
    let shortest = shortest.unwrap_or(LONGEST_REFRESH_HINT);
    shortest.clamp(Duration::from_secs(1), LONGEST_REFRESH_HINT)
}

fn compose(
    trust_domain: &TrustDomain,
    (ring, x509): (&KeyRing, &X509Ring),
    refresh_hint: Duration,
) -> Result<TrustBundle, BundleError> {
    let roots: Result<Vec<_>, _> =
        x509.bundle().map(|one| X509Authority::parse(one.certificate())).collect();
    let roots = roots.map_err(BundleError::X509Authority)?;
    let own = ring.keys().iter().filter(|key| is_own(key));
    let authorities = own.filter_map(|key| JwtAuthority::of_key(&key.verifying_key)).collect();
    let bundle = TrustBundle::new(trust_domain.clone(), roots, authorities);
    Ok(bundle.map_err(BundleError::Bundle)?.with_refresh_hint(refresh_hint))
}

/// Whether the key signs for this trust domain, has or will. One that was imported to verify another issuer's
/// tokens is in the OIDC key set alone: who holds its private half is no authority of ours.
fn is_own(key: &RingKey) -> bool {
    key.record.state.may_sign() || key.record.has_signed()
}

async fn load(ledger: &Ledger) -> Result<Stored, BundleError> {
    Ok(load_records::<SequenceRecord>(ledger.store()).await?.pop())
}

/// The number of this content, durable.
///
/// It is the time of the change, or one more than the number before. A store that was put back, or that goes
/// on after an accepted loss, does not know which numbers its readers have seen: there even the same content
/// gets a new one, and the time is beyond all that were given before.
async fn store(
    ledger: &Ledger,
    bundle: &TrustBundle,
    before: Stored,
) -> Result<(SequenceRecord, Generation), BundleError> {
    let content = bundle.content_digest();
    let life = StoreLife::of(&ledger.store().receipt());
    let now = u64::try_from(ledger.now().0).unwrap_or(1).max(1);
    let (sequence, expected) = match before {
        Some((record, revision)) if record.content == content && record.life == life => {
            return Ok((record, revision));
        }
        Some((record, revision)) => (now.max(record.sequence + 1), Expected::Revision(revision)),
        None => (now, Expected::Absent),
    };
    let record = SequenceRecord { sequence, content, life };
    let changes = vec![Change::put(&record, expected)?];
    let revision = ledger.commit_unrecorded(changes).await.map_err(BundleError::Store)?;
    Ok((record, revision))
}
