//! How it stands with a signer elsewhere: since when it is away, and when it is asked again.
//!
//! Where it is away, whoever wants a signature is told so at once instead of waiting for the same answer; one
//! call in a while asks whether it is back. It comes back by itself.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moneyer_authority::signer::{Dependency, Fault, SignerError};
use moneyer_identity::{Clock, error_chain};
use tokio::time::Instant;

/// How long nobody asks after a failure: a caller may have to wait this long once it is back.
pub(crate) const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How it stands with one signer.
#[derive(Debug)]
pub(crate) struct Standing {
    name: &'static str,
    clock: Arc<dyn Clock>,
    known: Mutex<Option<Away>>,
}

#[derive(Debug)]
struct Away {
    fault: Fault,
    ask_at: Instant,
}

impl Standing {
    pub(crate) fn new(name: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self { name, clock, known: Mutex::new(None) }
    }

    /// Lets a call begin; while the signer is away, one in a while.
    pub(crate) fn admit(&self) -> Result<(), SignerError> {
        let mut known = self.lock();
        let Some(away) = &mut *known else { return Ok(()) };
        let now = Instant::now();
        if now < away.ask_at {
            return Err(SignerError::Unavailable(away.fault.problem.clone().into()));
        }
        away.ask_at = now + ASK_AGAIN_AFTER;
        Ok(())
    }

    /// It answered.
    pub(crate) fn works(&self) {
        if self.lock().take().is_some() {
            tracing::info!(signer = self.name, "the signer is back");
        }
    }

    /// It did not answer, or not as it has to.
    pub(crate) fn fails(&self, error: &(dyn Error + 'static)) {
        let problem = error_chain(error);
        let ask_at = Instant::now() + ASK_AGAIN_AFTER;
        let mut known = self.lock();
        let since = known.as_ref().map(|away| away.fault.since);
        if since.is_none() {
            tracing::error!(
                signer = self.name,
                error.cause = problem,
                "the signer is away; nothing is signed with its keys until it is back"
            );
        }
        let since = since.unwrap_or_else(|| self.clock.now());
        *known = Some(Away { fault: Fault { since, problem }, ask_at });
    }

    /// As it is told to operators.
    pub(crate) fn dependency(&self) -> Dependency {
        let fault = self.lock().as_ref().map(|away| away.fault.clone());
        Dependency { name: self.name, fault }
    }

    /// The same of one key, which something may be wrong with where the signer works.
    pub(crate) fn dependency_of(&self, key: &KeyStanding) -> Dependency {
        let dependency = self.dependency();
        Dependency { fault: dependency.fault.or_else(|| key.lock().clone()), ..dependency }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Away>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is wrong with one key alone.
#[derive(Debug, Default)]
pub(crate) struct KeyStanding(Mutex<Option<Fault>>);

impl KeyStanding {
    /// Whether anything is wrong with it.
    pub(crate) fn is_faulty(&self) -> bool {
        self.lock().is_some()
    }

    /// Notes what is wrong with it; `None`: nothing any more.
    pub(crate) fn note(&self, signer: &Standing, problem: Option<String>) {
        let mut fault = self.lock();
        match (problem, &mut *fault) {
            (Some(problem), Some(fault)) => fault.problem = problem,
            (Some(problem), None) => *fault = Some(Fault { since: signer.clock.now(), problem }),
            (None, _) => *fault = None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use moneyer_testkit::{ManualClock, START};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_call_in_a_while_asks_whether_it_is_back() {
        let clock = ManualClock::default();
        let standing = Standing::new("vault", Arc::new(clock.clone()));
        standing.admit().unwrap();
        standing.fails(&std::io::Error::other("no route"));
        assert!(matches!(standing.admit(), Err(SignerError::Unavailable(_))));
        clock.advance(Duration::from_secs(60));
        tokio::time::advance(ASK_AGAIN_AFTER).await;
        standing.admit().unwrap();
        assert!(standing.admit().is_err(), "one asks for all");
        standing.fails(&std::io::Error::other("still no route"));
        let fault = standing.dependency().fault.unwrap();
        assert_eq!((fault.since, fault.problem.as_str()), (START, "still no route"));
        standing.works();
        standing.admit().unwrap();
        assert_eq!(standing.dependency().fault, None);
    }
}
