//! The keys as the page shows them: what has been, and what is to come.

use moneyer_authority::keys::{KeyRecord, KeyState, Keys, Line, Outlook, Step, Waiting};
use moneyer_identity::{Algorithm, KeyId, UnixTime};
use serde::Serialize;

use crate::http::management::KeyView;
use crate::publish::PublishStatus;

/// A key, as `moneyer key list` has it, and how its life goes on.
#[derive(Debug, Serialize)]
pub(super) struct KeyStatus {
    #[serde(flatten)]
    pub(super) key: KeyView,
    /// When its turn to sign is to come; of a key that has signed: when its successor's is or was.
    pub(super) turn_at: Option<UnixTime>,
    /// When every token of it is dead, and it leaves the key set.
    pub(super) gone_at: Option<UnixTime>,
    /// Whether the last look at what relying parties read found it there; `None`: nobody looks.
    pub(super) seen: Option<bool>,
}

/// What the next change of a line's signing key is, and what it waits for.
#[derive(Debug, Serialize)]
pub(super) struct RotationStatus {
    /// Of which line: every cluster has one, some have a second with another algorithm.
    pub(super) line: Line,
    /// The algorithm of the key that signs there.
    pub(super) algorithm: Option<Algorithm>,
    /// The step: `prepare`, `publish`, `lapse` or `activate`.
    pub(super) step: &'static str,
    /// The key it is about.
    pub(super) key_id: Option<KeyId>,
    /// When at the earliest.
    pub(super) at: Option<UnixTime>,
    /// What it waits for.
    pub(super) waits_for: Waiting,
    /// When another key signs, if nothing holds it up.
    pub(super) signs_at: Option<UnixTime>,
    /// When the active key may sign no more.
    pub(super) sign_until: Option<UnixTime>,
}

/// Every key, the active one first.
pub(super) fn keys(keys: &Keys, publish: &PublishStatus, now: UnixTime) -> Vec<KeyStatus> {
    let (ring, outlook) = (keys.ring(), keys.outlook(now));
    let of = |record: &KeyRecord| KeyStatus {
        turn_at: match record.state {
            KeyState::Prepared => step_at(&outlook, &Step::Activate(record.key_id.clone())),
            KeyState::Active => next_turn(keys, &outlook, record.line),
            KeyState::Retiring | KeyState::Withdrawn => successor_since(ring.records(), record),
        },
        gone_at: match record.state {
            KeyState::Prepared => None,
            KeyState::Active => {
                let lingers = keys
                    .schedule()
                    .lingers(record.longest_lifetime.map(moneyer_identity::Lifetime::duration));
                record.sign_until.map(|until| until.plus(lingers))
            }
            KeyState::Retiring | KeyState::Withdrawn => {
                step_at(&outlook, &Step::Prune(record.key_id.clone()))
            }
        },
        seen: seen(publish, record),
        key: KeyView::of(record, &outlook),
    };
    ring.records().map(of).collect()
}

/// The next change of each line's signing key.
pub(super) fn rotations(keys: &Keys, now: UnixTime) -> Vec<RotationStatus> {
    let outlook = keys.outlook(now);
    keys.kinds().lines().filter_map(|line| rotation(keys, &outlook, line)).collect()
}

fn rotation(keys: &Keys, outlook: &[Outlook], line: Line) -> Option<RotationStatus> {
    let ring = keys.ring();
    let active = |record: &&KeyRecord| record.line == line && record.state == KeyState::Active;
    let active = ring.records().find(active);
    // A key that waits without a time comes before one that is only to be made.
    let is_turn = |next: &&Outlook| {
        matches!(next.step, Step::Publish(_) | Step::Lapse(_) | Step::Activate(_))
    };
    let mut of_line = outlook.iter().filter(|next| next.line == line);
    let turn = of_line.clone().find(is_turn);
    let next = turn.or_else(|| of_line.find(|next| next.step == Step::Prepare(line)))?;
    Some(RotationStatus {
        line,
        algorithm: active.and_then(|record| record.public.alg),
        step: next.step.as_str(),
        key_id: next.step.key_id().cloned(),
        at: next.at,
        waits_for: next.waiting,
        signs_at: next_turn(keys, outlook, line),
        sign_until: active.and_then(|record| record.sign_until),
    })
}

/// When another key of a line is to sign; `None` while the next one waits for something without a time.
fn next_turn(keys: &Keys, outlook: &[Outlook], line: Line) -> Option<UnixTime> {
    let waits = |next: &Outlook| match next.step {
        Step::Publish(_) | Step::Lapse(_) => true,
        Step::Activate(_) => next.at.is_none(),
        _ => false,
    };
    let mut of_line = outlook.iter().filter(|next| next.line == line);
    if of_line.clone().any(waits) {
        return None;
    }
    let before_use = keys.schedule().publish_before_use();
    of_line.find(|next| matches!(next.step, Step::Activate(_))).map_or_else(
        || Some(step_at(outlook, &Step::Prepare(line))?.plus(before_use)),
        |next| next.at,
    )
}

fn step_at(outlook: &[Outlook], step: &Step) -> Option<UnixTime> {
    outlook.iter().find(|next| next.step == *step).and_then(|next| next.at)
}

/// Since when the key signs that came after this one.
fn successor_since<'a>(
    records: impl Iterator<Item = &'a KeyRecord>,
    key: &KeyRecord,
) -> Option<UnixTime> {
    let since = key.activated_at?;
    let of_line = records.filter(|other| other.line == key.line);
    of_line.filter_map(|other| other.activated_at).filter(|at| *at > since).min()
}

fn seen(publish: &PublishStatus, record: &KeyRecord) -> Option<bool> {
    let copy = publish.public_copy.as_ref()?;
    if copy.shows.contains(&record.key_id) {
        return Some(true);
    }
    copy.lacks.contains(&record.key_id).then_some(false)
}
