//! What is to be done with keys, and when: a function of their times, the schedule and the clock.
//!
//! ```text
//! prepared ──published long enough, and its turn──► active ──its successor signs──► retiring ──► pruned
//! ```
//!
//! Nothing here does anything: [`outlook`] says for every key what comes next, when, and what it waits
//! for, and [`due`] is what of it has come. The invariants: a key signs only after it was published for
//! `publish_before_use`, and only while relying parties are seen to be served it; it leaves the key set only when every token it can have signed is dead, judged
//! by its `sign_until` and not by what anyone remembers; and there is always a key that may sign, since
//! the end of one whose successor does not come is moved out in time. Works the same for every kind of
//! key that has these states.

use std::collections::BTreeSet;
use std::time::Duration;

use moneyer_identity::{KeyId, ProvenTime, UnixTime};
use serde::{Deserialize, Serialize};

use crate::keys::line::Line;
use crate::keys::record::KeyState;
use crate::keys::schedule::Schedule;

/// What a rotation has to know of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTimes {
    /// Which key.
    pub key_id: KeyId,
    /// Which keys it follows and precedes.
    pub line: Line,
    /// Where it stands.
    pub state: KeyState,
    /// When it was made.
    pub created_at: UnixTime,
    /// From when it has been served; `None`: not yet.
    pub published_at: Option<UnixTime>,
    /// From when it signs.
    pub activated_at: Option<UnixTime>,
    /// From when it does not.
    pub sign_until: Option<UnixTime>,
    /// The longest that any of its tokens may live, where that was noted.
    pub longest_lifetime: Option<Duration>,
    /// Whether its line is made of keys of another algorithm by now, so that its turn is over.
    pub legacy: bool,
}

impl KeyTimes {
    /// From when the time counts until it is ripe.
    pub(super) fn served_from(&self) -> UnixTime {
        self.published_at.unwrap_or(self.created_at)
    }

    /// Whether a key signs after it was published, and has an end after its beginning.
    pub(crate) fn are_sound(&self) -> bool {
        let in_order = match (self.published_at, self.activated_at, self.sign_until) {
            (Some(published), Some(activated), Some(until)) => {
                published <= activated && activated <= until
            }
            (Some(published), Some(activated), None) => published <= activated,
            (None, Some(_), _) => false,
            (_, None, _) => true,
        };
        in_order && (self.state != KeyState::Active || self.activated_at.is_some())
    }

    /// From when the time counts until it is dead: its end was set then, or moved out later.
    pub(super) fn used_from(&self) -> UnixTime {
        self.activated_at.unwrap_or(self.created_at)
    }
}

/// One thing to do with the keys. The last three only an operator asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a key of a line and publish it.
    Prepare(Line),
    /// Write down that a key is served from now on.
    Publish(KeyId),
    /// Write down that a prepared key is served no more: caches that are filled now lack it, so its time
    /// begins anew when it is served again.
    Lapse(KeyId),
    /// Sign with this key from now on; the active one retires.
    Activate(KeyId),
    /// Let the active key sign until then, since its successor is not there yet.
    Extend(KeyId, UnixTime),
    /// Forget a key: every token of it is dead.
    Prune(KeyId),
    /// Hold the next round of every line as soon as it may be.
    Request,
    /// Give up a prepared key.
    Retire(KeyId),
    /// Take these keys out of the key set at once, and sign with a new one if the active key is among
    /// them: their tokens verify no more, and the new key was not published before.
    Withdraw(Vec<KeyId>),
}

impl Step {
    /// The step as one word.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Prepare(_) => "prepare",
            Self::Publish(_) => "publish",
            Self::Lapse(_) => "lapse",
            Self::Activate(_) => "activate",
            Self::Extend(..) => "extend",
            Self::Prune(_) => "prune",
            Self::Request => "request",
            Self::Retire(_) => "retire",
            Self::Withdraw(_) => "withdraw",
        }
    }

    /// The key it is about, where it is about one.
    #[must_use]
    pub fn key_id(&self) -> Option<&KeyId> {
        match self {
            Self::Prepare(_) | Self::Request => None,
            Self::Publish(key_id)
            | Self::Lapse(key_id)
            | Self::Activate(key_id)
            | Self::Extend(key_id, _)
            | Self::Prune(key_id)
            | Self::Retire(key_id) => Some(key_id),
            Self::Withdraw(key_ids) => key_ids.first(),
        }
    }
}

