//! Keeps the federations and their bundles, and tells which are in force.
//!
//! A change is recorded, stored, and then in force for everyone at once; changes follow one another. A bundle
//! is in force for as long as it was seen within the maximum age, so that time alone changes what is in force:
//! [`Federations::settle`] is to be called often. Nothing here waits for a foreign server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use moneyer_identity::UnixTime;
use moneyer_identity::spiffe::{MAXIMUM_BUNDLE_BYTES, TrustBundle, TrustBundles, TrustDomain};
use tokio::sync::{Mutex, watch};

use super::acceptance::{Refused, judge, notice};
use super::endpoint::Federation;
use super::error::FederationsError;
use super::known::{Fetched, Known, Standing, Trial};
use super::record::{FederationRecord, FetchedRecord};
use super::stored::{Held, documents, known, load, load_pieces, position, removal};
use crate::audit::{Actor, Event, Ledger, reason};
use crate::store::{Change, Collection, Expected, Record as _};

/// Most federations: each is a task that fetches, and a bundle in the memory of every runner.
pub const MAXIMUM_FEDERATIONS: usize = 64;

/// Bytes that the documents of all federated bundles may take: with the cluster's own they fit a bundle map,
/// of which readers take 4 MiB, and a message to a runner.
pub const MAXIMUM_FEDERATED_BYTES: usize = 3 * 1024 * 1024;

/// How exact the age of a bundle is kept that is seen again unchanged: a write for every look would be most of
/// what an idle coordinator writes. After a restart a bundle may seem this much older than it is.
const AGE_IS_KEPT_EVERY: Duration = Duration::from_secs(60);

/// The federations, what is known of their bundles, and word of changes.
#[derive(Debug)]
pub struct Federations {
    ledger: Ledger,
    own: TrustDomain,
    maximum_age: Duration,
    changing: Mutex<()>,
    known: ArcSwap<BTreeMap<TrustDomain, Arc<Known>>>,
    /// The trust domains that were in force when it was told last.
    told: Lock<BTreeSet<TrustDomain>>,
    changed: watch::Sender<u64>,
    planned: watch::Sender<u64>,
}

impl Federations {
    /// Loads what operators have put and what was fetched.
    pub async fn open(
        ledger: Ledger,
        own: TrustDomain,
        maximum_age: Duration,
        now: UnixTime,
    ) -> Result<Self, FederationsError> {
        let known = ArcSwap::from_pointee(load_known(&ledger).await?);
        let opened = Self {
            ledger,
            own,
            maximum_age,
            changing: Mutex::default(),
            known,
            told: Lock::default(),
            changed: watch::Sender::new(0),
            planned: watch::Sender::new(0),
        };
        opened.settle(now);
        Ok(opened)
    }

    /// Reads the records again, since another coordinator has changed them or fetched a bundle.
    pub(crate) async fn refresh(&self, now: UnixTime) -> Result<(), FederationsError> {
        let _changing = self.changing.lock().await;
        let loaded = load_known(&self.ledger).await?;
        let (mut planned, mut renewed) = (false, false);
        self.known.rcu(|known| {
            (planned, renewed) = (known.len() != loaded.len(), false);
            let mut next = BTreeMap::new();
            for (trust_domain, one) in &loaded {
                let before = known.get(trust_domain);
                planned |= before.is_none_or(|before| before.federation != one.federation);
                renewed |= before.is_none_or(|before| !before.has_the_bundle_of(one));
                let trial = before.and_then(|before| before.trial.clone());
                let one = Known { trial, ..Known::clone(one) };
                next.insert(trust_domain.clone(), Arc::new(one));
            }
            next
        });
        if planned {
            self.planned.send_modify(|count| *count = count.wrapping_add(1));
        }
        if renewed {
            self.tell(now);
        } else {
            self.settle(now);
        }
        Ok(())
    }

