//! The key records as they are stored, and the changes that steps make of them: pure.

use std::time::Duration;

use moneyer_identity::{KeyCertificate, KeyId, Lifetime, UnixTime};

use crate::keys::line::{KeyKinds, Line};
use crate::keys::record::{KeyRecord, KeyState, RingRecord};
use crate::keys::rotation::Step;
use crate::keys::schedule::Schedule;
use crate::keys::shelf::{Shelf, ShelfDraft, Shelved};
use crate::signer::NewKey;

/// The records of signing keys.
pub(super) type Book = Shelf<KeyRecord>;

/// A book as it will be.
pub(super) type Draft = ShelfDraft<KeyRecord>;

impl Shelved for KeyRecord {
    type Ring = RingRecord;

    fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    fn state(&self) -> KeyState {
        self.state
    }

    fn count_change(ring: &mut RingRecord) {
        ring.changes = ring.changes.saturating_add(1);
    }

    fn goes(&self, ring: &mut RingRecord) {
        if self.state == KeyState::Withdrawn {
            ring.remember(self.thumbprint().clone());
        }
    }
}

impl Draft {
    /// Makes a step that needs no new key.
    pub(super) fn step(
        &mut self,
        step: &Step,
        schedule: &Schedule,
        kinds: KeyKinds,
        now: UnixTime,
    ) {
        match step {
            Step::Publish(key_id) => self.edit(key_id, |key| key.published_at = Some(now)),
            Step::Lapse(key_id) => self.edit(key_id, |key| key.published_at = None),
            Step::Extend(key_id, until) => {
                self.edit(key_id, |key| key.sign_until = key.sign_until.max(Some(*until)));
            }
            Step::Activate(key_id) => self.activate(key_id, schedule, kinds, now),
            Step::Request => {
                for line in Line::ALL {
                    *self.shelf.ring.requested_at(line) = Some(now);
                }
            }
            Step::Retire(key_id) => self.edit(key_id, |key| key.state = KeyState::Retiring),
            Step::Prune(key_id) => self.remove(key_id),
            Step::Withdraw(key_ids) => {
                for key_id in key_ids {
                    self.edit(key_id, |key| withdraw(key, now));
                }
                self.shelf.ring.withdrawals = self.shelf.ring.withdrawals.saturating_add(1);
            }
            Step::Prepare(_) => {}
        }
    }

    /// Notes of every key that may sign how long its tokens may live, and tells whether that was news.
    pub(super) fn lengthen(&mut self, lifetime: Duration) -> bool {
        let signs = |key: &&KeyRecord| key.state == KeyState::Active;
        let shorter = |key: &&KeyRecord| {
            key.longest_lifetime.is_none_or(|longest| longest.duration() < lifetime)
        };
        let news = self.records().filter(signs).filter(shorter).map(|key| key.key_id.clone());
        let news: Vec<KeyId> = news.collect();
        for key_id in &news {
            self.edit(key_id, |key| lengthen(key, lifetime));
        }
        !news.is_empty()
    }

    /// Keeps the certificate over a key.
    pub(super) fn certify(&mut self, key_id: &KeyId, certificate: KeyCertificate) {
        self.edit(key_id, |key| key.certificate = Some(certificate));
    }

    fn activate(&mut self, key_id: &KeyId, schedule: &Schedule, kinds: KeyKinds, now: UnixTime) {
        let line = self.records().find(|key| key.key_id == *key_id).map(|key| key.line);
        let line = line.unwrap_or_default();
        let active: Vec<(KeyId, Option<Line>)> = self
            .active_of(line)
            .map(|key| (key.key_id.clone(), self.waiting_line(key, kinds)))
            .collect();
        for (retired, waiting) in active {
            self.edit(&retired, |key| {
                if let Some(line) = waiting {
                    key.line = line;
                } else {
                    // Its `sign_until` stays: a coordinator that was frozen may go by it when it wakes.
                    key.state = KeyState::Retiring;
                    key.handle = None;
                }
            });
        }
        self.edit(key_id, |key| activate(key, schedule, now));
        *self.shelf.ring.requested_at(line) = None;
    }

    fn active_of(&self, line: Line) -> impl Iterator<Item = &KeyRecord> {
        self.records().filter(move |key| key.state == KeyState::Active && key.line == line)
    }

