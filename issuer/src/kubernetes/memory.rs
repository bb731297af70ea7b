//! Answers that are kept for a moment, by the token's SHA-256 and the audience that was asked for.
//!
//! Good answers and refusals have places of their own, so that nobody who shows tokens of nobody pushes out those of
//! others. A refusal takes away at once every good answer about its token, and says nothing of another one, but in one
//! case: where it says that the pod is gone, and the token is known to be of that pod, every token of the pod is refused
//! from then on, also where the API server has not forgotten yet that it said yes: no pod comes back under its
//! uid. Known to be of it is a token that a key of its cluster has signed, or that was found good before: any other names
//! whatever pod it likes. What is older than it may be is never found. That a token is over is not known here:
//! whoever asks has looked at its `exp` before.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::exchange::{ReviewStatus, UnreviewedSubject, Weight};
use moneyer_identity::Audience;
use tokio::time::Instant;

/// Most good answers that are kept, and as many refusals: some 30 MiB with long names.
pub(super) const MAXIMUM_ANSWERS: usize = 16_384;

/// How long it is remembered that a pod is gone: longer than any answer, an API server's own among them.
const GONE: Duration = Duration::from_secs(120);

/// How long it is remembered that a token was found good, after which it is given as an answer no more: projected tokens
/// live so long unless they are asked for otherwise.
const FOUND_GOOD: Duration = Duration::from_secs(3600);

/// The SHA-256 of a token.
type Digest = [u8; 32];

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    token: Digest,
    audience: Audience,
    pod_uid: Option<Arc<str>>,
}

impl Key {
    /// Of a token that is to be asked about.
    pub(super) fn of(subject: &UnreviewedSubject) -> Self {
        Self {
            token: *subject.digest(),
            audience: subject.audience().clone(),
            pod_uid: subject.pod_uid().map(Arc::from),
        }
    }

    /// Whether both are about one token.
    pub(super) fn is_of_token(&self, other: &Self) -> bool {
        self.token == other.token
    }

    /// Whether both are about tokens that name one pod.
    pub(super) fn is_of_pod(&self, other: &Self) -> bool {
        self.pod_uid.is_some() && self.pod_uid == other.pod_uid
    }
}

/// How long answers are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeptFor {
    /// Good ones.
    pub(crate) good: Duration,
    /// Refusals.
    pub(crate) refused: Duration,
}

/// The answers of one API server.
#[derive(Debug)]
pub(super) struct Memory {
    kept_for: KeptFor,
    good: Shelf,
    refused: Shelf,
    /// By the uids of pods, each with what was said.
    gone: HashMap<Arc<str>, (Arc<ReviewStatus>, Instant)>,
}

impl Memory {
    pub(super) fn new(kept_for: KeptFor) -> Self {
        let (good, refused) = (Shelf::new(FOUND_GOOD), Shelf::new(Duration::ZERO));
        Self { kept_for, good, refused, gone: HashMap::new() }
    }

    /// What is known of it at this moment.
    pub(super) fn find(&self, key: &Key, now: Instant) -> Option<Arc<ReviewStatus>> {
        let gone = key.pod_uid.as_ref().and_then(|pod_uid| self.gone.get(pod_uid));
        if let Some((status, until)) = gone
            && now < *until
        {
            return Some(Arc::clone(status));
        }
        self.good.find(key, now).or_else(|| self.refused.find(key, now))
    }

    /// Keeps an answer of this weight, if it is one that may be given again. Whether tokens of its pod are refused from
    /// now on.
    pub(super) fn keep(
        &mut self,
        key: Key,
        status: &Arc<ReviewStatus>,
        weight: Weight,
        now: Instant,
    ) -> bool {
        if weight == Weight::Confirmed {
            self.refused.remove(&key);
            self.good.put(key, status, now + self.kept_for.good, now);
            return false;
        }
        let gone = match weight {
            Weight::PodGone { signed } if signed || self.good.holds(&key, now) => {
                key.pod_uid.clone()
            }
            _ => None,
        };
        self.good.kept.remove(&key.token);
        if let Some(pod_uid) = &gone {
            self.is_gone(pod_uid, status, now);
        }
        if weight != Weight::Unsure {
            self.refused.put(key, status, now + self.kept_for.refused, now);
        }
        gone.is_some()
    }