    /// Every federation, in the order of the trust domains.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Known>> {
        self.known.load().values().cloned().collect()
    }

    /// The federation with a trust domain.
    #[must_use]
    pub fn find(&self, trust_domain: &TrustDomain) -> Option<Arc<Known>> {
        self.known.load().get(trust_domain).cloned()
    }

    /// How long a bundle is trusted that cannot be fetched anew.
    #[must_use]
    pub fn maximum_age(&self) -> Duration {
        self.maximum_age
    }

    /// The foreign bundles that are in force.
    #[must_use]
    pub fn in_force(&self, now: UnixTime) -> TrustBundles {
        let mut bundles = TrustBundles::default();
        for known in self.known.load().values() {
            if known.standing(now, self.maximum_age) == Standing::InForce {
                let fetched = known.fetched.iter().map(|fetched| Arc::clone(&fetched.bundle));
                fetched.for_each(|bundle| bundles.insert(bundle));
            }
        }
        bundles
    }

    /// Tells whenever other bundles are in force than before.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Tells whenever there are other federations to be fetched than before.
    #[must_use]
    pub fn plans(&self) -> watch::Receiver<u64> {
        self.planned.subscribe()
    }

    /// Makes a federation, or says anew where its bundle is. What was fetched stays in force; where the server
    /// is to be known in another way, it no longer proves the server.
    pub async fn put(&self, who: &Actor, federation: Federation) -> Result<(), FederationsError> {
        if federation.trust_domain == self.own {
            return Err(FederationsError::Own(federation.trust_domain));
        }
        let federation = federation.checked().map_err(FederationsError::Federation)?;
        let trust_domain = federation.trust_domain.clone();
        let _changing = self.changing.lock().await;
        // Read anew: what became of the change before may not be known.
        let mut records = load(&self.ledger).await?;
        let before = position(&records, &trust_domain).map(|at| records.swap_remove(at));
        if before.is_none() && records.len() >= MAXIMUM_FEDERATIONS {
            return Err(FederationsError::TooMany);
        }
        let (expected, before) = match before {
            Some((record, revision)) => (Expected::Revision(revision), Some(record)),
            None => (Expected::Absent, None),
        };
        let is_news = before.as_ref().is_none_or(|record| record.federation != federation);
        let same_server =
            before.as_ref().is_some_and(|record| record.federation.endpoint == federation.endpoint);
        if is_news {
            let fetched = before.and_then(|record| record.fetched).map(|fetched| FetchedRecord {
                proves_server: fetched.proves_server && same_server,
                ..fetched
            });
            let record = FederationRecord { federation: federation.clone(), fetched };
            let change = Change::put(&record, expected).map_err(FederationsError::Store)?;
            self.ledger.commit(who, vec![put_event(&federation)], vec![change]).await?;
        }
        let fetched = self.find(&trust_domain).and_then(|known| known.fetched.clone());
        let fetched = fetched.map(|fetched| Fetched {
            proves_server: fetched.proves_server && same_server,
            ..fetched
        });
        self.set(&trust_domain, Some(&Arc::new(Known::new(federation, fetched))));
        self.planned.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }

    /// Ends a federation: its bundle is deleted and trusted by nobody from then on.
    pub async fn remove(
        &self,
        who: &Actor,
        trust_domain: &TrustDomain,
        now: UnixTime,
    ) -> Result<(), FederationsError> {
        let _changing = self.changing.lock().await;
        let mut records = load(&self.ledger).await?;
        let at = position(&records, trust_domain)
            .ok_or_else(|| FederationsError::NoSuchFederation(trust_domain.clone()))?;
        let (record, revision) = records.swap_remove(at);
        let pieces = load_pieces(&self.ledger).await?;
        let pieces = pieces.iter().filter(|(piece, _)| piece.trust_domain == *trust_domain);
        let mut changes: Vec<_> = pieces.map(|(piece, at)| removal(piece, *at)).collect();
        changes.push(Change::remove(Collection::Federations, &record.id(), revision));
        let what = Event::FederationRemoved { trust_domain: trust_domain.clone() };
        self.ledger.commit(who, vec![what], changes).await?;
        self.set(trust_domain, None);
        self.planned.send_modify(|count| *count = count.wrapping_add(1));
        self.settle(now);
        Ok(())
    }

    /// Takes a bundle that was fetched for this federation, and tells whether anything in it is new.
    pub async fn take(
        &self,
        federation: &Federation,
        came: TrustBundle,
        now: UnixTime,
    ) -> Result<bool, FederationsError> {
        let _changing = self.changing.lock().await;
        let trust_domain = &federation.trust_domain;
        let gone = || FederationsError::NoSuchFederation(trust_domain.clone());
        let mut known = self.find(trust_domain).ok_or_else(gone)?;
        if known.federation != *federation || came.trust_domain() != trust_domain {
            return Err(FederationsError::Changed(trust_domain.clone()));
        }
        let mut verdict = self.judge(&known, &came, now)?;
        let mut at = known.fetched.as_ref().map_or(now, |fetched| fetched.at);
        if verdict.is_written() {
            // By what is stored: another coordinator may have fetched a newer one.
            let held = Held::load(&self.ledger, trust_domain).await?.ok_or_else(gone)?;
            known = self.take_up(&known, held.known(), now);
            if known.federation != *federation {
                return Err(FederationsError::Changed(trust_domain.clone()));
            }
            verdict = self.judge(&known, &came, now)?;
            at = known.fetched.as_ref().map_or(now, |fetched| fetched.at);
            if verdict.is_written() {
                let changes = held.seen(&came, verdict.is_news, now)?;
                self.store(&came, verdict.is_news, changes).await?;
                at = now;
            }
        }
        let kept = known.fetched.as_ref();
        let odd = if verdict.is_news {
            notice(kept.map(|fetched| &*fetched.bundle), &came)
        } else {
            kept.and_then(|fetched| fetched.notice)
        };
        let fetched = Fetched { bundle: Arc::new(came), at, proves_server: true, notice: odd };
        let next = Known { fetched: Some(fetched), ..Known::clone(&known) };
        self.take_up(&known, next, now);
        Ok(verdict.is_news)
    }

    /// Whether what came takes the place of what is known.
    fn judge(
        &self,
        known: &Known,
        came: &TrustBundle,
        now: UnixTime,
    ) -> Result<Verdict, FederationsError> {
        let kept = known.fetched.as_ref();
        let judged = judge(kept.map(|fetched| &*fetched.bundle), came);
        let is_news = judged.and_then(|is_news| self.fits(came, is_news));
        let is_news = is_news.map_err(|refused| self.refuse(known, refused, now))?;
        let is_due = kept.is_none_or(|fetched| {
            !fetched.proves_server || now.since(fetched.at) >= AGE_IS_KEPT_EVERY
        });
        Ok(Verdict { is_news, is_due })
    }

    /// Goes by what is known from now on, and tells whoever has to know if it is another bundle.
    fn take_up(&self, before: &Known, next: Known, now: UnixTime) -> Arc<Known> {
        let next = Arc::new(Known { trial: before.trial.clone(), ..next });
        self.set(&next.federation.trust_domain, Some(&next));
        if before.federation != next.federation {
            self.planned.send_modify(|count| *count = count.wrapping_add(1));
        }
        if before.has_the_bundle_of(&next) {
            self.settle(now);
        } else {
            self.tell(now);
        }
        next
    }

    /// Keeps what came of a try, for who looks.
    pub fn note(&self, trust_domain: &TrustDomain, trial: &Trial) {
        self.known.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            if let Some(one) = known.get_mut(trust_domain) {
                Arc::make_mut(one).trial = Some(trial.clone());
            }
            known
        });
    }

    /// Tells if another set of trust domains is in force, since time has passed.
    pub fn settle(&self, now: UnixTime) {
        let in_force = self.in_force_names(now);
        if *self.told.lock().unwrap_or_else(PoisonError::into_inner) != in_force {
            self.tell(now);
        }
    }

    fn tell(&self, now: UnixTime) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = self.in_force_names(now);
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn in_force_names(&self, now: UnixTime) -> BTreeSet<TrustDomain> {
        self.in_force(now).iter().map(|bundle| bundle.trust_domain().clone()).collect()
    }

    fn set(&self, trust_domain: &TrustDomain, next: Option<&Arc<Known>>) {
        self.known.rcu(|known| {
            let mut known = BTreeMap::clone(known);
            match next {
                Some(next) => known.insert(trust_domain.clone(), Arc::clone(next)),
                None => known.remove(trust_domain),
            };
            known
        });
    }

    /// Whether it can be kept beside the others.
    fn fits(&self, came: &TrustBundle, is_news: bool) -> Result<bool, Refused> {
        if !is_news {
            return Ok(false);
        }
        let own = came.to_document().len();
        if own > MAXIMUM_BUNDLE_BYTES {
            return Err(Refused::TooLong);
        }
        let known = self.known.load();
        let others = known.iter().filter(|(name, _)| *name != came.trust_domain());
        let others = others.filter_map(|(_, known)| known.fetched.as_ref());
        let others: usize = others.map(|fetched| fetched.bundle.to_document().len()).sum();
        if own + others > MAXIMUM_FEDERATED_BYTES {
            return Err(Refused::NoRoom { bytes: own, limit: MAXIMUM_FEDERATED_BYTES });
        }
        Ok(true)
    }

    /// Records a refusal, once and not at every look.
    fn refuse(&self, known: &Known, refused: Refused, now: UnixTime) -> FederationsError {
        let error = FederationsError::Refused(refused);
        let told = known.trial.as_ref().and_then(|trial| trial.failure.as_deref());
        if told != Some(error.to_string().as_str()) {
            let (class, reason) = reason(error.class(), &error);
            let trust_domain = known.federation.trust_domain.clone();
            let what = Event::FederationBundleRefused { trust_domain, class, reason };
            self.ledger.refused(&Actor::System, what, now);
        }
        error
    }

    async fn store(
        &self,
        came: &TrustBundle,
        is_news: bool,
        changes: Vec<Change>,
    ) -> Result<(), FederationsError> {
        if !is_news {
            self.ledger.commit_unrecorded(changes).await?;
            return Ok(());
        }
        let what = Event::FederationBundleChanged {
            trust_domain: came.trust_domain().clone(),
            sequence: came.sequence(),
            x509_authorities: came.x509_authorities().len(),
            jwt_authorities: came.jwt_authorities().len(),
        };
        self.ledger.commit(&Actor::System, vec![what], changes).await?;
        Ok(())
    }
}

/// What is to be made of a bundle that came.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    is_news: bool,
    is_due: bool,
}

impl Verdict {
    /// Whether anything is written of it.
    fn is_written(self) -> bool {
        self.is_news || self.is_due
    }
}

/// What is stored of the federations and their bundles.
async fn load_known(
    ledger: &Ledger,
) -> Result<BTreeMap<TrustDomain, Arc<Known>>, FederationsError> {
    let mut texts = documents(load_pieces(ledger).await?);
    let known = load(ledger).await?.into_iter().map(|(record, _)| {
        let trust_domain = record.federation.trust_domain.clone();
        let document = texts.remove(&trust_domain).unwrap_or_default();
        (trust_domain, Arc::new(known(record, &document)))
    });
    Ok(known.collect())
}

fn put_event(federation: &Federation) -> Event {
    let endpoint_id = match &federation.endpoint {
        super::EndpointProfile::HttpsSpiffe { endpoint_id, .. } => Some(endpoint_id.clone()),
        super::EndpointProfile::HttpsWeb { .. } => None,
    };
    Event::FederationPut {
        trust_domain: federation.trust_domain.clone(),
        url: federation.url.as_str().to_owned(),
        profile: federation.endpoint.as_str(),
        endpoint_id,
    }
}
