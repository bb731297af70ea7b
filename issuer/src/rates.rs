//! How many tokens were minted and refused in each of the last minutes.
//!
//! For people who want to know whether something began just now; what is watched over days belongs to the
//! [metrics](crate::metrics). Minutes are counted from the start of the coordinator, by the time that
//! passes: a wall clock that is set moves no count. Of a refusal only its class is known here.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use moneyer_identity::ErrorClass;
use tokio::time::Instant;

/// Minutes that are remembered: an hour tells what was usual before the trouble began.
pub(crate) const MINUTES: u64 = 60;

const CLASSES: usize = ErrorClass::ALL.len();

/// What was counted in a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tokens minted.
    pub(crate) minted: u64,
    refused: [u64; CLASSES],
}

impl Counts {
    /// Refusals by class, those that happened.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (ErrorClass, u64)> {
        let by_class = ErrorClass::ALL.into_iter().zip(self.refused);
        by_class.filter(|(_, count)| *count > 0)
    }

    /// Refusals of every class.
    pub(crate) fn all_refused(&self) -> u64 {
        self.refused.iter().sum()
    }

    fn add(&mut self, other: &Self) {
        self.minted += other.minted;
        for (count, more) in self.refused.iter_mut().zip(other.refused) {
            *count += more;
        }
    }
}

/// Counts by the minute, shared by all clones.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    began: Instant,
    /// Minutes in which something happened, by their number, the oldest first.
    minutes: Arc<Mutex<VecDeque<(u64, Counts)>>>,
}

impl Rates {
    /// Counts from now on.
    pub(crate) fn since(began: Instant) -> Self {
        Self { began, minutes: Arc::default() }
    }

    /// How one request for a token ended.
    pub(crate) fn note(&self, now: Instant, outcome: Result<(), ErrorClass>) {
        let number = self.number(now);
        let mut minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        if minutes.back().is_none_or(|(last, _)| *last < number) {
            minutes.push_back((number, Counts::default()));
            while minutes.front().is_some_and(|(first, _)| first + MINUTES <= number) {
                minutes.pop_front();
            }
        }
        // Whoever read the time before the minute ended and comes after counts in the next one.
        let Some((_, counts)) = minutes.back_mut() else { return };
        match outcome {
            Ok(()) => counts.minted += 1,
            Err(class) => {
                let place = ErrorClass::ALL.into_iter().position(|of| of == class);
                if let Some(count) = place.and_then(|at| counts.refused.get_mut(at)) {
                    *count += 1;
                }
            }
        }
    }

    /// Each of the last minutes, the oldest first. The last one is not over yet; those before the start are
    /// left out.
    pub(crate) fn minutes(&self, now: Instant) -> Vec<Counts> {
        let last = self.number(now);
        let minutes = self.minutes.lock().unwrap_or_else(PoisonError::into_inner);
        let first = (last + 1).saturating_sub(MINUTES);
        let of = |number| minutes.iter().find(|(at, _)| *at == number);
        (first..=last).map(|number| of(number).map_or_else(Counts::default, |(_, c)| *c)).collect()
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs() / 60
    }
}

/// The sum of the last of these minutes.
pub(crate) fn over_last(minutes: &[Counts], count: usize) -> Counts {
    let mut sum = Counts::default();
    minutes.iter().rev().take(count).for_each(|minute| sum.add(minute));
    sum
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_minute_has_its_own_count_and_an_hour_is_remembered() {
        let began = Instant::now();
        let rates = Rates::since(began);
        let at = |seconds| began + Duration::from_secs(seconds);
        rates.note(at(0), Ok(()));
        rates.note(at(59), Ok(()));
        rates.note(at(60), Err(ErrorClass::Denied));
        rates.note(at(200), Ok(()));
        let minted = |now| -> Vec<u64> {
            rates.minutes(at(now)).iter().map(|minute| minute.minted).collect()
        };
        assert_eq!(minted(59), [2]);
        assert_eq!(minted(200), [2, 0, 0, 1]);
        let minutes = rates.minutes(at(200));
        assert_eq!(minutes[1].refused().collect::<Vec<_>>(), [(ErrorClass::Denied, 1)]);
        assert_eq!((over_last(&minutes, 2).minted, over_last(&minutes, 2).all_refused()), (1, 0));
        assert_eq!((over_last(&minutes, 9).minted, over_last(&minutes, 9).all_refused()), (3, 1));

        assert_eq!(minted(59 * 60)[0], 2, "the sixtieth minute back is there");
        assert_eq!(minted(60 * 60).len(), 60);
        assert_eq!(minted(60 * 60)[..3], [0, 0, 1], "and no other");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_over_takes_no_memory_and_one_who_comes_late_is_counted() {
        let began = Instant::now();
        let rates = Rates::since(began);
        for minute in 0..500 {
            rates.note(began + Duration::from_secs(minute * 60), Ok(()));
        }
        rates.note(began, Err(ErrorClass::Internal));
        assert_eq!(rates.minutes.lock().unwrap().len(), 60);
        let last = rates.minutes(began + Duration::from_secs(499 * 60));
        assert_eq!(last.last().unwrap().all_refused(), 1);
    }
}