    fn is_gone(&mut self, pod_uid: &Arc<str>, status: &Arc<ReviewStatus>, now: Instant) {
        self.good.remove_pod(pod_uid);
        if self.gone.len() >= MAXIMUM_ANSWERS {
            self.gone.retain(|_, (_, until)| now < *until);
        }
        if self.gone.len() < MAXIMUM_ANSWERS {
            self.gone.insert(Arc::clone(pod_uid), (Arc::clone(status), now + GONE));
        }
    }
}

/// An answer, and until when it may be given.
#[derive(Debug)]
struct Known {
    key: Key,
    status: Arc<ReviewStatus>,
    until: Instant,
}

/// Answers of one kind. All are kept equally long, so the first to come is the first to go.
#[derive(Debug)]
struct Shelf {
    most: usize,
    /// How long an answer is known after its time.
    lingers: Duration,
    kept: HashMap<Digest, Vec<Known>>,
    order: VecDeque<(Key, Instant)>,
}

impl Shelf {
    fn new(lingers: Duration) -> Self {
        Self { most: MAXIMUM_ANSWERS, lingers, kept: HashMap::new(), order: VecDeque::new() }
    }

    /// Whether there is one about this token and its pod, for whatever audience, that may be known still.
    fn holds(&self, key: &Key, now: Instant) -> bool {
        let about =
            |known: &Known| known.key.pod_uid == key.pod_uid && now < known.until + self.lingers;
        self.kept.get(&key.token).is_some_and(|several| several.iter().any(about))
    }

    fn find(&self, key: &Key, now: Instant) -> Option<Arc<ReviewStatus>> {
        let known = self.kept.get(&key.token)?.iter().find(|known| known.key == *key)?;
        (now < known.until).then(|| Arc::clone(&known.status))
    }

    fn put(&mut self, key: Key, status: &Arc<ReviewStatus>, until: Instant, now: Instant) {
        self.remove(&key);
        while let Some((oldest, its_until)) = self.order.front()
            && (*its_until + self.lingers <= now || self.order.len() >= self.most)
        {
            let (oldest, its_until) = (oldest.clone(), *its_until);
            self.order.pop_front();
            // It may have been kept anew since, and then stands at the end too.
            if self.until(&oldest) == Some(its_until) {
                self.remove(&oldest);
            }
        }
        self.order.push_back((key.clone(), until));
        let known = Known { key, status: Arc::clone(status), until };
        self.kept.entry(known.key.token).or_default().push(known);
    }

    fn until(&self, key: &Key) -> Option<Instant> {
        let known = self.kept.get(&key.token)?.iter().find(|known| known.key == *key)?;
        Some(known.until)
    }

    fn remove(&mut self, key: &Key) {
        if let Some(several) = self.kept.get_mut(&key.token) {
            several.retain(|known| known.key != *key);
            if several.is_empty() {
                self.kept.remove(&key.token);
            }
        }
    }

