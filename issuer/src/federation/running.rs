//! The tries under way, each known by its task: one that panics is over too, and is not forgotten.

use std::collections::HashMap;
use std::time::Duration;

use moneyer_identity::spiffe::TrustDomain;
use tokio::task::{Id, JoinSet};

use super::plan::Try;

/// Tries under way. Each ends with the time to wait until the next.
#[derive(Debug, Default)]
pub(super) struct Running {
    tasks: JoinSet<Duration>,
    tries: HashMap<Id, (TrustDomain, Try)>,
}

/// A try that is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Over {
    pub(super) trust_domain: TrustDomain,
    pub(super) which: Try,
    /// How long to wait; `None` where it panicked.
    pub(super) wait: Option<Duration>,
}

impl Running {
    /// Begins a try.
    pub(super) fn start(
        &mut self,
        trust_domain: TrustDomain,
        which: Try,
        attempt: impl Future<Output = Duration> + Send + 'static,
    ) {
        let id = self.tasks.spawn(attempt).id();
        self.tries.insert(id, (trust_domain, which));
    }

    /// The next one that is over; `None` while none is under way.
    pub(super) async fn next(&mut self) -> Option<Over> {
        let (id, wait) = match self.tasks.join_next_with_id().await? {
            Ok((id, wait)) => (id, Some(wait)),
            Err(error) => (error.id(), None),
        };
        let (trust_domain, which) = self.tries.remove(&id)?;
        Some(Over { trust_domain, which, wait })
    }
}

#[cfg(test)]
mod tests {
    use moneyer_authority::federation::{BundleUrl, EndpointProfile, Federation};
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::super::plan::Plan;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_panics_is_tried_again_and_whoever_waits_for_it_is_told() {
        let (mut plan, mut running, now) = (Plan::default(), Running::default(), Instant::now());
        let name = TrustDomain::parse("other.example").unwrap();
        let federation = Federation {
            trust_domain: name.clone(),
            url: BundleUrl::parse("https://other.example/").unwrap(),
            endpoint: EndpointProfile::HttpsWeb { roots: None },
        };
        plan.follow([federation].into_iter(), now);
        let (done, answer) = oneshot::channel();
        plan.ask(&name, done, now);
        assert_eq!(running.next().await, None);
        let wait = Duration::from_secs(300);
        let mut at = now;
        for panics in [true, false, true] {
            let (_, which) = plan.start(at).pop().unwrap();
            running.start(name.clone(), which, async move {
                assert!(!panics, "as the test asked");
                wait
            });
            let over = running.next().await.unwrap();
            let expected = (!panics).then_some(wait);
            assert_eq!((&over.trust_domain, over.which, over.wait), (&name, which, expected));
            at += wait;
            plan.finish(&name, which, at);
            assert!(plan.start(at - Duration::from_millis(1)).is_empty());
        }
        answer.await.unwrap();
        assert_eq!(plan.start(at).len(), 1);
    }
}
