//! The tokens held for the sandboxes that are attached now.
//!
//! An entry belongs to a full fingerprint: sandbox, form, audiences in order, lifetime. So no token is
//! ever served for another audience, lifetime, form or sandbox than was asked for. At most one request
//! per fingerprint is under way, however many wait for it. A sandbox that is retired takes its
//! entries with it, and what lands for it afterwards reaches nobody. Plain state without `async`:
//! the caller locks it, reads the clock, and does the fetching.

mod agenda;
mod entry;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use moneyer_identity::{ErrorClass, IssueError, MintedToken, SandboxId};
use tokio::time::Instant;

use agenda::Agenda;
use entry::{Entry, Purpose};
pub(crate) use entry::{Flight, Held, Ticket, TokenState};

use super::fingerprint::Fingerprint;
use super::schedule::{REFUSED_PAUSE, Standing, catch_up_window, retry_pause};

/// Renewals due within this time go into one call, so that a batch is a batch: short beside any
/// token's life, long beside the gaps between the renewals of a busy host.
const COALESCE: Duration = Duration::from_millis(500);

/// No entry is renewed more often than this, whatever life the coordinator claims for a token.
const RENEW_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// How much is kept, and how it is renewed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheLimits {
    /// Most tokens kept for one sandbox beside those of its files.
    pub(crate) per_sandbox: usize,
    /// Most tokens kept on this host beside those of files.
    pub(crate) total: usize,
    /// Most requests of one sandbox under way at a time, so that one cannot use up what the
    /// coordinator allows the whole host.
    pub(crate) under_way: usize,
    /// Widest jitter of renewals.
    pub(crate) jitter: Duration,
}

/// What there is for a request.
#[derive(Debug)]
pub(crate) enum Look {
    /// A token, at once. `wake`: its renewal has just become due.
    Serve { held: Held, wake: bool },
    /// A token to wait for; with `begun`, one that the caller has to fetch. `fallback` is what is
    /// left of the old one.
    Wait { flight: Flight, begun: Option<Ticket>, fallback: Option<Held> },
    /// The sandbox is not attached.
    NotAttached,
    /// The sandbox has too many requests under way.
    Busy,
}

/// What a landed request means for the files that show its token.
#[derive(Debug)]
pub(crate) enum Landing {
    /// Write it.
    Write(Arc<MintedToken>),
    /// Remove them.
    Remove,
    /// Leave them as they are.
    Leave,
}

/// The cache. See the module.
#[derive(Debug)]
pub(crate) struct Cache {
    limits: CacheLimits,
    /// A random part of a duration, injected.
    random_part: fn(Duration) -> Duration,
    sandboxes: HashMap<SandboxId, HashMap<Fingerprint, Entry>>,
    agenda: Agenda,
    asked: usize,
    flights: u64,
    uses: u64,
    reissues: u64,
}

impl Cache {
    pub(crate) fn new(limits: CacheLimits, random_part: fn(Duration) -> Duration) -> Self {
        Self {
            limits,
            random_part,
            sandboxes: HashMap::new(),
            agenda: Agenda::default(),
            asked: 0,
            flights: 0,
            uses: 0,
            reissues: 0,
        }
    }