    fn remove_pod(&mut self, pod_uid: &Arc<str>) {
        self.kept.retain(|_, several| {
            several.retain(|known| known.key.pod_uid.as_ref() != Some(pod_uid));
            !several.is_empty()
        });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const KEPT_FOR: KeptFor =
        KeptFor { good: Duration::from_secs(10), refused: Duration::from_secs(5) };

    pub(in crate::kubernetes) fn key(token: u16, audience: &str, pod: &str) -> Key {
        let mut digest = [0; 32];
        digest[..2].copy_from_slice(&token.to_be_bytes());
        let audience = Audience::parse(audience).unwrap();
        Key { token: digest, audience, pod_uid: Some(pod.into()) }
    }

    const GONE_SIGNED: Weight = Weight::PodGone { signed: true };

    fn good() -> Arc<ReviewStatus> {
        Arc::new(ReviewStatus { authenticated: true, ..ReviewStatus::default() })
    }

    fn refused(error: &str) -> Arc<ReviewStatus> {
        Arc::new(ReviewStatus { error: error.to_owned(), ..ReviewStatus::default() })
    }

    #[test]
    fn an_answer_is_found_until_its_time_is_over_and_for_its_audience_alone() {
        let (mut memory, now) = (Memory::new(KEPT_FOR), Instant::now());
        let moment = Duration::from_millis(1);
        memory.keep(key(1, "a", "p"), &good(), Weight::Confirmed, now);
        memory.keep(key(2, "a", "p"), &refused("invalid bearer token"), Weight::Refused, now);
        assert!(memory.find(&key(1, "a", "p"), now + KEPT_FOR.good - moment).is_some());
        assert!(memory.find(&key(1, "a", "p"), now + KEPT_FOR.good).is_none());
        assert!(memory.find(&key(2, "a", "p"), now + KEPT_FOR.refused - moment).is_some());
        assert!(memory.find(&key(2, "a", "p"), now + KEPT_FOR.refused).is_none());
        assert!(memory.find(&key(1, "b", "p"), now).is_none());
        assert!(memory.find(&key(3, "a", "p"), now).is_none());
    }

    #[test]
    fn a_refusal_takes_away_every_good_answer_about_its_token() {
        let (mut memory, now) = (Memory::new(KEPT_FOR), Instant::now());
        memory.keep(key(1, "a", "p"), &good(), Weight::Confirmed, now);
        memory.keep(key(1, "b", "p"), &good(), Weight::Confirmed, now);
        memory.keep(key(2, "a", "p"), &good(), Weight::Confirmed, now);
        memory.keep(key(1, "a", "p"), &refused("invalid bearer token"), Weight::Refused, now);
        assert!(!memory.find(&key(1, "a", "p"), now).unwrap().authenticated);
        assert!(memory.find(&key(1, "b", "p"), now).is_none());
        assert!(memory.find(&key(2, "a", "p"), now).is_some(), "another token of that pod");
        memory.keep(key(1, "a", "p"), &good(), Weight::Confirmed, now);
        assert!(memory.find(&key(1, "a", "p"), now).unwrap().authenticated);
    }

    #[test]
    fn that_a_pod_is_gone_is_a_refusal_of_all_its_tokens_whatever_is_said_of_them_later() {
        for gone in ["Token has been invalidated", "pods \"p\" not found"] {
            let (mut memory, now) = (Memory::new(KEPT_FOR), Instant::now());
            memory.keep(key(1, "a", "p"), &good(), Weight::Confirmed, now);
            memory.keep(key(2, "a", "other"), &good(), Weight::Confirmed, now);
            memory.keep(key(3, "a", "p"), &refused(gone), GONE_SIGNED, now);
            assert!(!memory.find(&key(1, "a", "p"), now).unwrap().authenticated, "{gone}");
            assert!(memory.find(&key(2, "a", "other"), now).unwrap().authenticated, "{gone}");
            memory.keep(key(4, "a", "p"), &good(), Weight::Confirmed, now);
            let last = now + GONE - Duration::from_millis(1);
            assert!(!memory.find(&key(4, "a", "p"), last).unwrap().authenticated, "{gone}");
            assert!(memory.find(&key(5, "a", "p"), now + GONE).is_none(), "{gone}");
        }
    }

    #[test]
    fn a_token_that_nothing_proves_takes_nothing_from_another_that_names_its_pod() {
        let (mut memory, now) = (Memory::new(KEPT_FOR), Instant::now());
        let (unsigned, gone) = (Weight::PodGone { signed: false }, refused("pods \"p\" not found"));
        memory.keep(key(1, "a", "p"), &good(), Weight::Confirmed, now);
        assert!(!memory.keep(key(2, "a", "p"), &gone, unsigned, now));
        assert!(!memory.find(&key(2, "a", "p"), now).unwrap().authenticated, "its own refusal");
        assert!(memory.find(&key(2, "a", "p"), now + KEPT_FOR.refused).is_none(), "for its time");
        assert!(memory.find(&key(1, "a", "p"), now).unwrap().authenticated);
        for weight in [Weight::Refused, Weight::Unsure, Weight::Differs] {
            assert!(!memory.keep(key(3, "a", "p"), &gone, weight, now));
            assert!(memory.find(&key(1, "a", "p"), now).unwrap().authenticated, "{weight:?}");
        }
        // One that was found good is of its pod, though its time is over.
        memory.keep(key(4, "a", "p"), &good(), Weight::Confirmed, now);
        let later = now + FOUND_GOOD;
        memory.keep(key(5, "a", "p"), &good(), Weight::Confirmed, later);
        assert!(memory.find(&key(4, "a", "p"), later).is_none());
        assert!(memory.keep(key(4, "a", "p"), &gone, unsigned, later), "and so it is heard");
        assert!(!memory.find(&key(5, "a", "p"), later).unwrap().authenticated);
    }

    #[test]
    fn that_a_token_was_found_good_is_known_for_an_hour() {
        let (unsigned, gone) = (Weight::PodGone { signed: false }, refused("pods \"p\" not found"));
        let heard = |after: Duration| {
            let (mut memory, now) = (Memory::new(KEPT_FOR), Instant::now());
            memory.keep(key(1, "a", "p"), &good(), Weight::Confirmed, now);
            memory.keep(key(1, "a", "p"), &gone, unsigned, now + after)
        };
        let last = KEPT_FOR.good + FOUND_GOOD;
        assert!(heard(last.saturating_sub(Duration::from_millis(1))));
        assert!(!heard(last));
    }

    #[test]
    fn a_token_that_was_found_good_of_one_pod_is_not_heard_of_another() {
        let (mut memory, now) = (Memory::new(KEPT_FOR), Instant::now());
        memory.keep(key(1, "a", "p"), &good(), Weight::Confirmed, now);
        memory.keep(key(2, "a", "other"), &good(), Weight::Confirmed, now);
        let unsigned = Weight::PodGone { signed: false };
        assert!(!memory.keep(key(2, "a", "p"), &refused("x"), unsigned, now));
        assert!(memory.find(&key(1, "a", "p"), now).unwrap().authenticated);
    }

    #[test]
    fn a_refusal_that_may_be_a_failure_is_not_kept() {
        let (mut memory, now) = (Memory::new(KEPT_FOR), Instant::now());
        memory.keep(key(1, "a", "p"), &good(), Weight::Confirmed, now);
        memory.keep(
            key(1, "a", "p"),
            &refused("etcdserver: request timed out"),
            Weight::Unsure,
            now,
        );
        assert!(memory.find(&key(1, "a", "p"), now).is_none());
    }

    #[test]
    fn as_many_pods_are_remembered_as_gone_as_may_be() {
        let (mut memory, now) = (Memory::new(KEPT_FOR), Instant::now());
        let gone = refused("Token has been invalidated");
        for pod in 0..=u16::try_from(MAXIMUM_ANSWERS).unwrap() {
            memory.keep(key(pod, "a", &format!("p{pod}")), &gone, GONE_SIGNED, now);
        }
        assert_eq!(memory.gone.len(), MAXIMUM_ANSWERS);
        memory.keep(key(0, "a", "another"), &gone, GONE_SIGNED, now + GONE);
        assert_eq!(memory.gone.len(), 1, "those that are over make room");
    }

    #[test]
    fn as_many_are_kept_as_may_be_and_refusals_push_out_no_good_answer() {
        let (mut memory, now) = (Memory::new(KEPT_FOR), Instant::now());
        memory.keep(key(0, "good", "p"), &good(), Weight::Confirmed, now);
        for token in 0..=u16::try_from(MAXIMUM_ANSWERS).unwrap() {
            memory.keep(
                key(token, "a", "p"),
                &refused("invalid bearer token"),
                Weight::Refused,
                now,
            );
        }
        assert_eq!(memory.refused.kept.len(), MAXIMUM_ANSWERS);
        assert!(memory.find(&key(0, "a", "p"), now).is_none(), "the oldest");
        assert!(memory.find(&key(1, "a", "p"), now).is_some());
        assert!(memory.find(&key(0, "good", "p"), now).is_none(), "its token was refused");
        memory.keep(key(0, "good", "p"), &good(), Weight::Confirmed, now);
        assert!(memory.find(&key(0, "good", "p"), now).is_some());
        let later = now + KEPT_FOR.refused;
        memory.keep(key(1, "a", "p"), &refused("invalid bearer token"), Weight::Refused, later);
        assert_eq!((memory.refused.kept.len(), memory.refused.order.len()), (1, 1));
    }
}
