//! Keeps the ring of authorities: loads it, makes the first one, and carries steps out.

use std::collections::BTreeSet;
use std::sync::Arc;

use moneyer_identity::spiffe::TrustDomain;
use moneyer_identity::{KeyId, ProvenTime, UnixTime};
use tokio::sync::{MutexGuard, watch};

use crate::audit::{Actor, Ledger};
use crate::keys::{
    InForce, KeyCommand, KeyState, KeysError, Known, Line, Look, Mark, Outlook, RingError,
    Rotation, Step, commit,
};
use crate::signer::SignerError;
use crate::svid::book::{Book, Draft, activate, prepared};
use crate::svid::plan::X509Plan;
use crate::svid::record::{X509AuthorityRecord, X509RingRecord};
use crate::svid::ring::{X509Authority, X509Ring};
use crate::svid::told::{Exception, requested, told};
use crate::x509::CertificateError;

/// The ring of the moment, its records, and word of its changes.
#[derive(Debug)]
pub struct X509Authorities {
    plan: X509Plan,
    trust_domain: TrustDomain,
    kept: InForce<X509AuthorityRecord, X509Ring>,
}

impl X509Authorities {
    /// Loads the ring. Where there is no authority yet, makes the first one, active at once: nobody can have
    /// the bundle of a ring that did not exist.
    pub async fn open(
        ledger: Ledger,
        plan: X509Plan,
        trust_domain: TrustDomain,
        now: UnixTime,
    ) -> Result<Self, KeysError> {
        let mut book = Book::load(ledger.store()).await.map_err(KeysError::Store)?;
        if book.is_empty() {
            let mut draft = book.draft();
            let mut first = prepared(&trust_domain, &plan, now).map_err(not_made)?;
            activate(&mut first, &plan, now);
            draft.add(first);
            let what = told(&[], draft.records(), Some("first key"));
            // Opened first: a ring that is not sound is never stored.
            ring_of(draft.records(), draft.ring(), &trust_domain, None)?;
            book = commit(&ledger, &Actor::System, what, draft).await?;
        }
        let mut draft = book.draft();
        if draft.lengthen(plan.lifetime()) {
            book = commit(&ledger, &Actor::System, Vec::new(), draft).await?;
        }
        let ring = ring_of(book.records(), &book.ring, &trust_domain, None)?;
        let kept = InForce::new(ledger, book, ring);
        Ok(Self { plan, trust_domain, kept })
    }

    /// The ring of this moment.
    #[must_use]
    pub fn ring(&self) -> Arc<X509Ring> {
        self.kept.ring()
    }

    /// The periods in force.
    #[must_use]
    pub fn plan(&self) -> &X509Plan {
        &self.plan
    }

