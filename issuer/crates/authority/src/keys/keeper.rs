//! Keeps the ring: loads it, makes the first key of each line, and carries steps out.

use std::collections::BTreeSet;
use std::sync::Arc;

use moneyer_identity::{KeyId, ProvenTime, UnixTime};
use tokio::sync::{MutexGuard, watch};

use crate::audit::{Actor, Ledger};
use crate::keys::book::{Book, Draft, activate, prepared};
use crate::keys::certificate::{certify, certify_all};
use crate::keys::command::KeyCommand;
use crate::keys::error::KeysError;
use crate::keys::import::{Import, newcomers};
use crate::keys::in_force::InForce;
use crate::keys::line::{KeyKinds, Line};
use crate::keys::record::{KeyRecord, KeyState, RingRecord};
use crate::keys::ring::{KeyRing, RingKey};
use crate::keys::rotation::{Outlook, Rotation, Step};
use crate::keys::schedule::Schedule;
use crate::keys::shelf::commit;
use crate::keys::sights::{Look, Mark};
use crate::keys::told::{Why, requested, told};
use crate::signer::{Dependency, NewKey, Signer, SignerError, SigningKey};

/// What keys to make, and how they are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPlan {
    /// What keys to make.
    pub kinds: KeyKinds,
    /// Whether each key is published with a certificate over it (`x5c`).
    pub x5c: bool,
}

/// The ring of the moment, its records, and word of its changes.
#[derive(Debug)]
pub struct Keys {
    signer: Arc<dyn Signer>,
    plan: KeyPlan,
    schedule: Schedule,
    kept: InForce<KeyRecord, KeyRing>,
}

impl Keys {
    /// Loads the ring. Where there is no key yet, makes the first one of each line, active at once: nobody
    /// can have cached a key set of an issuer that did not exist. A line that is there no more ends.
    pub async fn open(
        ledger: Ledger,
        signer: Arc<dyn Signer>,
        plan: KeyPlan,
        schedule: Schedule,
        now: UnixTime,
    ) -> Result<Self, KeysError> {
        let mut book = Book::load(ledger.store()).await.map_err(KeysError::Store)?;
        if book.is_empty() {
            let mut draft = book.draft();
            for line in plan.kinds.lines() {
                let mut first = generate(&*signer, plan, line, now).await?;
                activate(&mut first, &schedule, now);
                draft.add(first);
            }
            let what = told(&[], draft.records(), Why::First);
            book = commit(&ledger, &Actor::System, what, draft).await?;
        }
        let mut draft = book.draft();
        if draft.align_lines(plan.kinds) {
            let known: Vec<_> = book.records().cloned().collect();
            let what = told(&known, draft.records(), Why::Schedule);
            book = commit(&ledger, &Actor::System, what, draft).await?;
            draft = book.draft();
        }
        let certified = plan.x5c && certify_all(&*signer, &mut draft).await?;
        if draft.lengthen(schedule.maximum_lifetime()) || certified {
            book = commit(&ledger, &Actor::System, Vec::new(), draft).await?;
        }
        let ring = open_ring(&*signer, plan, book.records(), book.ring.clone(), None).await?;
        let kept = InForce::new(ledger, book, ring);
        Ok(Self { signer, plan, schedule, kept })
    }

