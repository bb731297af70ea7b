//! Answers that are kept for a while, and the questions that are being asked.
//!
//! However many ask the same, it is asked once, in a task of its own. Whoever asks may go, and who waits for longer than
//! it may is told so: the answer is there for the next. A failure stands for a moment, so that nobody's haste becomes a
//! token service's. There is room for so many answers and no more: those that have ended make room first, then the one
//! nearest to its end.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::failure::DelegationFailure;

/// Most answers that are kept.
pub(super) const MAXIMUM_KEPT: usize = 1024;

/// Most questions that are asked at once: each has a connection and two tokens.
pub(super) const MAXIMUM_ASKED: usize = 256;

/// An answer, and until when it may be given.
#[derive(Debug, Clone)]
pub(super) struct Until<V> {
    pub(super) value: V,
    pub(super) ends_at: Instant,
}

type Outcome<V> = Result<Until<V>, DelegationFailure>;
type Flight<V> = watch::Receiver<Option<Outcome<V>>>;

/// What is known of a key.
#[derive(Debug)]
enum Entry<V> {
    Asked(Flight<V>),
    Answered(Until<V>),
    Failed(DelegationFailure, Instant),
}

/// Answers by what they are to. Clones share them.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    entries: Arc<Mutex<HashMap<K, Entry<V>>>>,
    failure_stands: Duration,
}

impl<K, V> Clone for Kept<K, V> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries), failure_stands: self.failure_stands }
    }
}

impl<K, V> Kept<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Nothing is kept yet. A failure stands for so long.
    pub(super) fn new(failure_stands: Duration) -> Self {
        Self { entries: Arc::default(), failure_stands }
    }

    /// What is kept, or what comes of asking. Waits until the deadline, and no longer.
    pub(super) async fn get<F>(
        &self,
        key: K,
        deadline: Instant,
        ask: impl FnOnce() -> F,
    ) -> Outcome<V>
    where
        F: Future<Output = Outcome<V>> + Send + 'static,
    {
        let mut flight = match self.look(&key, Instant::now()) {
            Ok(known) => return known,
            Err(Some(flight)) => flight,
            Err(None) => self.begin(key, ask())?,
        };
        match timeout_at(deadline, flight.wait_for(Option::is_some)).await {
            Err(_over) => Err(DelegationFailure::TooSlow),
            Ok(Err(_gone)) => Err(DelegationFailure::Interrupted),
            Ok(Ok(landed)) => landed.clone().unwrap_or(Err(DelegationFailure::Interrupted)),
        }
    }

    /// What is known, or else the question that is being asked.
    fn look(&self, key: &K, now: Instant) -> Result<Outcome<V>, Option<Flight<V>>> {
        match self.entries().get(key) {
            Some(Entry::Answered(answer)) if now < answer.ends_at => Ok(Ok(answer.clone())),
            Some(Entry::Failed(failure, until)) if now < *until => Ok(Err(failure.clone())),
            // One whose task has gone without a word is asked again.
            Some(Entry::Asked(flight))
                if flight.has_changed().is_ok() || flight.borrow().is_some() =>
            {
                Err(Some(flight.clone()))
            }
            _ => Err(None),
        }
    }

    fn begin(
        &self,
        key: K,
        asking: impl Future<Output = Outcome<V>> + Send + 'static,
    ) -> Result<Flight<V>, DelegationFailure> {
        let (told, flight) = watch::channel(None);
        {
            let mut entries = self.entries();
            // Somebody else may have begun it since it was looked for.
            if let Some(Entry::Asked(flight)) = entries.get(&key)
                && flight.has_changed().is_ok()
            {
                return Ok(flight.clone());
            }
            let asked = entries.values().filter(|entry| matches!(entry, Entry::Asked(_))).count();
            if asked >= MAXIMUM_ASKED {
                return Err(DelegationFailure::Busy);
            }
            if !entries.contains_key(&key) {
                make_room(&mut entries, Instant::now());
            }
            entries.insert(key.clone(), Entry::Asked(flight.clone()));
        }
        let kept = self.clone();
        tokio::spawn(async move {
            let outcome = asking.await;
            let entry = match &outcome {
                Ok(answer) => Entry::Answered(answer.clone()),
                Err(failure) => {
                    Entry::Failed(failure.clone(), Instant::now() + kept.failure_stands)
                }
            };
            kept.entries().insert(key, entry);
            told.send_replace(Some(outcome));
        });
        Ok(flight)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        // Whole after each use, so a panic elsewhere cannot have torn it.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room<K: Hash + Eq + Clone, V>(entries: &mut HashMap<K, Entry<V>>, now: Instant) {
    if entries.len() < MAXIMUM_KEPT {
        return;
    }
    entries.retain(|_, entry| entry.end().is_none_or(|end| now < end));
    if entries.len() < MAXIMUM_KEPT {
        return;
    }
    let ends = entries.iter().filter_map(|(key, entry)| Some((key, entry.end()?)));
    let nearest = ends.min_by_key(|(_, end)| *end).map(|(key, _)| key.clone());
    nearest.and_then(|key| entries.remove(&key));
}

