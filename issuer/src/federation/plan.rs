//! Which bundle is fetched when, and who waits for it.

use std::collections::BTreeMap;

use moneyer_authority::federation::Federation;
use moneyer_identity::spiffe::TrustDomain;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Which try: one of a federation that was changed meanwhile is not taken for one of what it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Try(u64);

/// When each is due.
#[derive(Debug, Default)]
pub(super) struct Plan {
    entries: BTreeMap<TrustDomain, Entry>,
    tries: u64,
}

#[derive(Debug)]
struct Entry {
    federation: Federation,
    state: State,
    waiting: Vec<oneshot::Sender<()>>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Due(Instant),
    Running(Try),
}

impl Plan {
    /// Takes over what there is now. What is new, or is another, is due at once.
    pub(super) fn follow(&mut self, federations: impl Iterator<Item = Federation>, now: Instant) {
        let mut before = std::mem::take(&mut self.entries);
        for federation in federations {
            let name = federation.trust_domain.clone();
            let entry = match before.remove(&name) {
                Some(entry) if entry.federation == federation => entry,
                other => {
                    let waiting = other.map(|entry| entry.waiting).unwrap_or_default();
                    Entry { federation, state: State::Due(now), waiting }
                }
            };
            self.entries.insert(name, entry);
        }
    }

    /// Makes it due at once, and lets somebody wait for what comes of it. Nobody waits for one that is not
    /// there.
    pub(super) fn ask(&mut self, name: &TrustDomain, done: oneshot::Sender<()>, now: Instant) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.waiting.push(done);
            if let State::Due(at) = &mut entry.state {
                *at = now;
            }
        }
    }

    /// Everything that is due, which runs from now on.
    pub(super) fn start(&mut self, now: Instant) -> Vec<(Federation, Try)> {
        let mut started = Vec::new();
        for entry in self.entries.values_mut() {
            if matches!(entry.state, State::Due(at) if at <= now) {
                self.tries = self.tries.wrapping_add(1);
                entry.state = State::Running(Try(self.tries));
                started.push((entry.federation.clone(), Try(self.tries)));
            }
        }
        started
    }

    /// A try is over.
    pub(super) fn finish(&mut self, name: &TrustDomain, which: Try, next: Instant) {
        let entry = self.entries.get_mut(name);
        if let Some(entry) = entry.filter(|entry| entry.state == State::Running(which)) {
            entry.state = State::Due(next);
            // Whoever waited and went away is told nothing.
            for done in entry.waiting.drain(..) {
                done.send(()).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use moneyer_authority::federation::{BundleUrl, EndpointProfile};

    use super::*;

    fn federation(url: &str) -> Federation {
        Federation {
            trust_domain: TrustDomain::parse("other.example").unwrap(),
            url: BundleUrl::parse(url).unwrap(),
            endpoint: EndpointProfile::HttpsWeb { roots: None },
        }
    }

    #[tokio::test(start_paused = true)]
    async fn f8_each_is_fetched_at_once_and_again_when_it_is_due() {
        let (mut plan, now) = (Plan::default(), Instant::now());
        let one = federation("https://one.example/");
        let name = one.trust_domain.clone();
        plan.follow([one.clone()].into_iter(), now);
        let (_, first) = plan.start(now).pop().unwrap();
        assert!(plan.start(now).is_empty(), "it runs");
        let later = now + Duration::from_secs(300);
        plan.finish(&name, first, later);
        assert!(plan.start(later - Duration::from_millis(1)).is_empty());
        // To hear the same again changes nothing.
        plan.follow([one.clone()].into_iter(), now);
        assert!(plan.start(now).is_empty());
        assert_eq!(plan.start(later).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_of_what_was_there_before_answers_nobody() {
        let (mut plan, now) = (Plan::default(), Instant::now());
        let name = federation("https://one.example/").trust_domain;
        plan.follow([federation("https://one.example/")].into_iter(), now);
        let (_, old) = plan.start(now).pop().unwrap();
        let (done, mut answer) = oneshot::channel();
        plan.ask(&name, done, now);
        plan.follow([federation("https://two.example/")].into_iter(), now);
        plan.finish(&name, old, now + Duration::from_secs(300));
        assert!(answer.try_recv().is_err());
        let (started, new) = plan.start(now).pop().unwrap();
        assert_eq!(started, federation("https://two.example/"));
        plan.finish(&name, new, now + Duration::from_secs(300));
        assert!(answer.try_recv().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn f9_one_that_is_removed_is_not_fetched_again_and_nobody_waits_for_it() {
        let (mut plan, now) = (Plan::default(), Instant::now());
        let one = federation("https://one.example/");
        plan.follow([one.clone()].into_iter(), now);
        let (_, running) = plan.start(now).pop().unwrap();
        let (done, answer) = oneshot::channel();
        plan.ask(&one.trust_domain, done, now);
        plan.follow(std::iter::empty(), now);
        assert!(answer.await.is_err());
        plan.finish(&one.trust_domain, running, now);
        assert!(plan.start(now + Duration::from_secs(3600)).is_empty());
        let (done, answer) = oneshot::channel();
        plan.ask(&one.trust_domain, done, now);
        assert!(answer.await.is_err());
    }
}