    /// The ring of this moment.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        self.kept.ring()
    }

    /// What keys the lines are made of.
    #[must_use]
    pub fn kinds(&self) -> KeyKinds {
        self.plan.kinds
    }

    /// The periods in force.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Tells whoever serves the documents when the ring has changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.kept.changes()
    }

    /// Hears from whoever serves the documents which keys relying parties are served now. A prepared key
    /// begins to ripen when it is among them, and begins anew when it was away.
    pub fn served(&self, key_ids: impl IntoIterator<Item = KeyId>) {
        self.look(Look::Shows(key_ids.into_iter().collect()));
    }

    /// Hears that relying parties are served nothing of this issuer. Where others share the store they may be the ones
    /// who see what is served: then no key that is published loses its time by it, before it is seen again.
    pub fn nothing_is_served(&self) {
        self.look(Look::Nothing);
    }

    /// Hears that nobody can tell what relying parties are served. No prepared key signs meanwhile, and
    /// none loses the time it has been served.
    pub fn served_is_unknown(&self) {
        self.look(Look::Unknown);
    }

    /// What comes next for every key, when, and what it waits for.
    #[must_use]
    pub fn outlook(&self, now: UnixTime) -> Vec<Outlook> {
        let mut outlook: Vec<_> =
            self.ask(|rotation| rotation.outlook(now)).into_iter().flatten().collect();
        outlook.sort_by_key(|next| next.at.unwrap_or(UnixTime(i64::MAX)));
        outlook
    }

    /// What is to be done now.
    #[must_use]
    pub fn due(&self, now: UnixTime) -> Vec<Step> {
        self.due_by(&ProvenTime::certain(now))
    }

    /// The same, where some of it is not certain to have come.
    #[must_use]
    pub fn due_by(&self, proven: &ProvenTime) -> Vec<Step> {
        self.ask(|rotation| rotation.due_by(proven)).into_iter().flatten().collect()
    }

    /// The steps that carry out a command, or why they may not be done now.
    pub fn judge(&self, command: &KeyCommand, proven: &ProvenTime) -> Result<Vec<Step>, KeysError> {
        let wanted = self.line_of(command);
        if wanted.is_some_and(|line| self.plan.kinds.of(line).is_none()) {
            return Err(KeysError::NoSuchLine);
        }
        let judged = self.ask(|rotation| {
            let is_asked = wanted.is_none_or(|line| line == rotation.line);
            is_asked.then(|| rotation.judge(command, proven))
        });
        let steps: Result<Vec<_>, _> = judged.into_iter().flatten().collect();
        Ok(steps.map_err(KeysError::Command)?.concat())
    }

    /// Carries out one step that was due or judged, from the ring as it is now.
    pub async fn carry_out(
        &self,
        who: &Actor,
        step: &Step,
        now: UnixTime,
    ) -> Result<(), KeysError> {
        // Made before others have to wait.
        let new = match step {
            Step::Prepare(line) => self.make(&[*line], now).await?,
            Step::Withdraw(key_ids) => {
                self.make(&active_lines(self.ring().records(), key_ids), now).await?
            }
            _ => Vec::new(),
        };
        let mut book = self.book().await?;
        let mut draft = current(book.as_ref())?.draft();
        if !draft.still_allows(step) || !is_replaced(step, &draft, &new) {
            return Err(KeysError::Overtaken);
        }
        draft.step(step, &self.schedule, self.plan.kinds, now);
        for mut record in new {
            if matches!(step, Step::Withdraw(_)) {
                activate(&mut record, &self.schedule, now);
            }
            draft.add(record);
        }
        let why = if matches!(step, Step::Withdraw(_)) { Why::Emergency } else { Why::Schedule };
        self.put_in_force(&mut book, draft, who, why).await
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

    /// Takes up as prepared what somebody else made where the keys are kept, as a rotation in Vault does, and
    /// gives the lines it is for. One key of a line at a time, so that whoever rotates there without end does
    /// not fill the key set; none that was known before, and none that was withdrawn.
    pub async fn take_up(&self, now: UnixTime) -> Result<Vec<Line>, KeysError> {
        let mut lines = Vec::new();
        for line in self.plan.kinds.lines() {
            let is_prepared = |key: &KeyRecord| key.line == line && key.state == KeyState::Prepared;
            let waits = self.ring().records().any(is_prepared);
            let Some(kind) = self.plan.kinds.of(line).filter(|_| !waits) else { continue };
            let Some(found) = self.signer.found(kind).await.map_err(KeysError::Generate)? else {
                continue;
            };
            let key_id = found.verifying_key.thumbprint().clone();
            let is_known = |draft: &Draft| {
                draft.records().any(|key| is_prepared(key) || *key.thumbprint() == key_id)
                    || draft.ring().withdrawn.contains(&key_id)
            };
            if is_known(&current(self.book().await?.as_ref())?.draft()) {
                continue;
            }
            let record = made(&*self.signer, self.plan, line, found, now).await?;
            let mut book = self.book().await?;
            let mut draft = current(book.as_ref())?.draft();
            if is_known(&draft) {
                continue;
            }
            draft.add(record);
            self.put_in_force(&mut book, draft, &Actor::System, Why::Schedule).await?;
            lines.push(line);
        }
        Ok(lines)
    }

    /// Where the keys are kept that sign now, if that is not in this process; each once.
    #[must_use]
    pub fn dependencies(&self, now: UnixTime) -> Vec<Dependency> {
        let ring = self.ring();
        let signing = Line::ALL.into_iter().filter_map(|line| ring.signing_key_of(line, now));
        let mut dependencies: Vec<Dependency> = Vec::new();
        for dependency in signing.filter_map(|key| key.dependency()) {
            match dependencies.iter_mut().find(|other| other.name == dependency.name) {
                Some(other) if other.fault.is_none() => *other = dependency,
                Some(_) => {}
                None => dependencies.push(dependency),
            }
        }
        dependencies
    }

    /// Where it is not known what became of the last change, reads the records again and puts in force
    /// what they say.
    pub async fn settle(&self) -> Result<(), KeysError> {
        self.book().await.map(drop)
    }

    /// The records that an import would add, or why it may not be done now.
    pub fn judge_import(
        &self,
        imports: Vec<Import>,
        now: UnixTime,
    ) -> Result<Vec<KeyRecord>, KeysError> {
        let ring = self.ring();
        newcomers(imports, ring.records(), &ring.record().withdrawn, &self.schedule, now)
            .map_err(KeysError::Import)
    }

    /// Adds keys of another issuer's making that this one goes on verifying with, and gives the records
    /// of those that were not known before.
    pub async fn import(
        &self,
        who: &Actor,
        imports: Vec<Import>,
        now: UnixTime,
    ) -> Result<Vec<KeyRecord>, KeysError> {
        let mut book = self.book().await?;
        let mut draft = current(book.as_ref())?.draft();
        let withdrawn = &draft.ring().withdrawn;
        let added = newcomers(imports, draft.records(), withdrawn, &self.schedule, now);
        let added = added.map_err(KeysError::Import)?;
        if added.is_empty() {
            return Ok(added);
        }
        for record in &added {
            draft.add(record.clone());
        }
        self.put_in_force(&mut book, draft, who, Why::Import).await?;
        Ok(added)
    }

    /// Whether there is no key yet, so that another issuer's keys can be adopted.
    pub async fn none_yet(ledger: &Ledger) -> Result<(), KeysError> {
        let book = Book::load(ledger.store()).await.map_err(KeysError::Store)?;
        if book.is_empty() { Ok(()) } else { Err(KeysError::NotEmpty) }
    }

    /// Makes keys of another issuer's the first keys of this cluster: relying parties know them, so the
    /// primary one goes on signing. Before [`open`](Self::open), on a store without keys. Gives the
    /// records, the primary one first.
    pub async fn adopt(
        ledger: &Ledger,
        who: &Actor,
        primary: Import,
        others: Vec<Import>,
        schedule: &Schedule,
        now: UnixTime,
    ) -> Result<Vec<KeyRecord>, KeysError> {
        Self::none_yet(ledger).await?;
        let book = Book::load(ledger.store()).await.map_err(KeysError::Store)?;
        let mut adopted = vec![primary.into_active_record(schedule, now)];
        let others =
            newcomers(others, adopted.iter(), &[], schedule, now).map_err(KeysError::Import)?;
        adopted.extend(others);
        let mut draft = book.draft();
        for record in &adopted {
            // A record that no ring would take is never stored.
            RingKey::new(Arc::new(record.clone())).map_err(KeysError::Ring)?;
            draft.add(record.clone());
        }
        let what = told(&[], draft.records(), Why::Import);
        commit(ledger, who, what, draft).await?;
        Ok(adopted)
    }

    async fn make(&self, lines: &[Line], now: UnixTime) -> Result<Vec<KeyRecord>, KeysError> {
        let mut made = Vec::with_capacity(lines.len());
        for line in lines {
            made.push(generate(&*self.signer, self.plan, *line, now).await?);
        }
        Ok(made)
    }

    /// The line that a command is about; `None`: every one.
    fn line_of(&self, command: &KeyCommand) -> Option<Line> {
        let ring = self.ring();
        let of_key = |key_id: &KeyId| {
            let key = ring.records().find(|key| key.key_id == *key_id);
            key.map_or(Line::Primary, |key| key.line)
        };
        let is_prepared = |key: &&KeyRecord| key.state == KeyState::Prepared;
        match command {
            KeyCommand::Prune(None) => None,
            KeyCommand::Prepare(line) => Some(*line),
            KeyCommand::Activate(Some(key_id))
            | KeyCommand::Emergency(Some(key_id))
            | KeyCommand::Prune(Some(key_id))
            | KeyCommand::Retire(key_id) => Some(of_key(key_id)),
            KeyCommand::Activate(None) => {
                let prepared = ring.records().filter(is_prepared).map(|key| key.line);
                Some(prepared.min().unwrap_or_default())
            }
            KeyCommand::Rotate | KeyCommand::Emergency(None) => Some(Line::Primary),
        }
    }

    fn look(&self, look: Look) {
        self.kept.look(look, &marks(&self.ring()));
    }

    /// Asks the rotation of every line.
    fn ask<T>(&self, question: impl Fn(Rotation<'_>) -> T) -> Vec<T> {
        let ring = self.ring();
        let view = self.kept.served_by_all(&marks(&ring));
        let kinds = self.plan.kinds;
        let times = |key: &KeyRecord| key.times(kinds.algorithm(key.line));
        let keys: Vec<_> = ring.records().map(times).collect();
        let of_line = |line| {
            question(Rotation {
                keys: &keys,
                line,
                schedule: &self.schedule,
                served: view.served.as_ref(),
                untold: &view.untold,
                requested: ring.record().is_requested(line),
            })
        };
        self.plan.kinds.lines().map(of_line).collect()
    }

    /// The records, read again where it is not known what became of the last change. They are in force whether or
    /// not every key opens here: a key that was withdrawn signs no more. While one does not, nothing is changed from
    /// here, and it is tried again.
    async fn book(&self) -> Result<MutexGuard<'_, Option<Book>>, KeysError> {
        let mut book = self.kept.lock().await;
        if book.is_none() {
            let loaded = self.kept.load().await?;
            let before = self.ring();
            let opened = open_keys(&*self.signer, self.plan, loaded.records(), Some(&before));
            let (keys, fault) = opened.await?;
            let ring = KeyRing::taken_in(keys, loaded.ring.clone()).map_err(KeysError::Ring)?;
            if let Some(fault) = fault {
                if !is_same(&ring, &before) {
                    self.kept.put(ring);
                }
                return Err(fault);
            }
            self.kept.put(ring);
            *book = Some(loaded);
        }
        Ok(book)
    }

    async fn put_in_force(
        &self,
        book: &mut Option<Book>,
        draft: Draft,
        who: &Actor,
        why: Why,
    ) -> Result<(), KeysError> {
        let known: Vec<_> = book.iter().flat_map(Book::records).cloned().collect();
        let mut what = told(&known, draft.records(), why);
        what.extend(requested(book.as_ref().map(|book| &book.ring), draft.ring()));
        // Opened first: a ring that is not sound is never stored.
        let (records, ring) = (draft.records(), draft.ring().clone());
        let before = self.ring();
        let ring = open_ring(&*self.signer, self.plan, records, ring, Some(&before)).await?;
        self.kept.change(book, draft, (who, what), ring).await
    }
}

