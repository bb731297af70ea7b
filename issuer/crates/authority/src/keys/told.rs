//! What the audit log is told of a change of the keys: the difference between two books, pure.
//!
//! Told by comparing records and not by naming steps, so that nothing changes a key's state without being
//! told, whichever way it is changed.

use moneyer_identity::{Algorithm, KeyId};

use crate::audit::Event;
use crate::keys::line::Line;
use crate::keys::record::{KeyRecord, KeyState, RingRecord};

/// Why a change is made, where it is no step of a key's usual life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The schedule, or an operator's command within it.
    Schedule,
    /// The cluster has no key yet.
    First,
    /// An operator takes keys out before their time.
    Emergency,
    /// Keys of another issuer's making are taken over.
    Import,
}

impl Why {
    /// Why a key may sign before it was published long enough.
    fn exception(self) -> Option<String> {
        match self {
            Self::Schedule => None,
            Self::First => Some("first key".to_owned()),
            Self::Emergency => Some("emergency".to_owned()),
            Self::Import => Some("relying parties know it".to_owned()),
        }
    }
}

/// What is told when the records become others. Empty: no key's state changes.
pub(super) fn told<'a>(
    before: &[KeyRecord],
    after: impl Iterator<Item = &'a KeyRecord>,
    why: Why,
) -> Vec<Event> {
    let (mut events, mut kept) = (Vec::new(), Vec::new());
    for key in after {
        kept.push(&key.key_id);
        let was = before.iter().find(|record| record.key_id == key.key_id);
        let (kid, alg) = (key.key_id.clone(), algorithm(key));
        let state = was.map(|record| record.state);
        if was.is_none() && why == Why::Import {
            events.push(Event::KeyImported { kid: kid.clone(), alg, signs: key.state.may_sign() });
        } else if was.is_none() {
            events.push(Event::KeyPrepared { kid: kid.clone(), alg });
        }
        events.extend(reached(key, kid, state, why));
    }
    let is_gone = |record: &&KeyRecord| !kept.contains(&&record.key_id);
    let gone = before.iter().filter(is_gone).map(|record| record.key_id.clone());
    events.extend(gone.map(|kid| Event::KeyPruned { kid }));
    events
}

/// That the next round of a line is asked for, where it was not.
pub(super) fn requested(before: Option<&RingRecord>, after: &RingRecord) -> Option<Event> {
    let is_new = |line| {
        let was = before.is_some_and(|ring| ring.is_requested(line));
        after.is_requested(line) && !was
    };
    Line::ALL.into_iter().any(is_new).then_some(Event::RotationRequested {})
}

/// What a key has come to.
fn reached(key: &KeyRecord, kid: KeyId, was: Option<KeyState>, why: Why) -> Option<Event> {
    if was == Some(key.state) {
        return None;
    }
    match key.state {
        KeyState::Active => {
            Some(Event::KeyActivated { kid, alg: algorithm(key), exception: why.exception() })
        }
        // One that is imported to verify alone never signed here.
        KeyState::Retiring if was.is_some() => {
            Some(Event::KeyRetired { kid, sign_until: key.sign_until })
        }
        KeyState::Withdrawn => {
            Some(Event::KeyWithdrawn { kid, reason: "an operator withdrew it".to_owned() })
        }
        KeyState::Prepared | KeyState::Retiring => None,
    }
}

/// A record without one is of a cluster's first days, when all keys were RSA.
fn algorithm(key: &KeyRecord) -> Algorithm {
    key.public.alg.unwrap_or(Algorithm::RS256)
}