    /// The other line, where that is made of keys like this one and has none that signs yet: there it signs
    /// on, or nobody would sign with its algorithm meanwhile.
    fn waiting_line(&self, key: &KeyRecord, kinds: KeyKinds) -> Option<Line> {
        let line = key.public.alg.and_then(|algorithm| kinds.line_of(algorithm))?;
        (line != key.line && self.active_of(line).next().is_none()).then_some(line)
    }

    /// Brings the keys to the lines that the configuration has now, and tells whether that was news. Lines
    /// that have changed places change names; prepared keys go where keys like them are made; and a
    /// second line that is there no more ends.
    pub(super) fn align_lines(&mut self, kinds: KeyKinds) -> bool {
        if kinds.second.is_none() {
            return self.end_second_line();
        }
        let of_other = |key: &KeyRecord| {
            let line = key.public.alg.and_then(|algorithm| kinds.line_of(algorithm));
            line.filter(|line| *line != key.line)
        };
        let swapped = Line::ALL
            .into_iter()
            .all(|line| self.active_of(line).next().is_some_and(|key| of_other(key).is_some()));
        let moves = |key: &&KeyRecord| match key.state {
            KeyState::Active => swapped,
            KeyState::Prepared => true,
            KeyState::Retiring | KeyState::Withdrawn => false,
        };
        let found = self.records().filter(moves);
        let found: Vec<(KeyId, Line)> =
            found.filter_map(|key| Some((key.key_id.clone(), of_other(key)?))).collect();
        for (key_id, line) in &found {
            self.edit(key_id, |key| key.line = *line);
        }
        !found.is_empty()
    }

    /// Its keys sign no more, and are published until their tokens are dead.
    fn end_second_line(&mut self) -> bool {
        let second = self.records().filter(|key| key.line == Line::Second);
        let second: Vec<KeyId> = second.map(|key| key.key_id.clone()).collect();
        for key_id in &second {
            self.edit(key_id, |key| {
                key.line = Line::Primary;
                if key.state.may_sign() {
                    key.state = KeyState::Retiring;
                    key.handle = None;
                }
            });
        }
        *self.shelf.ring.requested_at(Line::Second) = None;
        !second.is_empty()
    }
}

/// A key that was just made, in the key set from now on.
pub(super) fn prepared(line: Line, new: NewKey, now: UnixTime) -> KeyRecord {
    KeyRecord {
        line,
        key_id: new.verifying_key.thumbprint().clone(),
        thumbprint: None,
        state: KeyState::Prepared,
        public: new.verifying_key.jwk().clone(),
        certificate: None,
        handle: Some(new.handle),
        created_at: now,
        published_at: None,
        activated_at: None,
        sign_until: None,
        longest_lifetime: None,
    }
}

/// Lets a key sign from now on for one round and its margin.
pub(super) fn activate(key: &mut KeyRecord, schedule: &Schedule, now: UnixTime) {
    key.state = KeyState::Active;
    key.published_at = key.published_at.or(Some(now));
    key.activated_at = Some(now);
    key.sign_until = Some(now.plus(schedule.signs_for()));
    lengthen(key, schedule.maximum_lifetime());
}

/// Notes how long tokens of a key may live. It never gets shorter: a configuration that allows less from
/// today on does not end the tokens of yesterday.
pub(super) fn lengthen(key: &mut KeyRecord, lifetime: Duration) {
    key.longest_lifetime = key.longest_lifetime.max(Some(Lifetime::of(lifetime)));
}

fn withdraw(key: &mut KeyRecord, now: UnixTime) {
    key.state = KeyState::Withdrawn;
    key.sign_until = Some(end_of_withdrawn(key.sign_until, key.activated_at, now));
    key.handle = None;
}

/// From when on a key that is withdrawn now signs nothing.
pub(crate) fn end_of_withdrawn(
    sign_until: Option<UnixTime>,
    activated_at: Option<UnixTime>,
    now: UnixTime,
) -> UnixTime {
    let until = sign_until.map_or(now, |until| until.min(now));
    // By a clock that went back it would end before it began.
    activated_at.map_or(until, |since| until.max(since))
}