fn current(book: Option<&Book>) -> Result<&Book, KeysError> {
    book.ok_or(KeysError::Overtaken)
}

/// The keys that were written down as published.
fn marks(ring: &KeyRing) -> Vec<Mark> {
    ring.records().filter_map(|key| Some((key.key_id.clone(), key.published_at?))).collect()
}

/// Makes a key of a line.
async fn generate(
    signer: &dyn Signer,
    plan: KeyPlan,
    line: Line,
    now: UnixTime,
) -> Result<KeyRecord, KeysError> {
    let kind = plan.kinds.of(line).ok_or(KeysError::NoSuchLine)?;
    let new = signer.generate(kind).await.map_err(KeysError::Generate)?;
    made(signer, plan, line, new, now).await
}

/// The record of a key that its signer has.
async fn made(
    signer: &dyn Signer,
    plan: KeyPlan,
    line: Line,
    new: NewKey,
    now: UnixTime,
) -> Result<KeyRecord, KeysError> {
    let mut record = prepared(line, new, now);
    if plan.x5c {
        certify(signer, &mut record).await?;
    }
    Ok(record)
}

/// The lines of those of these keys which sign, in order.
fn active_lines<'a>(records: impl Iterator<Item = &'a KeyRecord>, key_ids: &[KeyId]) -> Vec<Line> {
    let signs = |key: &&KeyRecord| key.state == KeyState::Active && key_ids.contains(&key.key_id);
    let mut lines: Vec<Line> = records.filter(signs).map(|key| key.line).collect();
    lines.sort_unstable();
    lines
}

