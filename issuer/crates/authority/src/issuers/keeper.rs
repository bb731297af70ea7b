//! Keeps the issuers: loads them, moves, and forgets those no token names.
//!
//! The store knows the issuer; the configuration names it for the first start. A configuration that
//! names another one is refused rather than followed: a changed line would make every relying party
//! refuse every token.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moneyer_identity::{ClockFault, ErrorClass, IssuerUrl, ProvenTime, UnixTime};
use tokio::sync::{Mutex, watch};

use crate::audit::{Actor, AuditError, Event, Ledger, LedgerError};
use crate::issuers::list::{IssuerList, PreviousIssuer};
use crate::issuers::record::IssuerRecord;
use crate::store::{Change, Expected, Generation, Record as _, Store, StoreError, load_records};

/// Most previous issuers at once: each is a pair of documents in memory, and an issuer moves a few
/// times in its life.
const MAXIMUM_PREVIOUS_ISSUERS: usize = 32;

/// The longest that a token of another system is taken to live, however short ours are.
pub(crate) const LONGEST_FOREIGN_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Why the issuers cannot be kept or changed.
#[derive(Debug, thiserror::Error)]
pub enum IssuersError {
    /// The records cannot be read or written.
    #[error("the issuer's records cannot be read or written")]
    Store(#[source] StoreError),
    /// The move could not be recorded in the audit log. Nothing was changed.
    #[error(
        "the move could not be recorded in the audit log, so it was not made; /readyz says why"
    )]
    Audit(#[source] AuditError),
    /// None or several records say that tokens name their issuer now.
    #[error(
        "the records do not say which issuer is the current one; restore a backup of the store"
    )]
    NoCurrent,
    /// The configuration names an issuer that this cluster never had.
    #[error(
        "issuer.url is {configured}, but the tokens of this cluster name {current}: set issuer.url \
         back, and move with `moneyer issuer move {configured}` while the coordinator runs"
    )]
    Configured {
        /// What the configuration says.
        configured: IssuerUrl,
        /// What tokens name.
        current: IssuerUrl,
    },
    /// It is the issuer already.
    #[error("{0} is the issuer already")]
    Same(IssuerUrl),
    /// The wall clock cannot be trusted.
    #[error("the issuer does not move by a clock that is wrong")]
    Clock(#[source] ClockFault),
    /// The list is full.
    #[error(
        "{MAXIMUM_PREVIOUS_ISSUERS} previous issuers are still served; wait until one has ended"
    )]
    TooMany,
    /// The task that makes the change ended early.
    #[error("the move was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl IssuersError {
    /// The kind of failure.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Store(error) => error.class(),
            Self::Audit(error) => error.class(),
            Self::NoCurrent | Self::Interrupted(_) => ErrorClass::Internal,
            Self::Clock(_) => ErrorClass::Unavailable,
            Self::Configured { .. } | Self::Same(_) => ErrorClass::Conflict,
            Self::TooMany => ErrorClass::Exhausted,
        }
    }
}

impl From<LedgerError> for IssuersError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Audit(error) => Self::Audit(error),
            LedgerError::Store(error) => Self::Store(error),
        }
    }
}

type Records = Vec<(IssuerRecord, Generation)>;

/// The issuers of the moment, and word of their changes.
#[derive(Debug)]
pub struct Issuers {
    ledger: Ledger,
    maximum_lifetime: Duration,
    moving: Mutex<()>,
    list: ArcSwap<IssuerList>,
    changed: watch::Sender<u64>,
}

impl Issuers {
    /// Loads the issuers; the configured one becomes the first where there is none.
    pub async fn open(
        ledger: Ledger,
        configured: &IssuerUrl,
        maximum_lifetime: Duration,
        now: UnixTime,
    ) -> Result<Self, IssuersError> {
        let mut records = load(ledger.store()).await?;
        if !records.iter().any(|(record, _)| record.left_at.is_none()) {
            let known = records.into_iter().find(|(record, _)| record.issuer == *configured);
            let (first, expected) = becomes_current(known, configured, now, maximum_lifetime);
            // The configuration says so, and no token names another.
            ledger.commit_unrecorded(vec![put(&first, expected)?]).await?;
            records = load(ledger.store()).await?;
        }
        records = lengthen(&ledger, records, maximum_lifetime).await?;
        let list = list(records.iter().map(|(record, _)| record), maximum_lifetime)?;
        let is_previous = |issuer: &PreviousIssuer| issuer.issuer == *configured;
        if list.current() != configured && !list.previous().iter().any(is_previous) {
            let (configured, current) = (configured.clone(), list.current().clone());
            return Err(IssuersError::Configured { configured, current });
        }
        Ok(Self {
            ledger,
            maximum_lifetime,
            moving: Mutex::default(),
            list: ArcSwap::from_pointee(list),
            changed: watch::Sender::new(0),
        })
    }

    /// The issuers of this moment.
    #[must_use]
    pub fn list(&self) -> Arc<IssuerList> {
        self.list.load_full()
    }

