//! What the audit log is told of a change of the authorities: the difference between two books, pure.

use moneyer_identity::KeyId;

use crate::audit::Event;
use crate::keys::KeyState;
use crate::svid::record::{X509AuthorityRecord, X509RingRecord};

/// Why an authority signs before it was in the bundle long enough, where it does.
pub(super) type Exception = Option<&'static str>;

/// What is told when the records become others. Empty: no authority's state changes.
pub(super) fn told<'a>(
    before: &[X509AuthorityRecord],
    after: impl Iterator<Item = &'a X509AuthorityRecord>,
    exception: Exception,
) -> Vec<Event> {
    let (mut events, mut kept) = (Vec::new(), Vec::new());
    for key in after {
        kept.push(&key.key_id);
        let was = before.iter().find(|record| record.key_id == key.key_id);
        if was.is_none() {
            let (kid, not_after) = (key.key_id.clone(), key.not_after);
            events.push(Event::X509AuthorityPrepared { kid, not_after });
        }
        events.extend(reached(key, was.map(|record| record.state), exception));
    }
    let gone = before.iter().filter(|record| !kept.contains(&&record.key_id));
    let pruned = |record: &X509AuthorityRecord| record.key_id.clone();
    events.extend(gone.map(pruned).map(|kid: KeyId| Event::X509AuthorityPruned { kid }));
    events
}

/// That the next round is asked for, where it was not.
pub(super) fn requested(before: Option<&X509RingRecord>, after: &X509RingRecord) -> Option<Event> {
    let was = before.is_some_and(|ring| ring.requested_at.is_some());
    (after.requested_at.is_some() && !was).then_some(Event::X509RotationRequested {})
}

/// What an authority has come to.
fn reached(
    key: &X509AuthorityRecord,
    was: Option<KeyState>,
    exception: Exception,
) -> Option<Event> {
    if was == Some(key.state) {
        return None;
    }
    let kid = key.key_id.clone();
    match key.state {
        KeyState::Active => {
            let exception = exception.map(ToOwned::to_owned);
            Some(Event::X509AuthorityActivated { kid, exception })
        }
        KeyState::Retiring => Some(Event::X509AuthorityRetired { kid, sign_until: key.sign_until }),
        KeyState::Withdrawn => {
            let reason = "an operator withdrew it".to_owned();
            Some(Event::X509AuthorityWithdrawn { kid, reason })
        }
        KeyState::Prepared => None,
    }
}