impl<V> Entry<V> {
    /// When it is over; a question that is being asked is not.
    fn end(&self) -> Option<Instant> {
        match self {
            Self::Asked(_) => None,
            Self::Answered(answer) => Some(answer.ends_at),
            Self::Failed(_, until) => Some(*until),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    const FAR: Duration = Duration::from_secs(60);
    const FAILURE_STANDS: Duration = Duration::from_secs(1);

    fn kept() -> Kept<usize, usize> {
        Kept::new(FAILURE_STANDS)
    }

    fn until(value: usize, life: Duration) -> Until<usize> {
        Until { value, ends_at: Instant::now() + life }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_question_is_asked_once_and_again_when_its_answer_is_over() {
        let (kept, asked) = (kept(), AtomicUsize::new(0));
        let get = || {
            kept.get(1, Instant::now() + FAR, || {
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
        let first = kept.get(1, Instant::now() + Duration::from_secs(4), slow).await;
        assert!(matches!(first, Err(DelegationFailure::TooSlow)));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let second = kept.get(1, Instant::now() + FAR, || async { Ok(until(8, FAR)) }).await;
        assert_eq!(second.unwrap().value, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_stands_for_a_moment_and_a_task_that_is_gone_for_none() {
        let kept = kept();
        let deadline = || Instant::now() + FAR;
        let failing = || async { Err(DelegationFailure::Busy) };
        assert!(kept.get(1, deadline(), failing).await.is_err());
        let well = || async { Ok(until(1, FAR)) };
        assert!(kept.get(1, deadline(), well).await.is_err(), "it stands");
        tokio::time::advance(FAILURE_STANDS).await;
        assert!(kept.get(1, deadline(), well).await.is_ok());
        let gone = || async { panic!("on purpose") };
        let answer = kept.get(2, deadline(), gone).await;
        assert!(matches!(answer, Err(DelegationFailure::Interrupted)));
        assert!(kept.get(2, deadline(), well).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_room_for_1024_answers_and_the_one_nearest_to_its_end_goes() {
        let kept = kept();
        for number in 0..MAXIMUM_KEPT {
            let life = FAR + Duration::from_millis(u64::try_from(MAXIMUM_KEPT - number).unwrap());
            kept.get(number, Instant::now() + FAR, || async move { Ok(until(number, life)) })
                .await
                .unwrap();
        }
        let more = MAXIMUM_KEPT;
        kept.get(more, Instant::now() + FAR, || async move { Ok(until(more, FAR)) }).await.unwrap();
        let entries = kept.entries();
        assert_eq!(entries.len(), MAXIMUM_KEPT);
        assert!(!entries.contains_key(&(MAXIMUM_KEPT - 1)) && entries.contains_key(&0));
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_256_questions_at_once_and_no_more() {
        let kept = kept();
        let forever = || std::future::pending::<Outcome<usize>>();
        let soon = || Instant::now() + Duration::from_millis(1);
        for number in 0..MAXIMUM_ASKED {
            let waits = kept.get(number, soon(), forever).await;
            assert!(matches!(waits, Err(DelegationFailure::TooSlow)));
        }
        let one_more = kept.get(MAXIMUM_ASKED, soon(), forever).await;
        assert!(matches!(one_more, Err(DelegationFailure::Busy)));
        let same = kept.get(0, soon(), forever).await;
        assert!(matches!(same, Err(DelegationFailure::TooSlow)), "it is asked already");
    }
}
