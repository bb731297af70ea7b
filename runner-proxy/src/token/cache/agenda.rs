//! What is due when: requests ordered by instant, each at most once.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::token::fingerprint::Fingerprint;

/// The place of one request in the agenda, kept by whoever put it there.
#[derive(Debug, Default)]
pub(super) struct Slot(Option<(Instant, u64)>);

impl Slot {
    /// When the request is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.map(|(at, _)| at)
    }
}

/// Requests by the instant they are due. The number keeps equal instants apart.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    due: BTreeMap<(Instant, u64), Fingerprint>,
    next: u64,
}

impl Agenda {
    /// Moves the request of `slot` to `at`.
    pub(super) fn set(&mut self, slot: &mut Slot, request: &Fingerprint, at: Instant) {
        self.clear(slot);
        let key = (at, self.next);
        self.next += 1;
        self.due.insert(key, request.clone());
        slot.0 = Some(key);
    }

    /// Takes the request of `slot` off.
    pub(super) fn clear(&mut self, slot: &mut Slot) {
        if let Some(key) = slot.0.take() {
            self.due.remove(&key);
        }
    }

    /// When the first request is due.
    pub(super) fn first(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The first request, if it is due by `limit`. It stays on until its slot is moved or cleared.
    pub(super) fn due_by(&self, limit: Instant) -> Option<&Fingerprint> {
        self.due.first_key_value().filter(|((at, _), _)| *at <= limit).map(|(_, request)| request)
    }
}