    /// Tells whoever serves the bundle when the ring has changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.kept.changes()
    }

    /// Hears from whoever serves the bundle which authorities it lists. A prepared authority begins to ripen
    /// when it is listed, and begins anew when it was away.
    pub fn served(&self, key_ids: impl IntoIterator<Item = KeyId>) {
        self.look(Look::Shows(key_ids.into_iter().collect()));
    }

    /// Hears that nobody can tell what is served. No prepared authority signs meanwhile, and none loses the
    /// time it has been served.
    pub fn served_is_unknown(&self) {
        self.look(Look::Unknown);
    }

    /// What comes next for every authority, when, and what it waits for.
    #[must_use]
    pub fn outlook(&self, now: UnixTime) -> Vec<Outlook> {
        self.ask(|rotation| rotation.outlook(now))
    }

    /// What is to be done now. What relying parties would miss goes by time that has certainly come.
    #[must_use]
    pub fn due_by(&self, proven: &ProvenTime) -> Vec<Step> {
        self.ask(|rotation| rotation.due_by(proven))
    }

    /// The steps that carry out a command, or why they may not be done now.
    pub fn judge(&self, command: &KeyCommand, proven: &ProvenTime) -> Result<Vec<Step>, KeysError> {
        if matches!(command, KeyCommand::Prepare(Line::Second)) {
            return Err(KeysError::NoSuchLine);
        }
        self.ask(|rotation| rotation.judge(command, proven)).map_err(KeysError::X509Command)
    }

    /// Carries out one step that was due or judged, from the ring as it is now.
    pub async fn carry_out(
        &self,
        who: &Actor,
        step: &Step,
        now: UnixTime,
    ) -> Result<(), KeysError> {
        let mut book = self.book().await?;
        let mut draft = book.as_ref().ok_or(KeysError::Overtaken)?.draft();
        if !draft.still_allows(step) {
            return Err(KeysError::Overtaken);
        }
        draft.step(step, &self.plan, now);
        let mut exception = None;
        if let Step::Prepare(_) = step {
            draft.add(self.make(now)?);
        } else if !draft.records().any(|key| key.state == KeyState::Active) {
            // The active one is withdrawn: another takes its place before anyone has it in a bundle.
            let mut next = self.make(now)?;
            activate(&mut next, &self.plan, now);
            draft.add(next);
            exception = Some("emergency");
        }
        self.put_in_force(&mut book, draft, who, exception).await
    }

    /// Reads the records again, since another coordinator has changed them, and puts in force what they say.
    pub(crate) async fn refresh(&self) -> Result<(), KeysError> {
        *self.kept.lock().await = None;
        self.settle().await
    }

    /// Hears which keys every coordinator publishes that shares the store: no other one ripens. For one that
    /// has the store to itself this is never called.
    pub(crate) fn confirmed(&self, key_ids: &BTreeSet<KeyId>) {
        self.kept.confirm(key_ids.clone());
    }

    /// Where it is not known what became of the last change, reads the records again and puts in force
    /// what they say.
    pub async fn settle(&self) -> Result<(), KeysError> {
        self.book().await.map(drop)
    }

    fn make(&self, now: UnixTime) -> Result<X509AuthorityRecord, KeysError> {
        prepared(&self.trust_domain, &self.plan, now).map_err(not_made)
    }

    fn look(&self, look: Look) {
        self.kept.look(look, &marks(&self.ring()));
    }

    fn ask<T>(&self, question: impl FnOnce(Rotation<'_>) -> T) -> T {
        let ring = self.ring();
        let view = self.kept.served_by_all(&marks(&ring));
        let keys: Vec<_> = ring.records().map(X509AuthorityRecord::times).collect();
        question(Rotation {
            keys: &keys,
            line: Line::Primary,
            schedule: self.plan.schedule(),
            served: view.served.as_ref(),
            untold: &view.untold,
            requested: ring.record().requested_at.is_some(),
        })
    }

    /// The records, read again where it is not known what became of the last change.
    async fn book(&self) -> Result<MutexGuard<'_, Known<X509AuthorityRecord>>, KeysError> {
        let mut book = self.kept.lock().await;
        if book.is_none() {
            let loaded = self.kept.load().await?;
            let before = self.ring();
            let ring = ring_of(loaded.records(), &loaded.ring, &self.trust_domain, Some(&before))?;
            self.kept.put(ring);
            *book = Some(loaded);
        }
        Ok(book)
    }

    async fn put_in_force(
        &self,
        book: &mut Known<X509AuthorityRecord>,
        draft: Draft,
        who: &Actor,
        exception: Exception,
    ) -> Result<(), KeysError> {
        let known: Vec<_> = book.iter().flat_map(Book::records).cloned().collect();
        let mut what = told(&known, draft.records(), exception);
        what.extend(requested(book.as_ref().map(|book| &book.ring), draft.ring()));
        // Opened first: a ring that is not sound is never stored.
        let before = self.ring();
        let ring = ring_of(draft.records(), draft.ring(), &self.trust_domain, Some(&before))?;
        self.kept.change(book, draft, (who, what), ring).await
    }
}

/// The authorities that were written down as listed.
fn marks(ring: &X509Ring) -> Vec<Mark> {
    ring.records().filter_map(|key| Some((key.key_id.clone(), key.published_at?))).collect()
}

fn not_made(error: CertificateError) -> KeysError {
    KeysError::Generate(SignerError::Generate(error.into()))
}

/// A ring of these records. Authorities that were open already stay so.
fn ring_of<'a>(
    records: impl Iterator<Item = &'a X509AuthorityRecord>,
    ring: &X509RingRecord,
    trust_domain: &TrustDomain,
    before: Option<&X509Ring>,
) -> Result<X509Ring, KeysError> {
    let open = |record| X509Authority::open(record, trust_domain, before);
    let authorities: Result<Vec<_>, RingError> = records.map(open).collect();
    let ring = authorities.and_then(|authorities| X509Ring::new(&authorities, ring.clone()));
    ring.map_err(KeysError::Ring)
}
