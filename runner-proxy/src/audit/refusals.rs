//! Refusals of sandboxes, few enough that none can fill the log.
//!
//! Of one sandbox in a minute the first of each endpoint (or grant) and reason is recorded at once, up to [`EACH`] of a
//! kind; those that follow are counted with it, and the counts are recorded when the minute is over. What is past
//! [`EACH`] is counted by reason alone. So a hostile sandbox has a few dozen records in a minute, whatever it asks for:
//! hosts of its own choosing are never told apart. While the log cannot be written everything is counted, and the counts
//! wait for it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use moneyer_identity::{SandboxId, UnixTime};

use super::event::{Event, Forwarded, Record};

/// Endpoints and reasons of one sandbox that are told apart in a minute, of each kind.
const EACH: usize = 10;

/// How long refusals of one sandbox are counted together.
const WINDOW: Duration = Duration::from_secs(60);

/// Why, in words of which there are few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Word {
    /// The kind of failure, as in every record.
    pub(crate) class: &'static str,
    /// Which one.
    pub(crate) reason: &'static str,
}

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Tokens that were not obtained.
    Token,
    /// Requests that were refused.
    Request,
    /// Requests that passed and are written down.
    Audited,
}

impl Kind {
    /// Several of them, of which none is named.
    fn unnamed(self, Word { class, reason }: Word, count: u64) -> Event {
        let forwarded = Forwarded { destination: None, endpoint: None, class, reason, count };
        match self {
            Self::Token => Event::TokenNotGranted { asked: None, class, reason, count },
            Self::Request => Event::ForwardRefused(forwarded),
            Self::Audited => Event::ForwardAudited(forwarded),
        }
    }
}

/// What is told apart: of which endpoint or grant, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Refused {
    pub(super) kind: Kind,
    pub(super) of: String,
    pub(super) word: Word,
}

/// What one sandbox was refused since its minute began.
#[derive(Debug)]
struct Window {
    began: UnixTime,
    /// The first of each, and how many followed.
    named: BTreeMap<Refused, (Event, u64)>,
    rest: BTreeMap<(Kind, Word), u64>,
}

impl Window {
    fn began(now: UnixTime) -> Self {
        Self { began: now, named: BTreeMap::new(), rest: BTreeMap::new() }
    }

    /// Also where the clock was set back: a minute must not last for ever.
    fn is_over(&self, now: UnixTime) -> bool {
        now < self.began || self.began.plus(WINDOW) <= now
    }

    fn has_room(&self, kind: Kind) -> bool {
        self.named.keys().filter(|refused| refused.kind == kind).count() < EACH
    }

    fn counted(&self) -> Vec<Event> {
        let followed = self.named.values().filter(|(_, count)| *count > 0);
        let followed = followed.map(|(first, count)| first.clone().counted(*count));
        let rest = self.rest.iter().map(|((kind, word), count)| kind.unnamed(*word, *count));
        followed.chain(rest).collect()
    }
}

/// The refusals of every sandbox.
#[derive(Debug, Default)]
pub(super) struct Refusals(HashMap<SandboxId, Window>);

impl Refusals {
    /// Records or counts a refusal. `record` says whether the log took it.
    pub(super) fn note(
        &mut self,
        sandbox: &SandboxId,
        refused: Refused,
        first: impl FnOnce() -> Event,
        now: UnixTime,
        record: impl Fn(Vec<Record>) -> bool,
    ) {
        if self.0.get(sandbox).is_some_and(|window| window.is_over(now)) {
            self.settle_one(sandbox, now, &record);
        }
        let window = self.0.entry(sandbox.clone()).or_insert_with(|| Window::began(now));
        if let Some((_, followed)) = window.named.get_mut(&refused) {
            *followed += 1;
            return;
        }
        if window.has_room(refused.kind) {
            let event = first();
            if record(vec![Record::new(now, sandbox, event.clone())]) {
                window.named.insert(refused, (event, 0));
                return;
            }
        }
        *window.rest.entry((refused.kind, refused.word)).or_default() += 1;
    }

    /// Records the counts of minutes that are over, or of all.
    pub(super) fn settle(
        &mut self,
        now: UnixTime,
        all: bool,
        record: impl Fn(Vec<Record>) -> bool,
    ) {
        let over = |(_, window): &(&SandboxId, &Window)| all || window.is_over(now);
        let over: Vec<_> = self.0.iter().filter(over).map(|(sandbox, _)| sandbox.clone()).collect();
        for sandbox in over {
            self.settle_one(&sandbox, now, &record);
        }
    }

    /// Records a sandbox's counts and forgets it. What the log does not take is kept for the next time.
    fn settle_one(
        &mut self,
        sandbox: &SandboxId,
        now: UnixTime,
        record: &impl Fn(Vec<Record>) -> bool,
    ) {
        let Some(window) = self.0.remove(sandbox) else { return };
        let events = window.counted().into_iter();
        let records: Vec<_> = events.map(|event| Record::new(now, sandbox, event)).collect();
        if !records.is_empty() && !record(records) {
            self.0.insert(sandbox.clone(), window);
        }
    }
}
