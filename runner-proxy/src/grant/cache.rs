//! Tokens that are kept, and the one request that each costs.
//!
//! A token is kept for exactly one holder, revision of what the holder may do, and grant with everything that is asked
//! for in it: nothing of these is ever shared. However many ask for the same token, it is asked for once, and whoever
//! asked may go. It is renewed ahead of its end by whoever uses it then, is never given out past its end, and is dropped
//! once where an upstream refuses it. What was refused is not asked for again at once. The number of tokens is limited,
//! for one sandbox and in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use moneyer_daemon::oauth::Granted;
use moneyer_identity::SandboxId;
use moneyer_identity::grant::{BearerToken, Destination, TokenGrant};
use tokio::sync::watch;
use tokio::time::Instant;

use super::TokenSource;
use super::error::GrantError;
use super::obtain::Grantor;
use crate::audit::GrantAudit;
use crate::coordinator::Occupant;
use crate::metrics::{GrantOutcome, Metrics};
use crate::token::Timeline;

/// Most tokens kept for one sandbox. A sandbox that uses more has its least used ones asked for again.
const MAXIMUM_TOKENS_PER_SANDBOX: usize = 64;

/// Most tokens kept on this host: of 16 KiB at most, so 256 MiB where each is as long as can be.
const MAXIMUM_TOKENS: usize = 16 * 1024;

/// How long before its end a token is not given out any more: it has to arrive and to be read.
const SKEW: Duration = Duration::from_secs(30);

/// Shortest life that a token is kept for.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// How long a failure stands for whoever asks next.
const FAILURE_KEPT: Duration = Duration::from_secs(1);

/// How long a token that came after a refusal is kept though it is refused, too.
const REFUSAL_KEPT: Duration = Duration::from_secs(60);

/// Who holds a grant: a sandbox, and who its id stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Holder {
    pub(crate) sandbox: SandboxId,
    pub(crate) occupant: Occupant,
}

/// Everything that a token depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct GrantKey {
    pub(crate) holder: Holder,
    /// The revision of all that the holder may do.
    pub(crate) revision: String,
    pub(crate) grant: TokenGrant,
}

type Outcome = Result<Arc<BearerToken>, Arc<GrantError>>;
type Flight = watch::Receiver<Option<Outcome>>;

/// What is known of one key.
#[derive(Default)]
struct Entry {
    held: Option<Held>,
    flight: Option<Flight>,
    failed: Option<(Arc<GrantError>, Instant)>,
    /// When a token was dropped because an upstream refused it.
    refused_at: Option<Instant>,
    last_used: Option<Instant>,
}

#[derive(Clone)]
struct Held {
    token: Arc<BearerToken>,
    renew_at: Instant,
    ends_at: Instant,
}

/// What is to be done for whoever asks.
enum Look {
    Serve(Arc<BearerToken>),
    /// The same, and it is time to renew it.
    ServeAndFetch(Arc<BearerToken>, watch::Sender<Option<Outcome>>),
    Fail(Arc<GrantError>),
    Wait(Flight),
    Fetch(Flight, watch::Sender<Option<Outcome>>),
}

/// The cache. Clones share everything.
#[derive(Clone)]
pub(crate) struct TokenCache {
    shared: Arc<Shared>,
}

struct Shared {
    grantor: Grantor,
    audit: GrantAudit,
    entries: Mutex<HashMap<GrantKey, Entry>>,
    timeline: Timeline,
    metrics: Metrics,
}

impl TokenCache {
    /// A cache that holds nothing yet.
    pub(crate) fn new(
        grantor: Grantor,
        audit: GrantAudit,
        timeline: Timeline,
        metrics: Metrics,
    ) -> Self {
        let entries = Mutex::default();
        Self { shared: Arc::new(Shared { grantor, audit, entries, timeline, metrics }) }
    }

    /// Forgets every token of a sandbox.
    pub(crate) fn retire(&self, sandbox: &SandboxId) {
        self.entries().retain(|key, _| key.holder.sandbox != *sandbox);
    }

    fn look(&self, key: &GrantKey) -> Look {
        let now = self.shared.timeline.now();
        let mut entries = self.entries();
        if !entries.contains_key(key) {
            make_room(&mut entries, key, now);
        }
        let entry = entries.entry(key.clone()).or_default();
        entry.last_used = Some(now);
        let begin = |entry: &mut Entry| {
            let (told, flight) = watch::channel(None);
            entry.flight = Some(flight.clone());
            (flight, told)
        };
        // One whose task has gone without a word has nobody who lands it.
        let is_under_way =
            |flight: &Flight| flight.has_changed().is_ok() || flight.borrow().is_some();
        entry.flight = entry.flight.take().filter(is_under_way);
        match (entry.held.clone(), entry.flight.clone()) {
            (Some(held), flight) if now < held.ends_at => {
                let failed = entry.failed.as_ref().is_some_and(|(_, until)| now < *until);
                if now < held.renew_at || flight.is_some() || failed {
                    return Look::Serve(held.token);
                }
                Look::ServeAndFetch(held.token, begin(entry).1)
            }
            (_, Some(flight)) => Look::Wait(flight),
            (_, None) => match &entry.failed {
                Some((error, until)) if now < *until => Look::Fail(Arc::clone(error)),
                _ => {
                    let (flight, told) = begin(entry);
                    Look::Fetch(flight, told)
                }
            },
        }
    }

