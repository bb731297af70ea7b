//! Refusals of callers that are known, few enough that no caller can fill the log.
//!
//! Of each caller the first [`EACH`] refusals in a minute are recorded one by one, at once. Those that
//! follow are counted by class, and the counts are recorded when the minute is over. So a hostile runner
//! has at most `EACH` records and one for each class in a minute, however much it asks. Workloads that log in are
//! counted by trust domain, since one of those can name as many as it likes. While the log
//! cannot be written everything is counted, and the counts wait for it.
//!
//! Nobody waits for these records: a refusal that is lost with a crash let no token out.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moneyer_identity::UnixTime;

use crate::audit::actor::Actor;
use crate::audit::event::AuditEvent;
use crate::audit::port::Audit;
use crate::audit::refused::{Refused, RefusedKind};

/// Refusals of one caller in a minute that are recorded one by one.
const EACH: u32 = 10;

/// How long refusals of one caller are counted together.
const WINDOW: Duration = Duration::from_secs(60);

/// What one caller was refused since its minute began.
#[derive(Debug)]
struct Window {
    began: UnixTime,
    recorded: u32,
    counted: BTreeMap<(RefusedKind, &'static str), u64>,
}

/// The refusals of every caller.
#[derive(Debug, Clone)]
pub(crate) struct Refusals {
    audit: Arc<dyn Audit>,
    /// One entry for each member, operator or trust domain that was refused something lately.
    windows: Arc<Mutex<HashMap<Actor, Window>>>,
}

impl Refusals {
    /// Recorded in this log.
    pub(crate) fn new(audit: Arc<dyn Audit>) -> Self {
        Self { audit, windows: Arc::default() }
    }

    /// Records or counts a refusal.
    pub(crate) fn note(
        &self,
        who: &Actor,
        refused: Refused,
        why: (&'static str, String),
        now: UnixTime,
    ) {
        self.note_together(who, who, refused, why, now);
    }

    /// The same of one of several callers that are counted together.
    pub(crate) fn note_together(
        &self,
        together: &Actor,
        who: &Actor,
        refused: Refused,
        (class, reason): (&'static str, String),
        now: UnixTime,
    ) {
        let mut windows = self.lock();
        if windows.get(together).is_some_and(|window| window.is_over(now)) {
            self.settle_one(&mut windows, together, now);
        }
        let window = windows.entry(together.clone()).or_insert_with(|| Window::began(now));
        let kind = refused.kind();
        if window.recorded < EACH {
            let event = AuditEvent::new(now, who.clone(), refused.event(class, reason, 1));
            if self.audit.record(vec![event]).is_ok() {
                window.recorded += 1;
                return;
            }
        }
        *window.counted.entry((kind, class)).or_default() += 1;
    }

    /// Records the counts of minutes that are over, or of all.
    pub(crate) fn settle(&self, now: UnixTime, all: bool) {
        let mut windows = self.lock();
        let over = |(_, window): &(&Actor, &Window)| all || window.is_over(now);
        let over: Vec<_> = windows.iter().filter(over).map(|(who, _)| who.clone()).collect();
        for who in over {
            self.settle_one(&mut windows, &who, now);
        }
    }

    /// Records a caller's counts and forgets it. What the log does not take is kept for the next time.
    fn settle_one(&self, windows: &mut HashMap<Actor, Window>, who: &Actor, now: UnixTime) {
        let Some(mut window) = windows.remove(who) else { return };
        let counted = std::mem::take(&mut window.counted);
        let event = |((kind, class), count): (&(RefusedKind, &'static str), &u64)| {
            let reason = format!("counted together: more than {EACH} refusals in a minute");
            AuditEvent::new(now, who.clone(), kind.unnamed().event(class, reason, *count))
        };
        let events: Vec<_> = counted.iter().map(event).collect();
        if !events.is_empty() && self.audit.record(events).is_err() {
            // It begins anew only once its counts are recorded.
            windows.insert(who.clone(), Window { counted, ..window });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Actor, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn began(now: UnixTime) -> Self {
        Self { began: now, recorded: 0, counted: BTreeMap::new() }
    }

    /// Also where the clock was set back: a minute must not last for ever.
    fn is_over(&self, now: UnixTime) -> bool {
        now < self.began || self.began.plus(WINDOW) <= now
    }
}
