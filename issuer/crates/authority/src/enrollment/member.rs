//! Members: runners and sandbox controllers that have joined.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use moneyer_identity::{RunnerId, UnixTime};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

use crate::audit::{Actor, Event, Ledger, LedgerError};
use crate::shared_store::Changed;
use crate::store::{Change, Collection, Expected, Generation, Record, StoreError};

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberKind {
    /// A runner host.
    Runner,
    /// A sandbox controller.
    Controller,
}

impl MemberKind {
    /// The kind as a SPIFFE path segment and as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Runner => "runner",
            Self::Controller => "controller",
        }
    }
}

impl fmt::Display for MemberKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A member's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What it is.
    pub kind: MemberKind,
    /// Its name: a component.
    pub name: String,
    /// Serial number of its present certificate, hexadecimal.
    pub serial: String,
    /// Serial number of the certificate it renewed from, good until the next renewal: the answer that
    /// carried the present one may have been lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_serial: Option<String>,
    /// When it joined.
    pub joined_at: UnixTime,
    /// When its present certificate ends.
    pub certificate_ends_at: UnixTime,
}

impl Member {
    /// Whether a certificate of this serial number is one it may still use.
    pub(super) fn carries(&self, serial: &str) -> bool {
        self.serial == serial || self.previous_serial.as_deref() == Some(serial)
    }
}

impl Record for Member {
    const COLLECTION: Collection = Collection::Members;

    fn id(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// A member as the audit log names it: as an actor.
pub(super) fn full_name(kind: MemberKind, name: &str) -> String {
    format!("{kind}:{name}")
}

type Entries = BTreeMap<(MemberKind, String), (Arc<Member>, Generation)>;

/// Every member, in memory.
#[derive(Debug, Default)]
pub struct Members {
    entries: RwLock<Entries>,
    /// Held from the look at a member to the change of it in memory, so that nothing falls between:
    /// a renewal that was under way must not bring back a member whose removal was acknowledged.
    turn: Mutex<()>,
}

impl Members {
    /// Takes over stored records.
    #[must_use]
    pub fn new(records: Vec<(Member, Generation)>) -> Self {
        let entry = |(member, revision): (Member, Generation)| {
            ((member.kind, member.name.clone()), (Arc::new(member), revision))
        };
        let entries = RwLock::new(records.into_iter().map(entry).collect());
        Self { entries, turn: Mutex::default() }
    }

    /// Every member: runners first, each kind by name.
    #[must_use]
    pub fn list(&self) -> Vec<Arc<Member>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().map(|(member, _)| member.clone()).collect()
    }

    /// Whether this runner has joined and was not removed since.
    #[must_use]
    pub fn has_runner(&self, runner: &RunnerId) -> bool {
        self.find(MemberKind::Runner, runner.as_str()).is_some()
    }

    pub(super) fn find(&self, kind: MemberKind, name: &str) -> Option<(Arc<Member>, Generation)> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&(kind, name.to_owned())).cloned()
    }

    /// Whoever changes a member waits for its turn and keeps it to the end.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    pub(super) fn apply(&self, member: Member, revision: Generation) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let key = (member.kind, member.name.clone());
        if entries.get(&key).is_none_or(|(_, known)| *known < revision) {
            entries.insert(key, (Arc::new(member), revision));
        }
    }

    /// Takes in what another coordinator has written or removed, and adds the runners that are gone to `gone`.
    pub(crate) async fn take_in(
        &self,
        ledger: &Ledger,
        changed: &[Changed],
        gone: &mut Vec<RunnerId>,
    ) -> Result<(), StoreError> {
        let _turn = self.turn().await;
        let mut taken_in = Ok(());
        for change in changed.iter().filter(|change| !ledger.supersedes(change)) {
            match change.decoded::<Member>() {
                Ok(Some(member)) => self.apply(member, change.revision),
                Ok(None) => gone.extend(self.forget(&change.id, change.revision)),
                Err(error) => taken_in = taken_in.and(Err(error)),
            }
        }
        taken_in
    }

    /// Takes a member out of memory whose record was removed by `generation`; gives its id if it was a runner.
    fn forget(&self, id: &str, generation: Generation) -> Option<RunnerId> {
        let (kind, name) = id.split_once('/')?;
        let kind = [MemberKind::Runner, MemberKind::Controller]
            .into_iter()
            .find(|one| one.as_str() == kind)?;
        let key = (kind, name.to_owned());
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.get(&key).filter(|(_, revision)| *revision < generation)?;
        entries.remove(&key);
        (kind == MemberKind::Runner).then(|| RunnerId::parse(name).ok()).flatten()
    }

    /// Removes a member durably, then from memory. Removing what is not there succeeds.
    pub async fn remove(
        &self,
        ledger: &Ledger,
        who: &Actor,
        kind: MemberKind,
        name: &str,
    ) -> Result<(), LedgerError> {
        let _turn = self.turn().await;
        let Some((member, revision)) = self.find(kind, name) else { return Ok(()) };
        let what = vec![Event::MemberRemoved { member: full_name(kind, name) }];
        let change = Change::remove(Collection::Members, &member.id(), revision);
        ledger.commit(who, what, vec![change]).await?;
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&(kind, name.to_owned()));
        Ok(())
    }

    /// The change that writes a member in place of the present record.
    pub(super) fn change(&self, member: &Member) -> Result<Change, StoreError> {
        let expected = match self.find(member.kind, &member.name) {
            Some((_, revision)) => Expected::Revision(revision),
            None => Expected::Absent,
        };
        Change::put(member, expected)
    }
}