    /// Fetches in a task of its own: others may wait for the same token, and the next request will want it.
    fn fetch(&self, key: GrantKey, destination: Destination, told: watch::Sender<Option<Outcome>>) {
        let cache = self.clone();
        tokio::spawn(async move {
            let outcome = cache.shared.obtain(&key, &destination).await;
            let outcome = cache.land(&key, outcome);
            told.send_replace(Some(outcome));
        });
    }

    fn land(&self, key: &GrantKey, outcome: Result<Granted, GrantError>) -> Outcome {
        let now = self.shared.timeline.now();
        let provider = key.grant.provider.as_str();
        match &outcome {
            Ok(_) => self.shared.metrics.granted(provider, GrantOutcome::Granted),
            Err(error) => {
                self.shared.metrics.granted(provider, GrantOutcome::Failed);
                self.shared.audit.not_granted(key, error);
            }
        }
        record(key, &outcome);
        let mut entries = self.entries();
        // Retired meanwhile: whoever waits is told, and nothing is kept.
        let mut gone = Entry::default();
        let entry = entries.get_mut(key).unwrap_or(&mut gone);
        entry.flight = None;
        match outcome {
            Ok(granted) => {
                let held = Held::of(granted, key.grant.cache_ttl, now);
                let token = Arc::clone(&held.token);
                (entry.held, entry.failed) = (Some(held), None);
                Ok(token)
            }
            Err(error) => {
                let error = Arc::new(error);
                entry.failed = Some((Arc::clone(&error), now + FAILURE_KEPT));
                Err(error)
            }
        }
    }

