//! Keeps the policies. A change is recorded, stored, and then in force for everyone at once; changes follow one
//! another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use moneyer_identity::PolicyName;
use moneyer_identity::spiffe::SpiffeId;
use tokio::sync::Mutex;

use super::decision::{Decision, decide};
use super::error::PoliciesError;
use super::policy::{Effect, Policy};
use crate::audit::{Actor, Event, Ledger, PolicyPut};
use crate::store::{Change, Expected, Generation, Record as _, StoreError, load_records};

/// Most policies: every one is asked at each log-in.
pub const MAXIMUM_POLICIES: usize = 1024;

type Records = Vec<(Policy, Generation)>;

/// The policies of the moment.
#[derive(Debug)]
pub struct Policies {
    ledger: Ledger,
    changing: Mutex<()>,
    in_force: ArcSwap<Vec<Arc<Policy>>>,
    /// Whether another coordinator has written one that cannot be read here.
    unreadable: AtomicBool,
}

impl Policies {
    /// Loads what operators have put.
    pub async fn open(ledger: Ledger) -> Result<Self, PoliciesError> {
        let records = load(&ledger).await?;
        let opened = Self {
            ledger,
            changing: Mutex::default(),
            in_force: ArcSwap::default(),
            unreadable: AtomicBool::new(false),
        };
        opened.put_in_force(records.into_iter().map(|(policy, _)| policy));
        Ok(opened)
    }

    /// Every policy, in the order of the names.
    #[must_use]
    pub fn list(&self) -> Arc<Vec<Arc<Policy>>> {
        self.in_force.load_full()
    }

    /// Whether it is known here what they say: without one of them nobody is let in by any, since it may deny.
    pub(crate) fn are_known(&self) -> bool {
        !self.unreadable.load(Ordering::Acquire)
    }

    /// Decides about an id by the policies of this moment.
    #[must_use]
    pub fn decide(&self, id: &SpiffeId) -> Decision {
        decide(&self.in_force.load(), id)
    }

    /// Makes a policy, or says anew what it is.
    pub async fn put(&self, who: &Actor, policy: Policy) -> Result<(), PoliciesError> {
        let policy = policy.checked()?;
        let _changing = self.changing.lock().await;
        // Read anew: what became of the change before may not be known.
        let mut records = load(&self.ledger).await?;
        let at = records.iter().position(|(record, _)| record.name == policy.name);
        let before = at.map(|at| records.swap_remove(at));
        if before.is_none() && records.len() >= MAXIMUM_POLICIES {
            return Err(PoliciesError::TooMany);
        }
        if before.as_ref().is_none_or(|(record, _)| *record != policy) {
            let expected = before.map_or(Expected::Absent, |(_, at)| Expected::Revision(at));
            let change = Change::put(&policy, expected).map_err(PoliciesError::Store)?;
            self.ledger.commit(who, vec![put_event(&policy)], vec![change]).await?;
        }
        self.put_in_force(records.into_iter().map(|(record, _)| record).chain([policy]));
        Ok(())
    }

    /// Removes a policy: whom it let in is let in no more, and its tokens permit nothing.
    pub async fn remove(&self, who: &Actor, name: &PolicyName) -> Result<(), PoliciesError> {
        let _changing = self.changing.lock().await;
        let mut records = load(&self.ledger).await?;
        let at = records.iter().position(|(record, _)| record.name == *name);
        let at = at.ok_or_else(|| PoliciesError::NoSuchPolicy(name.clone()))?;
        let (record, revision) = records.swap_remove(at);
        let change = Change::remove(Policy::COLLECTION, &record.id(), revision);
        let what = Event::PolicyRemoved { policy: name.clone() };
        self.ledger.commit(who, vec![what], vec![change]).await?;
        self.put_in_force(records.into_iter().map(|(record, _)| record));
        Ok(())
    }

    /// Reads the records again, since another coordinator has changed them.
    pub(crate) async fn refresh(&self) -> Result<(), PoliciesError> {
        let _changing = self.changing.lock().await;
        let loaded = load(&self.ledger).await;
        if let Err(PoliciesError::Store(StoreError::Damaged { .. })) = &loaded {
            self.unreadable.store(true, Ordering::Release);
        }
        self.put_in_force(loaded?.into_iter().map(|(policy, _)| policy));
        Ok(())
    }

    /// Of all that are stored.
    fn put_in_force(&self, policies: impl Iterator<Item = Policy>) {
        let mut policies: Vec<_> = policies.map(Arc::new).collect();
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        self.in_force.store(Arc::new(policies));
        self.unreadable.store(false, Ordering::Release);
    }
}

async fn load(ledger: &Ledger) -> Result<Records, PoliciesError> {
    load_records(ledger.store()).await.map_err(PoliciesError::Store)
}

fn put_event(policy: &Policy) -> Event {
    let (effect, permissions, maximum_lifetime) = match &policy.effect {
        Effect::Allow { permissions, maximum_lifetime } => {
            ("allow", permissions.iter().copied().collect(), *maximum_lifetime)
        }
        Effect::Deny => ("deny", Vec::new(), None),
    };
    Event::PolicyPut(PolicyPut {
        policy: policy.name.clone(),
        patterns: policy.patterns.clone(),
        effect,
        permissions,
        maximum_lifetime,
    })
}