    /// Begins to hold tokens for a sandbox, or changes which ones its files show. Files without a
    /// token are due within `spread`, refused ones too: there is news of the sandbox.
    pub(crate) fn admit(
        &mut self,
        sandbox: &SandboxId,
        files: Vec<(Fingerprint, Option<Held>)>,
        now: Instant,
        spread: Duration,
    ) {
        let entries = self.sandboxes.entry(sandbox.clone()).or_default();
        for (request, entry) in entries.iter_mut() {
            if entry.purpose == Purpose::Files && !files.iter().any(|(file, _)| file == request) {
                entry.purpose = Purpose::Asked;
                self.asked += 1;
            }
        }
        for (request, held) in files {
            let entry =
                entries.entry(request.clone()).or_insert_with(|| Entry::new(Purpose::Files));
            if entry.purpose == Purpose::Asked {
                entry.purpose = Purpose::Files;
                entry.transient = false;
                self.asked -= 1;
            }
            if let Some(held) = held {
                entry.refused = false;
                entry.reissues = self.reissues;
                let due =
                    held.life.renewal((self.random_part)(held.life.jitter(self.limits.jitter)));
                entry.held = Some(held);
                self.agenda.set(&mut entry.slot, &request, due);
            } else if entry.flight.is_none() && (entry.held.is_none() || entry.refused) {
                let due = now + (self.random_part)(spread);
                self.agenda.set(&mut entry.slot, &request, due);
            }
        }
    }

    /// Replaces every token, those that files show within `spread`; until then, and while the
    /// coordinator is away, the one in hand is better than none.
    pub(crate) fn supersede(&mut self, now: Instant, spread: Duration) {
        self.reissues += 1;
        for (request, entry) in self.sandboxes.values_mut().flatten() {
            if entry.flight.is_none() {
                self.agenda.set(&mut entry.slot, request, now + (self.random_part)(spread));
            }
        }
    }

    /// Forgets a sandbox and all its tokens.
    pub(crate) fn retire(&mut self, sandbox: &SandboxId) {
        for mut entry in self.sandboxes.remove(sandbox).unwrap_or_default().into_values() {
            self.agenda.clear(&mut entry.slot);
            self.asked -= usize::from(entry.purpose == Purpose::Asked);
        }
    }

    /// What there is for `request`.
    pub(crate) fn look(&mut self, request: &Fingerprint, now: Instant) -> Look {
        let Some(entries) = self.sandboxes.get_mut(request.sandbox()) else {
            return Look::NotAttached;
        };
        self.uses += 1;
        if !entries.contains_key(request) {
            let under_way =
                |entry: &&Entry| entry.purpose == Purpose::Asked && entry.flight.is_some();
            if entries.values().filter(under_way).count() >= self.limits.under_way {
                return Look::Busy;
            }
            let transient = !self.make_room(request.sandbox());
            let mut entry = Entry::new(Purpose::Asked);
            entry.transient = transient;
            self.asked += 1;
            self.sandboxes
                .entry(request.sandbox().clone())
                .or_default()
                .insert(request.clone(), entry);
        }
        self.look_at_entry(request, now)
    }

    fn look_at_entry(&mut self, request: &Fingerprint, now: Instant) -> Look {
        let entries = self.sandboxes.get_mut(request.sandbox());
        let Some(entry) = entries.and_then(|entries| entries.get_mut(request)) else {
            return Look::NotAttached;
        };
        entry.used = true;
        entry.last_used = self.uses;
        let standing = entry.standing(now, self.reissues);
        if let (Some(held), Standing::Fresh | Standing::Ageing) = (entry.held.clone(), standing) {
            let asleep = entry.slot.due().is_none_or(|due| due > now) && entry.failures == 0;
            let wake = standing == Standing::Ageing && entry.flight.is_none() && asleep;
            if wake {
                self.agenda.set(&mut entry.slot, request, now);
            }
            return Look::Serve { held, wake };
        }
        let fallback = entry.held.clone();
        if let Some((_, flight)) = &entry.flight {
            return Look::Wait { flight: flight.clone(), begun: None, fallback };
        }
        self.agenda.clear(&mut entry.slot);
        self.flights += 1;
        let (ticket, flight) = entry.take_off(request.clone(), (self.flights, self.reissues));
        Look::Wait { flight, begun: Some(ticket), fallback }
    }