/// Whether a withdrawal brings a new key exactly where it takes an active one away.
fn is_replaced(step: &Step, draft: &Draft, new: &[KeyRecord]) -> bool {
    match step {
        Step::Withdraw(key_ids) => {
            active_lines(draft.records(), key_ids).iter().eq(new.iter().map(|key| &key.line))
        }
        _ => true,
    }
}

/// Whether two rings are of the same records and have the same keys open.
fn is_same(ring: &KeyRing, other: &KeyRing) -> bool {
    let closed = |ring: &KeyRing| ring.closed().map(|key| key.key_id.clone()).collect::<Vec<_>>();
    ring.record() == other.record() && closed(ring) == closed(other)
}

/// A ring of these records. Keys that were open already stay so.
async fn open_ring(
    signer: &dyn Signer,
    plan: KeyPlan,
    records: impl Iterator<Item = &KeyRecord>,
    ring: RingRecord,
    before: Option<&KeyRing>,
) -> Result<KeyRing, KeysError> {
    let (keys, fault) = open_keys(signer, plan, records, before).await?;
    fault.map_or(Ok(()), Err)?;
    KeyRing::new(keys, ring).map_err(KeysError::Ring)
}

/// The keys of these records, open as far as they open, and why the first one does not that should.
async fn open_keys(
    signer: &dyn Signer,
    plan: KeyPlan,
    records: impl Iterator<Item = &KeyRecord>,
    before: Option<&KeyRing>,
) -> Result<(Vec<RingKey>, Option<KeysError>), KeysError> {
    let (mut keys, mut fault) = (Vec::new(), None);
    for record in records {
        let mut key = RingKey::new(Arc::new(record.clone())).map_err(KeysError::Ring)?;
        match open_key(signer, &key, before).await {
            Ok(Some(open)) => key = key.opened(open),
            Ok(None) => {}
            Err(cause) => {
                let key_id = record.key_id.clone();
                fault.get_or_insert(KeysError::Open { key_id, cause });
            }
        }
        keys.push(if plan.x5c { key.certified() } else { key });
    }
    Ok((keys, fault))
}

/// The private half of a key that signs or will.
async fn open_key(
    signer: &dyn Signer,
    key: &RingKey,
    before: Option<&KeyRing>,
) -> Result<Option<Arc<dyn SigningKey>>, SignerError> {
    let record = &key.record;
    let (Some(handle), true) = (&record.handle, record.state.may_sign()) else {
        return Ok(None);
    };
    if let Some(open) = before.and_then(|ring| ring.open_key(&record.key_id)) {
        return Ok(Some(open));
    }
    signer.open(&key.verifying_key, handle).await.map(Some)
}