    async fn wait(&self, mut flight: Flight) -> Outcome {
        let landed = flight.wait_for(Option::is_some).await;
        let landed = landed.ok().and_then(|outcome| outcome.clone());
        landed.unwrap_or_else(|| Err(Arc::new(GrantError::CutOff)))
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<GrantKey, Entry>> {
        // Whole after each use, so a panic elsewhere cannot have torn it.
        self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// A token that is recorded, or none.
    async fn obtain(
        &self,
        key: &GrantKey,
        destination: &Destination,
    ) -> Result<Granted, GrantError> {
        // Nobody is asked for what could not be used.
        self.audit.health().map_err(GrantError::Unrecorded)?;
        let granted = self.grantor.obtain(key).await?;
        let recorded = self.audit.granted(key, granted.life, destination).await;
        recorded.map_err(GrantError::Unrecorded)?;
        Ok(granted)
    }
}

#[async_trait]
impl TokenSource for TokenCache {
    async fn token(&self, key: GrantKey, destination: &Destination) -> Outcome {
        // Bound first: the lock must not live as long as the match.
        let look = self.look(&key);
        match look {
            Look::Serve(token) => Ok(token),
            Look::ServeAndFetch(token, told) => {
                self.fetch(key, destination.clone(), told);
                Ok(token)
            }
            Look::Fail(error) => Err(error),
            Look::Wait(flight) => self.wait(flight).await,
            Look::Fetch(flight, told) => {
                self.fetch(key, destination.clone(), told);
                self.wait(flight).await
            }
        }
    }

    fn refused(&self, key: &GrantKey, token: &BearerToken) {
        let now = self.shared.timeline.now();
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else { return };
        let is_held = entry.held.as_ref().is_some_and(|held| *held.token == *token);
        let again = entry.refused_at.is_some_and(|at| now < at + REFUSAL_KEPT);
        if is_held && !again {
            (entry.held, entry.refused_at) = (None, Some(now));
        }
    }
}

impl Held {
    fn of(granted: Granted, ttl: Option<Duration>, now: Instant) -> Self {
        let life = granted.life;
        let safe = life.saturating_sub(SKEW).max(SHORTEST_LIFE).min(life);
        let kept = ttl.filter(|ttl| !ttl.is_zero()).map_or(safe, |ttl| ttl.min(safe));
        let (renew_at, ends_at) = (now + kept.mul_f64(0.8), now + kept);
        Self { token: Arc::new(granted.token), renew_at, ends_at }
    }
}

/// Drops what the new key replaces, and where there is no room the entry not used for longest: of the same sandbox
/// where that has as many as it may, else of all. What is under way stays.
fn make_room(entries: &mut HashMap<GrantKey, Entry>, new: &GrantKey, now: Instant) {
    let is_of = |key: &GrantKey| key.holder.sandbox == new.holder.sandbox;
    let is_idle = |entry: &Entry| entry.flight.is_none();
    let is_old = |key: &GrantKey| key.revision != new.revision || key.holder != new.holder;
    entries.retain(|key, entry| !(is_of(key) && is_old(key) && is_idle(entry)));
    if entries.keys().filter(|key| is_of(key)).count() >= MAXIMUM_TOKENS_PER_SANDBOX {
        drop_least_used(entries, is_of);
    }
    if entries.len() >= MAXIMUM_TOKENS {
        let ended = |entry: &Entry| entry.held.as_ref().is_none_or(|held| held.ends_at <= now);
        entries.retain(|_, entry| !(is_idle(entry) && ended(entry)));
        if entries.len() >= MAXIMUM_TOKENS {
            drop_least_used(entries, |_| true);
        }
    }
}

fn drop_least_used(entries: &mut HashMap<GrantKey, Entry>, of: impl Fn(&GrantKey) -> bool) {
    let candidates = entries.iter().filter(|(key, entry)| of(key) && entry.flight.is_none());
    let least = candidates.min_by_key(|(_, entry)| entry.last_used).map(|(key, _)| key.clone());
    least.and_then(|key| entries.remove(&key));
}

/// Writes down that a token was asked for, with nothing of it.
fn record(key: &GrantKey, outcome: &Result<Granted, GrantError>) {
    let (sandbox, grant) = (&key.holder.sandbox, &key.grant);
    let audience = grant.audience.as_ref().map(moneyer_identity::Audience::as_str);
    match outcome {
        Ok(granted) => tracing::info!(
            sandbox.id = %sandbox, grant.provider = %grant.provider,
            grant.credential = %grant.credential, grant.kind = grant.kind.as_str(),
            grant.revision = key.revision, token.audience = audience,
            token.life_seconds = granted.life.as_secs(), "a token was granted"
        ),
        Err(error) => tracing::warn!(
            sandbox.id = %sandbox, grant.provider = %grant.provider,
            grant.credential = %grant.credential, grant.kind = grant.kind.as_str(),
            grant.revision = key.revision, token.audience = audience,
            error.class = error.class().as_str(), error.cause = crate::chain(error),
            "a token was not granted"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::sandbox;
    use crate::grant::tests::endpoint::World;
    use crate::grant::tests::key;

    fn held(life: u64, now: Instant) -> Held {
        let token = BearerToken::parse("a".to_owned()).unwrap();
        Held::of(Granted { token, life: Duration::from_secs(life), refresh_token: None }, None, now)
    }

    #[tokio::test]
    async fn one_whose_task_has_gone_without_a_word_is_asked_for_again() {
        let world = World::start().await;
        let key = world.key();
        let Look::Fetch(_, told) = world.cache.look(&key) else { panic!("it is not asked for") };
        assert!(matches!(world.cache.look(&key), Look::Wait(_)));
        drop(told);
        assert_eq!(world.token(&key).await.unwrap(), "token-1");
    }

    #[tokio::test]
    async fn the_last_half_minute_is_not_used_and_a_short_life_for_a_second() {
        let now = Instant::now();
        for (life, kept) in [(300, 270), (32, 2), (31, 1), (30, 1), (2, 1), (1, 1)] {
            assert_eq!(held(life, now).ends_at - now, Duration::from_secs(kept), "{life}");
        }
    }

    #[tokio::test]
    async fn a_host_has_16384_tokens_and_what_has_ended_or_is_least_used_makes_room() {
        let (now, first) = (Instant::now(), key("http://localhost:1/"));
        let of = |number: usize| {
            let mut key = first.clone();
            key.holder.sandbox = sandbox(&format!("s{number}"));
            key
        };
        let mut entries = HashMap::new();
        for number in 0..MAXIMUM_TOKENS {
            let used = now + Duration::from_millis(number as u64);
            let held = Some(held(300, now));
            entries.insert(of(number), Entry { held, last_used: Some(used), ..Entry::default() });
        }
        make_room(&mut entries, &of(MAXIMUM_TOKENS), now);
        assert_eq!(entries.len(), MAXIMUM_TOKENS - 1);
        assert!(!entries.contains_key(&of(0)) && entries.contains_key(&of(1)));
        make_room(&mut entries, &of(MAXIMUM_TOKENS), now);
        assert_eq!(entries.len(), MAXIMUM_TOKENS - 1, "there is room");
        entries.insert(of(0), Entry::default());
        make_room(&mut entries, &of(MAXIMUM_TOKENS), now + Duration::from_secs(300));
        assert_eq!(entries.len(), 0, "all have ended");
    }
}
