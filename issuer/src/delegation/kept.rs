//! Answers that are kept for a while, and the questions that are being asked.
//!
//! However many ask the same, it is asked once, in a task of its own. Whoever asks may go, and who waits for longer than
//! it may is told so: the answer is there for the next. How many there may be of each, and of whom, is said by
//! [`Entries`], which are whole whenever they can be looked at. No timer runs: an answer that has ended is given to nobody,
//! and stays in memory until the next question begins.

use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::entries::{Entries, Known, Outcome, Parties};
use super::failure::DelegationFailure;
use super::pause::Pause;

/// Answers by what they are to. Clones share them.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    entries: Arc<Mutex<Entries<K, V>>>,
}

impl<K, V> Clone for Kept<K, V> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries) }
    }
}

impl<K, V> Kept<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Nothing is kept yet. Failures stand as this says.
    pub(super) fn new(pause: Pause) -> Self {
        Self { entries: Arc::new(Mutex::new(Entries::new(pause))) }
    }

    /// What is kept, or what comes of asking, which is counted for these parties. Waits until the deadline, and no longer.
    pub(super) async fn get<F>(
        &self,
        key: K,
        parties: Parties,
        deadline: Instant,
        ask: impl FnOnce() -> F,
    ) -> Outcome<V>
    where
        F: Future<Output = Outcome<V>> + Send + 'static,
    {
        let mut flight = match self.look_or_begin(key, parties, ask)? {
            Known::Outcome(outcome) => return outcome,
            Known::Asked(flight) => flight,
        };
        match timeout_at(deadline, flight.wait_for(Option::is_some)).await {
            Err(_over) => Err(DelegationFailure::TooSlow),
            Ok(Err(_gone)) => Err(DelegationFailure::Interrupted),
            Ok(Ok(landed)) => landed.clone().unwrap_or(Err(DelegationFailure::Interrupted)),
        }
    }

    /// In one go, so that nobody else begins it in between.
    fn look_or_begin<F>(
        &self,
        key: K,
        parties: Parties,
        ask: impl FnOnce() -> F,
    ) -> Result<Known<V>, DelegationFailure>
    where
        F: Future<Output = Outcome<V>> + Send + 'static,
    {
        let (told, flight) = watch::channel(None);
        {
            let (mut entries, now) = (self.entries(), Instant::now());
            if let Some(known) = entries.look(&key, now) {
                return Ok(known);
            }
            entries.begin(key.clone(), parties, flight.clone(), now)?;
        }
        let (kept, asking) = (self.clone(), ask());
        tokio::spawn(async move {
            let outcome = asking.await;
            kept.entries().land(&key, &outcome, Instant::now());
            told.send_replace(Some(outcome));
        });
        Ok(Known::Asked(flight))
    }

    fn entries(&self) -> MutexGuard<'_, Entries<K, V>> {
        // Whole after each use, so a panic elsewhere cannot have torn it.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::future::join_all;

    use moneyer_identity::RunnerId;
    use moneyer_identity::grant::TokenEndpoint;

    use super::super::entries::Until;
    use super::super::failure::Bound;
    use super::*;

    const FAR: Duration = Duration::from_secs(60);

    fn kept() -> Kept<usize, usize> {
        Kept::new(Pause::READDRESSING)
    }

    fn parties(runner: &str, endpoint: usize) -> Parties {
        Parties {
            runner: RunnerId::parse(runner).unwrap(),
            endpoint: TokenEndpoint::parse(&format!("https://idp-{endpoint}.test/token")).unwrap(),
        }
    }

    fn until(value: usize, life: Duration) -> Until<usize> {
        Until { value, ends_at: Instant::now() + life }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_question_is_asked_once_and_again_when_its_answer_is_over() {
        let (kept, asked) = (kept(), AtomicUsize::new(0));
        let get = || {
            kept.get(1, parties("r", 1), Instant::now() + FAR, || {
                let number = asked.fetch_add(1, Ordering::SeqCst);
                async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    Ok(until(number, Duration::from_secs(10)))
                }
            })
        };
        let answers = join_all((0..1000).map(|_| get())).await;
        assert!(answers.into_iter().all(|answer| answer.unwrap().value == 0));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(get().await.unwrap().value, 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(get().await.unwrap().value, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_and_the_answer_is_there_for_the_next() {
        let kept = kept();
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(until(7, FAR))
        };
        let first =
            kept.get(1, parties("r", 1), Instant::now() + Duration::from_secs(4), slow).await;
        assert!(matches!(first, Err(DelegationFailure::TooSlow)));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let second = kept
            .get(1, parties("r", 1), Instant::now() + FAR, || async { Ok(until(8, FAR)) })
            .await;
        assert_eq!(second.unwrap().value, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_stands_for_a_moment_and_a_task_that_is_gone_for_none() {
        let kept = kept();
        let deadline = || Instant::now() + FAR;
        let failing = || async { Err(DelegationFailure::Interrupted) };
        assert!(kept.get(1, parties("r", 1), deadline(), failing).await.is_err());
        let well = || async { Ok(until(1, FAR)) };
        assert!(kept.get(1, parties("r", 1), deadline(), well).await.is_err(), "it stands");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(kept.get(1, parties("r", 1), deadline(), well).await.is_ok());
        let gone = || async { panic!("on purpose") };
        let answer = kept.get(2, parties("r", 1), deadline(), gone).await;
        assert!(matches!(answer, Err(DelegationFailure::Interrupted)));
        assert!(kept.get(2, parties("r", 1), deadline(), well).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_two_runners_wait_for_counts_for_who_began_it() {
        let kept = kept();
        let forever = || std::future::pending::<Outcome<usize>>();
        let soon = || Instant::now() + Duration::from_millis(1);
        for key in 0..64 {
            for runner in ["one", "two"] {
                let waits = kept.get(key, parties(runner, key), soon(), forever).await;
                assert!(matches!(waits, Err(DelegationFailure::TooSlow)), "{runner} {key}");
            }
        }
        let more = kept.get(64, parties("one", 64), soon(), forever).await;
        assert!(matches!(more, Err(DelegationFailure::Busy(Bound::Runner))), "{more:?}");
        let began = kept.get(64, parties("two", 64), soon(), forever).await;
        assert!(matches!(began, Err(DelegationFailure::TooSlow)), "none of the 64 is its own");
        let same = kept.get(64, parties("one", 64), soon(), forever).await;
        assert!(matches!(same, Err(DelegationFailure::TooSlow)), "it is asked already");
    }
}