/// What a step waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// Nothing but its time.
    Schedule,
    /// The key set that relying parties read does not list the key yet.
    Publication,
    /// Caches of relying parties may lack the key until then.
    PublishBeforeUse,
    /// Tokens signed with the key may be alive until then.
    LivingTokens,
}

/// A step to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// Of which line.
    pub line: Line,
    /// What.
    pub step: Step,
    /// When at the earliest; `None` while it waits for something without a time.
    pub at: Option<UnixTime>,
    /// What it waits for.
    pub waiting: Waiting,
}

/// One line of keys, and what was asked for beside the schedule.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// Every key, of other lines too.
    pub keys: &'a [KeyTimes],
    /// The line.
    pub line: Line,
    /// The periods.
    pub schedule: &'a Schedule,
    /// The keys that relying parties are served at this moment; `None` while nobody can tell.
    pub served: Option<&'a BTreeSet<KeyId>>,
    /// Keys of which nobody can tell here, whatever others see that share the store.
    pub untold: &'a BTreeSet<KeyId>,
    /// Whether an operator asked for the next round now.
    pub requested: bool,
}

impl Rotation<'_> {
    /// Everything to come, the earliest first.
    #[must_use]
    pub fn outlook(&self, now: UnixTime) -> Vec<Outlook> {
        let mut outlook = self.turns(now);
        outlook.extend(self.extension(now));
        outlook.extend(self.pruning());
        outlook.sort_by_key(|next| next.at.unwrap_or(UnixTime(i64::MAX)));
        outlook
    }

    /// What is to be done now, in this order. At most one activation: each has its own turn.
    #[must_use]
    pub fn due(&self, now: UnixTime) -> Vec<Step> {
        self.due_by(&ProvenTime::certain(now))
    }

    /// The same, where some of it is not certain to have come: what relying parties would miss if the
    /// wall clock were ahead waits for that. No key leaves the set and none signs before caches have it;
    /// the active one signs on meanwhile.
    #[must_use]
    pub fn due_by(&self, proven: &ProvenTime) -> Vec<Step> {
        let now = proven.now();
        let mut due: Vec<Step> = self
            .outlook(now)
            .into_iter()
            .filter(|next| next.at.is_some_and(|at| at <= now))
            .map(|next| next.step)
            .filter(|step| self.is_safe_at(step, proven))
            .collect();
        let activation = due.iter().position(|step| matches!(step, Step::Activate(_)));
        if let Some(first) = activation {
            let mut place = 0..;
            due.retain(|step| {
                let is_first = place.next() == Some(first);
                // The end of a key that is about to retire need not move.
                is_first || !matches!(step, Step::Activate(_) | Step::Extend(..))
            });
        }
        due
    }

    fn is_safe_at(&self, step: &Step, proven: &ProvenTime) -> bool {
        let key = step.key_id().and_then(|id| self.keys.iter().find(|key| key.key_id == *id));
        let (time, from) = match (step, key) {
            (Step::Activate(_), Some(key)) => (self.ripe_at(key), key.served_from()),
            (Step::Prune(_), Some(key)) => (self.dead_at(key), key.used_from()),
            _ => return true,
        };
        time.is_some_and(|time| proven.has_come(time, from))
    }

    /// From when on this prepared key may sign, whatever its turn; `None` while it is not served.
    #[must_use]
    pub fn ripe_at(&self, key: &KeyTimes) -> Option<UnixTime> {
        key.published_at.map(|at| at.plus(self.schedule.publish_before_use()))
    }

    /// From when on every token this key can have signed is dead; `None` while it may sign without an
    /// end.
    #[must_use]
    pub fn dead_at(&self, key: &KeyTimes) -> Option<UnixTime> {
        if key.activated_at.is_none() && key.state != KeyState::Prepared {
            return Some(key.created_at);
        }
        key.sign_until.map(|until| until.plus(self.schedule.lingers(key.longest_lifetime)))
    }

    /// One turn after the other: of the prepared keys, and of the one to be prepared next.
    fn turns(&self, now: UnixTime) -> Vec<Outlook> {
        let before_use = self.schedule.publish_before_use();
        let mut turns = Vec::new();
        let mut turn = self.first_turn(now);
        for key in self.prepared() {
            let Some(ripe) = self.ripe_at(key).filter(|_| self.is_served(key)) else {
                turns.push(self.publication(key, now));
                turn = turn.max(now.plus(before_use)).plus(self.schedule.rotate_every());
                continue;
            };
            let waiting = if ripe > turn { Waiting::PublishBeforeUse } else { Waiting::Schedule };
            let at = ripe.max(turn);
            turns.push(self.next(Step::Activate(key.key_id.clone()), Some(at), waiting));
            turn = at.max(now).plus(self.schedule.rotate_every());
        }
        let at = Some(turn.minus(before_use));
        turns.push(self.next(Step::Prepare(self.line), at, Waiting::Schedule));
        turns
    }

    /// What has to come before a prepared key that relying parties are not seen to be served has a turn.
    fn publication(&self, key: &KeyTimes, now: UnixTime) -> Outlook {
        let key_id = key.key_id.clone();
        let (step, at) = match (key.published_at, self.served) {
            (None, _) => (Step::Publish(key_id), self.is_served(key).then_some(now)),
            (Some(_), Some(_)) if !self.untold.contains(&key.key_id) => {
                (Step::Lapse(key_id), Some(now))
            }
            // It may well be: the time it has been served is not lost.
            (Some(_), _) => (Step::Activate(key_id), None),
        };
        self.next(step, at, Waiting::Publication)
    }

    fn next(&self, step: Step, at: Option<UnixTime>, waiting: Waiting) -> Outlook {
        Outlook { line: self.line, step, at, waiting }
    }

    /// Whether relying parties are seen to be served this key.
    pub(super) fn is_served(&self, key: &KeyTimes) -> bool {
        self.served.is_some_and(|served| served.contains(&key.key_id))
    }

    /// When the first prepared key's turn comes.
    fn first_turn(&self, now: UnixTime) -> UnixTime {
        match self.active() {
            Some(active) if !self.requested && !active.legacy => {
                active.used_from().plus(self.schedule.rotate_every())
            }
            _ => now,
        }
    }

    /// The keys of the line.
    fn of_line(&self) -> impl Iterator<Item = &KeyTimes> {
        self.keys.iter().filter(|key| key.line == self.line)
    }

    pub(super) fn active(&self) -> Option<&KeyTimes> {
        self.of_line().find(|key| key.state == KeyState::Active)
    }

    /// Prepared keys in the order of their turns.
    pub(super) fn prepared(&self) -> Vec<&KeyTimes> {
        let mut prepared: Vec<_> =
            self.of_line().filter(|key| key.state == KeyState::Prepared).collect();
        let served_since = |key: &KeyTimes| key.published_at.unwrap_or(UnixTime(i64::MAX));
        prepared.sort_by_key(|key| (served_since(key), key.created_at, key.key_id.clone()));
        prepared
    }

    /// Half a margin before its end the active key gets a margin more.
    fn extension(&self, now: UnixTime) -> Option<Outlook> {
        let active = self.active()?;
        let margin = self.schedule.margin();
        let at = active.sign_until?.minus(margin / 2);
        let step = Step::Extend(active.key_id.clone(), at.max(now).plus(margin));
        Some(self.next(step, Some(at), Waiting::Schedule))
    }

    fn pruning(&self) -> impl Iterator<Item = Outlook> {
        let ended = |key: &&KeyTimes| matches!(key.state, KeyState::Retiring | KeyState::Withdrawn);
        self.of_line().filter(ended).map(|key| {
            let step = Step::Prune(key.key_id.clone());
            self.next(step, self.dead_at(key), Waiting::LivingTokens)
        })
    }
}
