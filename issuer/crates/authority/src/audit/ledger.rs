//! The ledger: a change is recorded, then made.
//!
//! The registry, the desk of members and the keys commit here and have no other way to the store, so no
//! change is made that is not recorded first. A change that is recorded and then fails is recorded as
//! failed. Callers commit together: nothing here takes turns, so that the log and the store can each make
//! many of them durable at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moneyer_identity::{Clock, UnixTime};

use crate::audit::actor::Actor;
use crate::audit::event::{AuditEvent, Event};
use crate::audit::port::{Audit, AuditError, Sequence};
use crate::audit::refused::reason;
use crate::following::{Standing, removed_by};
use crate::shared_store::Changed;
use crate::store::{Change, Generation, Receipt, Store, StoreError, Testimony};

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It could not be recorded. Nothing was changed.
    #[error("the change could not be recorded")]
    Audit(#[source] AuditError),
    /// It was recorded and could not be made.
    #[error("the change could not be stored")]
    Store(#[source] StoreError),
}

/// Records changes and makes them durable. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    store: Arc<dyn Store>,
    audit: Arc<dyn Audit>,
    clock: Arc<dyn Clock>,
    /// The generation that a witness has seen of a store that is not there; 0 for none.
    seen: Arc<AtomicU64>,
    /// How this coordinator stands to others that share the store; `None` where it has it to itself.
    standing: Option<Arc<Standing>>,
}

impl Ledger {
    /// On this store and this log.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, audit: Arc<dyn Audit>, clock: Arc<dyn Clock>) -> Self {
        Self { store, audit, clock, seen: Arc::default(), standing: None }
    }

    /// The same, of a store that others share.
    pub(crate) fn shared(self, standing: Arc<Standing>) -> Self {
        Self { standing: Some(standing), ..self }
    }

    /// How this coordinator stands to others that share the store, if any do.
    pub(crate) fn standing(&self) -> Option<&Standing> {
        self.standing.as_deref()
    }

    /// Whether what is told of a record is older than its removal by this coordinator. To be asked under the lock
    /// of whoever changes the record.
    pub(crate) fn supersedes(&self, changed: &Changed) -> bool {
        self.standing.as_ref().is_some_and(|standing| standing.supersedes(changed))
    }

    /// Where the records are kept, to be read.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The time now, by the clock that dates its records.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// Hears a witness. From a sound receipt of more than there is on, nothing is changed: what was
    /// removed in what is missing would be in force again.
    #[must_use]
    pub fn hear(&self, receipt: &Receipt) -> Testimony {
        let testimony = self.store.hear(receipt);
        if let Testimony::RolledBack(seen) = testimony {
            self.seen.fetch_max(seen.0, Ordering::AcqRel);
        }
        testimony
    }

    /// That the store was rolled back, if a witness has told so.
    pub fn check_witnesses(&self) -> Result<(), StoreError> {
        let seen = Generation(self.seen.load(Ordering::Acquire));
        let there = self.store.generation();
        if seen.0 == 0 { Ok(()) } else { Err(StoreError::RolledBack { seen, there }) }
    }

    /// That what is in memory is what is stored, as far as this coordinator can know: no witness has told that the
    /// store was rolled back, and where others share it, it was heard of lately.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.check_witnesses()?;
        self.standing.as_ref().map_or(Ok(()), |standing| standing.check())
    }

    /// Records what is about to change, and returns when that is durable. For what is no change of the
    /// store; everything else goes through [`commit`](Self::commit).
    pub async fn record(&self, who: &Actor, what: Vec<Event>) -> Result<Sequence, AuditError> {
        let now = self.clock.now();
        let event = |what| AuditEvent::new(now, who.clone(), what);
        self.audit.record(what.into_iter().map(event).collect())?.durable().await
    }

    /// Records what is about to change, then makes all changes or none.
    pub async fn commit(
        &self,
        who: &Actor,
        what: Vec<Event>,
        changes: Vec<Change>,
    ) -> Result<Generation, LedgerError> {
        self.check().map_err(LedgerError::Store)?;
        let of = self.record(who, what).await.map_err(LedgerError::Audit)?;
        let committed = self.make(changes).await;
        if let Err(error) = &committed {
            self.fail(who, of, error);
        }
        committed.map_err(LedgerError::Store)
    }

    /// Makes changes that are bookkeeping of the coordinator's own and change nothing that is recorded.
    pub(crate) async fn commit_unrecorded(
        &self,
        changes: Vec<Change>,
    ) -> Result<Generation, LedgerError> {
        self.check().map_err(LedgerError::Store)?;
        self.make(changes).await.map_err(LedgerError::Store)
    }

    async fn make(&self, changes: Vec<Change>) -> Result<Generation, StoreError> {
        let Some(standing) = &self.standing else { return self.store.commit(changes).await };
        let removed = removed_by(&changes);
        let generation = self.store.commit(changes).await?;
        standing.removes(removed, generation);
        Ok(generation)
    }

    /// Records that something was refused. Nothing follows from it, so nobody waits.
    pub(crate) fn refused(&self, who: &Actor, what: Event, now: UnixTime) {
        self.audit.record(vec![AuditEvent::new(now, who.clone(), what)]).ok();
    }

    /// Records that a change did not happen. Nothing depends on it any more, so nobody waits; a log that
    /// is failing keeps the record of the change, which says more than happened and never less.
    pub fn fail(&self, who: &Actor, of: Sequence, error: &StoreError) {
        let (class, reason) = reason(error.class(), error);
        let what = Event::ChangeFailed { of, class, reason };
        self.audit.record(vec![AuditEvent::new(self.clock.now(), who.clone(), what)]).ok();
    }
}
