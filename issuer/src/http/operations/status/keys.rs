//! The keys as the page shows them: what has been, and what is to come.

use moneyer_authority::keys::{KeyRecord, KeyState, Keys, Outlook, Step, Waiting};
use moneyer_identity::{KeyId, UnixTime};
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

/// What the next change of the signing key is, and what it waits for.
#[derive(Debug, Serialize)]
pub(super) struct RotationStatus {
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
            KeyState::Active => next_turn(keys, &outlook),
            KeyState::Retiring | KeyState::Withdrawn => successor_since(ring.records(), record),
        },
        gone_at: match record.state {
            KeyState::Prepared => None,
            KeyState::Active => {
                let lingers = keys.schedule().lingers(record.times().longest_lifetime);
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

/// The next change of the signing key.
pub(super) fn rotation(keys: &Keys, now: UnixTime) -> Option<RotationStatus> {
    let outlook = keys.outlook(now);
    // A key that waits without a time comes before one that is only to be made.
    let is_turn = |next: &&Outlook| {
        matches!(next.step, Step::Publish(_) | Step::Lapse(_) | Step::Activate(_))
    };
    let turn = outlook.iter().find(is_turn);
    let next = turn.or_else(|| outlook.iter().find(|next| next.step == Step::Prepare))?;
    Some(RotationStatus {
        step: next.step.as_str(),
        key_id: next.step.key_id().cloned(),
        at: next.at,
        waits_for: next.waiting,
        signs_at: next_turn(keys, &outlook),
        sign_until: keys.ring().sign_until(),
    })
}

/// When another key is to sign; `None` while the next one waits for something without a time.
fn next_turn(keys: &Keys, outlook: &[Outlook]) -> Option<UnixTime> {
    let waits = |next: &Outlook| match next.step {
        Step::Publish(_) | Step::Lapse(_) => true,
        Step::Activate(_) => next.at.is_none(),
        _ => false,
    };
    if outlook.iter().any(waits) {
        return None;
    }
    let activation = outlook.iter().find(|next| matches!(next.step, Step::Activate(_)));
    activation.map_or_else(
        || Some(step_at(outlook, &Step::Prepare)?.plus(keys.schedule().publish_before_use())),
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
    records.filter_map(|other| other.activated_at).filter(|at| *at > since).min()
}

fn seen(publish: &PublishStatus, record: &KeyRecord) -> Option<bool> {
    let copy = publish.public_copy.as_ref()?;
    if copy.shows.contains(&record.key_id) {
        return Some(true);
    }
    copy.lacks.contains(&record.key_id).then_some(false)
}