    /// Evicts the sandbox's own least recently used entry if a bound is reached, never another
    /// sandbox's; false if there is none to evict.
    fn make_room(&mut self, sandbox: &SandboxId) -> bool {
        let Some(entries) = self.sandboxes.get_mut(sandbox) else { return false };
        let own = entries.values().filter(|entry| entry.purpose == Purpose::Asked).count();
        if own < self.limits.per_sandbox && self.asked < self.limits.total {
            return true;
        }
        let idle = entries
            .iter()
            .filter(|(_, entry)| entry.purpose == Purpose::Asked && entry.flight.is_none())
            .min_by_key(|(_, entry)| entry.last_used)
            .map(|(request, _)| request.clone());
        let Some(mut evicted) = idle.and_then(|request| entries.remove(&request)) else {
            return false;
        };
        self.agenda.clear(&mut evicted.slot);
        self.asked -= 1;
        true
    }

    /// When [`Cache::take_due`] will next have something.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.agenda.first()
    }

    /// Up to `most` renewals that are due, marked as under way. What `is_void` is dropped instead: nobody
    /// will ask for it again, and what came of a renewal would be thrown away.
    pub(crate) fn take_due(
        &mut self,
        now: Instant,
        most: usize,
        is_void: impl Fn(&Fingerprint) -> bool,
    ) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        // Entries that are merely put off come back later than the limit, so this ends.
        while tickets.len() < most
            && let Some(request) = self.agenda.due_by(now + COALESCE).cloned()
        {
            let entries = self.sandboxes.get_mut(request.sandbox());
            let Some(entry) = entries.and_then(|entries| entries.get_mut(&request)) else {
                break;
            };
            if is_void(&request) {
                self.remove(&request);
                continue;
            }
            let wanted = entry.purpose == Purpose::Files || entry.used || entry.failures > 0;
            let end =
                entry.held.as_ref().map(|held| held.life.end()).filter(|end| *end > now + COALESCE);
            match (wanted, entry.purpose, end) {
                (true, Purpose::Files, _) | (true, Purpose::Asked, Some(_)) => {
                    self.agenda.clear(&mut entry.slot);
                    self.flights += 1;
                    tickets.push(entry.take_off(request, (self.flights, self.reissues)).0);
                }
                // Nobody asked since the last renewal: kept for what is left, then dropped.
                (false, _, Some(end)) => self.agenda.set(&mut entry.slot, &request, end),
                _ => self.remove(&request),
            }
        }
        tickets
    }

    fn remove(&mut self, request: &Fingerprint) {
        let entries = self.sandboxes.get_mut(request.sandbox());
        if let Some(mut entry) = entries.and_then(|entries| entries.remove(request)) {
            self.agenda.clear(&mut entry.slot);
            self.asked -= usize::from(entry.purpose == Purpose::Asked);
        }
    }

    /// Takes in what a request ended in, and tells everyone who waits for it.
    pub(crate) fn land(
        &mut self,
        ticket: Ticket,
        asked_at: Instant,
        result: Result<MintedToken, IssueError>,
        now: Instant,
    ) -> Landing {
        let Ticket { request, flight, reissues, sender } = ticket;
        let superseded = reissues != self.reissues;
        let entries = self.sandboxes.get_mut(request.sandbox());
        let entry = entries
            .and_then(|entries| entries.get_mut(&request))
            .filter(|entry| entry.flight.as_ref().is_some_and(|(id, _)| *id == flight));
        let Some(entry) = entry else {
            // The sandbox left meanwhile: a token minted for it reaches nobody.
            sender.send(Err(not_attached())).ok();
            return Landing::Leave;
        };
        entry.flight = None;
        let files = entry.purpose == Purpose::Files;
        let (outcome, landing, keep) = match result {
            Ok(minted) => {
                let held = Held::new(minted, asked_at);
                let (token, outcome) = (Arc::clone(&held.token), Ok(held.clone()));
                let jitter = (self.random_part)(held.life.jitter(self.limits.jitter));
                let renewal = held.life.renewal(jitter).max(now + RENEW_AT_MOST_EVERY);
                let due = if superseded { now } else { renewal };
                entry.reissues = reissues;
                entry.held = Some(held);
                (entry.used, entry.failures, entry.refused) = (false, 0, false);
                self.agenda.set(&mut entry.slot, &request, due);
                let landing = if files { Landing::Write(token) } else { Landing::Leave };
                (outcome, landing, !entry.transient)
            }
            Err(error) if is_refusal(error.class) => {
                entry.held = None;
                entry.refused = true;
                let due = now + self.put_off(REFUSED_PAUSE);
                self.reschedule(&request, due);
                (Err(error), if files { Landing::Remove } else { Landing::Leave }, files)
            }
            Err(error) => {
                entry.failures = entry.failures.saturating_add(1);
                let (failures, alive) = (entry.failures, entry.is_living(now));
                let due = now + self.put_off(retry_pause(failures));
                self.reschedule(&request, due);
                (Err(error), Landing::Leave, files || alive)
            }
        };
        if !keep {
            self.remove(&request);
        }
        sender.send(outcome).ok();
        landing
    }

    /// Schedules another attempt at a token that could not be put into its file.
    pub(crate) fn retry_file(&mut self, request: &Fingerprint, now: Instant) {
        let due = now + self.put_off(retry_pause(u32::MAX));
        self.reschedule(request, due);
    }

    /// Spreads the renewals that failed while the coordinator was away.
    pub(crate) fn catch_up(&mut self, now: Instant) {
        for (request, entry) in self.sandboxes.values_mut().flatten() {
            if entry.failures > 0 && entry.flight.is_none() {
                let life = entry.held.as_ref().map(|held| held.life);
                let window = catch_up_window(life, now, self.limits.jitter);
                self.agenda.set(&mut entry.slot, request, now + (self.random_part)(window));
                entry.failures = 1;
            }
        }
    }

    /// The states of the tokens that a sandbox's files show.
    pub(crate) fn states(
        &self,
        sandbox: &SandboxId,
        now: Instant,
    ) -> Vec<(Fingerprint, TokenState)> {
        let entries = self.sandboxes.get(sandbox).into_iter().flatten();
        entries
            .filter(|(_, entry)| entry.purpose == Purpose::Files)
            .map(|(request, entry)| (request.clone(), entry.state(now)))
            .collect()
    }

    /// The least life left of any file's token; zero where a file waits for one.
    pub(crate) fn least_life_of_files(&self, now: Instant) -> Option<Duration> {
        let files = self
            .sandboxes
            .values()
            .flatten()
            .filter(|(_, entry)| entry.purpose == Purpose::Files && !entry.refused);
        files
            .map(|(_, entry)| {
                entry.held.as_ref().map_or(Duration::ZERO, |held| held.life.remaining(now))
            })
            .min()
    }

    /// Half of `pause`, and a random part of the other half.
    fn put_off(&self, pause: Duration) -> Duration {
        pause / 2 + (self.random_part)(pause / 2)
    }

    fn reschedule(&mut self, request: &Fingerprint, due: Instant) {
        let entries = self.sandboxes.get_mut(request.sandbox());
        if let Some(entry) = entries.and_then(|entries| entries.get_mut(request)) {
            self.agenda.set(&mut entry.slot, request, due);
        }
    }
}

/// Whether an answer is a decision about the request, rather than a fault on the way to one. That
/// the coordinator does not accept this runner says nothing about the sandbox.
pub(crate) fn is_refusal(class: ErrorClass) -> bool {
    match class {
        ErrorClass::Invalid | ErrorClass::Denied | ErrorClass::NotFound => true,
        ErrorClass::Unauthenticated
        | ErrorClass::Conflict
        | ErrorClass::Exhausted
        | ErrorClass::Unavailable
        | ErrorClass::Internal => false,
    }
}

/// The answer for a sandbox that is not, or no longer, attached here.
pub(crate) fn not_attached() -> IssueError {
    IssueError::new(ErrorClass::NotFound, "the sandbox is not attached to this runner proxy")
}