    /// Tells of every move, and of every previous issuer that has ended.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Lets tokens name another issuer from now on. The present one stays served and verifiable.
    pub async fn move_to(
        &self,
        who: &Actor,
        issuer: &IssuerUrl,
        now: UnixTime,
    ) -> Result<(), IssuersError> {
        let _moving = self.moving.lock().await;
        let records = load(self.ledger.store()).await?;
        let before = list(records.iter().map(|(record, _)| record), self.maximum_lifetime)?;
        if before.current() == issuer {
            if before == **self.list.load() {
                return Err(IssuersError::Same(issuer.clone()));
            }
            // Moved before, and who moved did not learn it.
            self.put(before);
            return Ok(());
        }
        if before.previous().len() >= MAXIMUM_PREVIOUS_ISSUERS {
            return Err(IssuersError::TooMany);
        }
        let (mut changes, mut after) =
            (Vec::with_capacity(2), Vec::with_capacity(records.len() + 1));
        let mut known = None;
        for (mut record, revision) in records {
            if record.issuer == *issuer {
                known = Some((record, revision));
                continue;
            }
            if record.left_at.is_none() {
                record.left_at = Some(now);
                changes.push(put(&record, Expected::Revision(revision))?);
            }
            after.push(record);
        }
        let (current, expected) = becomes_current(known, issuer, now, self.maximum_lifetime);
        changes.push(put(&current, expected)?);
        after.push(current);
        let moved = Event::IssuerMoved { from: before.current().clone(), to: issuer.clone() };
        self.put_in_force(who, vec![moved], changes, &after).await
    }

    /// Reads the records again, since another coordinator has changed them.
    pub(crate) async fn refresh(&self) -> Result<(), IssuersError> {
        let _moving = self.moving.lock().await;
        let records = load(self.ledger.store()).await?;
        let list = list(records.iter().map(|(record, _)| record), self.maximum_lifetime)?;
        if list != **self.list.load() {
            self.put(list);
        }
        Ok(())
    }

    /// Adds issuers that another system's live tokens name, left at these times.
    pub async fn adopt(
        &self,
        who: &Actor,
        left: &[(IssuerUrl, UnixTime)],
    ) -> Result<(), IssuersError> {
        let _moving = self.moving.lock().await;
        let records = load(self.ledger.store()).await?;
        let mut after: Vec<_> = records.into_iter().map(|(record, _)| record).collect();
        let (mut changes, mut what) = (Vec::new(), Vec::new());
        for (issuer, left_at) in left {
            if after.iter().any(|record| record.issuer == *issuer) {
                continue;
            }
            let longest = LONGEST_FOREIGN_LIFETIME.max(self.maximum_lifetime);
            let record = IssuerRecord::current(issuer.clone(), *left_at, longest);
            let record = IssuerRecord { left_at: Some(*left_at), ..record };
            changes.push(put(&record, Expected::Absent)?);
            what.push(Event::IssuerAdopted { issuer: issuer.clone(), left_at: *left_at });
            after.push(record);
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.put_in_force(who, what, changes, &after).await
    }

    /// Forgets previous issuers that no live token names.
    pub async fn prune(&self, proven: &ProvenTime) -> Result<(), IssuersError> {
        let has_ended =
            |previous: &PreviousIssuer| proven.has_come(previous.until, previous.left_at);
        if !self.list().previous().iter().any(has_ended) {
            return Ok(());
        }
        let _moving = self.moving.lock().await;
        let records = load(self.ledger.store()).await?;
        let before = list(records.iter().map(|(record, _)| record), self.maximum_lifetime)?;
        let ended = |record: &IssuerRecord| {
            before.previous().iter().any(|p| p.issuer == record.issuer && has_ended(p))
        };
        let (mut changes, mut what, mut after) = (Vec::new(), Vec::new(), Vec::new());
        for (record, at) in records {
            if ended(&record) {
                changes.push(Change::remove(IssuerRecord::COLLECTION, &record.id(), at));
                what.push(Event::IssuerEnded { issuer: record.issuer });
            } else {
                after.push(record);
            }
        }
        self.put_in_force(&Actor::System, what, changes, &after).await
    }

    /// Records, stores, and goes by what was stored: read again it might not be had.
    async fn put_in_force(
        &self,
        who: &Actor,
        what: Vec<Event>,
        changes: Vec<Change>,
        after: &[IssuerRecord],
    ) -> Result<(), IssuersError> {
        let list = list(after.iter(), self.maximum_lifetime)?;
        self.ledger.commit(who, what, changes).await?;
        self.put(list);
        Ok(())
    }

    fn put(&self, list: IssuerList) {
        self.list.store(Arc::new(list));
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// The record of an issuer that tokens name from now on, and what it replaces. Of one that they named
/// before, what is known of the lives of those tokens stays.
fn becomes_current(
    known: Option<(IssuerRecord, Generation)>,
    issuer: &IssuerUrl,
    now: UnixTime,
    maximum_lifetime: Duration,
) -> (IssuerRecord, Expected) {
    match known {
        None => (IssuerRecord::current(issuer.clone(), now, maximum_lifetime), Expected::Absent),
        Some((known, revision)) => {
            let current = IssuerRecord { since: now, left_at: None, ..known };
            (current.lengthened(maximum_lifetime), Expected::Revision(revision))
        }
    }
}

/// Notes of the current issuer how long tokens under it may live.
async fn lengthen(
    ledger: &Ledger,
    mut records: Records,
    maximum_lifetime: Duration,
) -> Result<Records, IssuersError> {
    let mut changes = Vec::new();
    for (record, revision) in &records {
        let lengthened = record.clone().lengthened(maximum_lifetime);
        if record.left_at.is_none() && lengthened != *record {
            changes.push(put(&lengthened, Expected::Revision(*revision))?);
        }
    }
    if !changes.is_empty() {
        ledger.commit_unrecorded(changes).await?;
        records = load(ledger.store()).await?;
    }
    Ok(records)
}

async fn load(store: &dyn Store) -> Result<Records, IssuersError> {
    load_records(store).await.map_err(IssuersError::Store)
}

fn list<'a>(
    records: impl Iterator<Item = &'a IssuerRecord>,
    maximum_lifetime: Duration,
) -> Result<IssuerList, IssuersError> {
    IssuerList::of(records, maximum_lifetime).ok_or(IssuersError::NoCurrent)
}

fn put(record: &IssuerRecord, expected: Expected) -> Result<Change, IssuersError> {
    Change::put(record, expected).map_err(IssuersError::Store)
}
