//! What is known of questions: what was answered, what failed, and what is being asked. Pure in time.
//!
//! There is room for so many entries of all kinds and no more. What has ended is dropped when the next question begins.
//! Where that leaves no room, one of the runner with the most makes room, the one nearest to its end: nobody pushes out
//! the answers of those who have fewer. What is being asked stays.
//!
//! So many questions are asked at once. Of those at most a quarter is one runner's, so that one that is broken leaves the
//! same token service to the others, and at most three quarters go to one token endpoint, so that one that stalls leaves
//! room for the others. Both are counted in the entries themselves, and one that two runners wait for counts for who
//! began it.
//!
//! A failure is remembered for a while when it stands no more, so that the next one stands longer. It takes a place like
//! any other entry, and is dropped and makes room like one.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use moneyer_identity::RunnerId;
use moneyer_identity::grant::TokenEndpoint;
use tokio::sync::watch;
use tokio::time::Instant;

use super::failure::{Bound, DelegationFailure};
use super::pause::Pause;

/// Most entries: answers, failures and questions.
const MAXIMUM_KEPT: usize = 1024;

/// Most questions that are asked at once: each has a connection and two tokens.
const MAXIMUM_ASKED: usize = 256;

/// Most of them that one runner began: a quarter.
const MAXIMUM_ASKED_OF_A_RUNNER: usize = 64;

/// Most of them that go to one token endpoint: three quarters, since most clusters have no other.
const MAXIMUM_ASKED_AT_AN_ENDPOINT: usize = 192;

/// An answer, and until when it may be given.
#[derive(Debug, Clone)]
pub(super) struct Until<V> {
    pub(super) value: V,
    pub(super) ends_at: Instant,
}

pub(super) type Outcome<V> = Result<Until<V>, DelegationFailure>;
pub(super) type Flight<V> = watch::Receiver<Option<Outcome<V>>>;

/// Who asks whom: a question is counted for both.
#[derive(Debug, Clone)]
pub(super) struct Parties {
    pub(super) runner: RunnerId,
    pub(super) endpoint: TokenEndpoint,
}

/// What there is for whoever comes with a question.
#[derive(Debug)]
pub(super) enum Known<V> {
    Outcome(Outcome<V>),
    Asked(Flight<V>),
}

#[derive(Debug)]
struct Entry<V> {
    /// Of the question that it comes of.
    parties: Parties,
    state: State<V>,
}

#[derive(Debug)]
enum State<V> {
    /// It is being asked.
    Asked {
        flight: Flight<V>,
        /// How long the failure before it stood, where there was one.
        stood: Option<Duration>,
    },
    Answered(Until<V>),
    Failed {
        failure: DelegationFailure,
        stands: Duration,
        until: Instant,
        forgotten_at: Instant,
    },
}

/// Entries by what was asked.
#[derive(Debug)]
pub(super) struct Entries<K, V> {
    entries: HashMap<K, Entry<V>>,
    pause: Pause,
}

impl<K: Hash + Eq + Clone, V: Clone> Entries<K, V> {
    /// Nothing is known yet.
    pub(super) fn new(pause: Pause) -> Self {
        Self { entries: HashMap::new(), pause }
    }

    /// What is known, unless it is to be asked.
    pub(super) fn look(&self, key: &K, now: Instant) -> Option<Known<V>> {
        match &self.entries.get(key)?.state {
            State::Asked { flight, .. } if is_under_way(flight) => {
                Some(Known::Asked(flight.clone()))
            }
            State::Answered(answer) if now < answer.ends_at => {
                Some(Known::Outcome(Ok(answer.clone())))
            }
            State::Failed { failure, until, .. } if now < *until => {
                Some(Known::Outcome(Err(failure.clone())))
            }
            _ => None,
        }
    }

    /// A question begins, unless too many are asked.
    pub(super) fn begin(
        &mut self,
        key: K,
        parties: Parties,
        flight: Flight<V>,
        now: Instant,
    ) -> Result<(), DelegationFailure> {
        self.entries.retain(|_, entry| !entry.state.is_over(now));
        self.admit(&parties)?;
        let before = self.entries.get(&key);
        let stood = before.and_then(|entry| entry.state.stood());
        if before.is_none() {
            self.make_room();
        }
        self.entries.insert(key, Entry { parties, state: State::Asked { flight, stood } });
        Ok(())
    }

    /// What came of a question that began.
    pub(super) fn land(&mut self, key: &K, outcome: &Outcome<V>, now: Instant) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        entry.state = match outcome {
            Ok(answer) => State::Answered(answer.clone()),
            Err(failure) => {
                let stands = self.pause.next(entry.state.stood());
                let until = now + stands;
                let forgotten_at = until + self.pause.remembered();
                State::Failed { failure: failure.clone(), stands, until, forgotten_at }
            }
        };
    }

    fn admit(&self, parties: &Parties) -> Result<(), DelegationFailure> {
        let (mut all, mut of_runner, mut at_endpoint) = (0, 0, 0);
        let asked = self.entries.values().filter(|entry| entry.state.end().is_none());
        for entry in asked {
            all += 1;
            of_runner += usize::from(entry.parties.runner == parties.runner);
            at_endpoint += usize::from(entry.parties.endpoint == parties.endpoint);
        }
        let bounds = [
            (all, MAXIMUM_ASKED, Bound::All),
            (of_runner, MAXIMUM_ASKED_OF_A_RUNNER, Bound::Runner),
            (at_endpoint, MAXIMUM_ASKED_AT_AN_ENDPOINT, Bound::Endpoint),
        ];
        match bounds.into_iter().find(|(asked, maximum, _)| asked >= maximum) {
            Some((_, _, bound)) => Err(DelegationFailure::Busy(bound)),
            None => Ok(()),
        }
    }

    fn make_room(&mut self) {
        if self.entries.len() < MAXIMUM_KEPT {
            return;
        }
        let mut kept: HashMap<&RunnerId, usize> = HashMap::new();
        for entry in self.entries.values().filter(|entry| entry.state.end().is_some()) {
            *kept.entry(&entry.parties.runner).or_default() += 1;
        }
        let goes = self.entries.iter().filter_map(|(key, entry)| {
            let order = (Reverse(kept.get(&entry.parties.runner)), entry.state.end()?);
            Some((order, key))
        });
        let first = goes.min_by_key(|(order, _)| *order).map(|(_, key)| key.clone());
        first.and_then(|key| self.entries.remove(&key));
    }
}

impl<V> State<V> {
    /// When there is nothing more to be known of it; a question that is being asked has no end yet.
    fn end(&self) -> Option<Instant> {
        match self {
            Self::Asked { .. } => None,
            Self::Answered(answer) => Some(answer.ends_at),
            Self::Failed { forgotten_at, .. } => Some(*forgotten_at),
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        match self {
            Self::Asked { flight, .. } => !is_under_way(flight),
            Self::Answered(_) | Self::Failed { .. } => self.end().is_some_and(|end| end <= now),
        }
    }

    /// How long the last failure stood, if it was not followed by an answer.
    fn stood(&self) -> Option<Duration> {
        match self {
            Self::Asked { stood, .. } => *stood,
            Self::Answered(_) => None,
            Self::Failed { stands, .. } => Some(*stands),
        }
    }
}

/// False of one whose task has gone without a word: it is asked again, and counts for nobody.
fn is_under_way<V>(flight: &Flight<V>) -> bool {
    flight.has_changed().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told = watch::Sender<Option<Outcome<usize>>>;

    const FAR: Duration = Duration::from_secs(600);

    fn seconds(number: usize) -> Duration {
        Duration::from_secs(u64::try_from(number).unwrap())
    }

    fn parties(runner: usize, endpoint: usize) -> Parties {
        Parties {
            runner: RunnerId::parse(&format!("runner-{runner}")).unwrap(),
            endpoint: TokenEndpoint::parse(&format!("https://idp-{endpoint}.test/token")).unwrap(),
        }
    }

    /// Entries, and what has to stay for as long as a question is being asked.
    struct World {
        entries: Entries<usize, usize>,
        told: Vec<Told>,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            let entries = Entries::new(Pause::READDRESSING);
            Self { entries, told: Vec::new(), now: Instant::now() }
        }

        fn begin(&mut self, key: usize, parties: Parties) -> Result<(), DelegationFailure> {
            let (told, flight) = watch::channel(None);
            self.told.push(told);
            self.entries.begin(key, parties, flight, self.now)
        }

        fn answer(&mut self, key: usize, runner: usize, life: Duration) {
            self.begin(key, parties(runner, 0)).unwrap();
            let answer = Until { value: key, ends_at: self.now + life };
            self.entries.land(&key, &Ok(answer), self.now);
        }

        fn fail(&mut self, key: usize) {
            self.begin(key, parties(0, 0)).unwrap();
            self.entries.land(&key, &Err(DelegationFailure::Interrupted), self.now);
        }

        fn is_busy(&mut self, key: usize, parties: Parties) -> Option<Bound> {
            match self.begin(key, parties) {
                Ok(()) => None,
                Err(DelegationFailure::Busy(bound)) => Some(bound),
                Err(other) => panic!("{other:?}"),
            }
        }

        /// How many seconds go by until it is asked again, as time goes there.
        fn stands(&mut self, key: usize) -> usize {
            let mut gone = 0;
            while self.entries.look(&key, self.now).is_some() {
                self.now += seconds(1);
                gone += 1;
            }
            gone
        }

        fn of_runner(&self, runner: usize) -> usize {
            let runner = parties(runner, 0).runner;
            self.entries.entries.values().filter(|entry| entry.parties.runner == runner).count()
        }
    }

    #[test]
    fn there_is_room_for_1024_answers_and_the_one_nearest_to_its_end_goes() {
        let mut world = World::new();
        for key in 0..MAXIMUM_KEPT {
            world.answer(key, 0, FAR + seconds(MAXIMUM_KEPT - key));
        }
        assert_eq!(world.entries.entries.len(), MAXIMUM_KEPT);
        world.answer(MAXIMUM_KEPT, 0, FAR);
        let entries = &world.entries.entries;
        assert_eq!(entries.len(), MAXIMUM_KEPT);
        assert!(!entries.contains_key(&(MAXIMUM_KEPT - 1)) && entries.contains_key(&0));
    }

    #[test]
    fn the_answers_of_one_runner_push_out_its_own_and_nobody_elses() {
        let mut world = World::new();
        // Nearer to their end than all others.
        (0..10).for_each(|key| world.answer(key, 1, seconds(60)));
        (10..1500).for_each(|key| world.answer(key, 2, FAR));
        assert_eq!((world.of_runner(1), world.of_runner(2)), (10, MAXIMUM_KEPT - 10));
        // Nor those of one who has many, when one comes who has none.
        world.answer(1500, 3, FAR);
        assert_eq!((world.of_runner(1), world.of_runner(2)), (10, MAXIMUM_KEPT - 11));
        (1501..2100).for_each(|key| world.answer(key, 3, FAR));
        assert_eq!((world.of_runner(1), world.of_runner(2)), (10, (MAXIMUM_KEPT - 10) / 2));
    }

    #[test]
    fn what_has_ended_is_dropped_when_the_next_question_begins() {
        let mut world = World::new();
        world.answer(1, 0, seconds(10));
        world.answer(2, 0, seconds(11));
        world.now += seconds(10);
        assert!(world.entries.look(&1, world.now).is_none());
        world.answer(3, 0, FAR);
        let entries = &world.entries.entries;
        assert!(!entries.contains_key(&1) && entries.contains_key(&2));
    }

    #[test]
    fn what_is_being_asked_and_what_failed_has_a_place_among_the_1024() {
        let mut world = World::new();
        world.begin(0, parties(0, 0)).unwrap();
        (1..MAXIMUM_KEPT).for_each(|key| world.fail(key));
        world.answer(MAXIMUM_KEPT, 0, FAR);
        assert_eq!(world.entries.entries.len(), MAXIMUM_KEPT);
        assert!(matches!(world.entries.look(&0, world.now), Some(Known::Asked(_))));
        // What is remembered of them makes room of itself.
        world.now += seconds(31);
        world.answer(MAXIMUM_KEPT + 1, 0, FAR);
        assert_eq!(world.entries.entries.len(), 3);
    }

    #[test]
    fn a_failure_stands_twice_as_long_each_time_until_there_is_an_answer() {
        let mut world = World::new();
        for stands in [1, 2, 4, 8, 16, 30, 30] {
            world.fail(1);
            assert_eq!(world.stands(1), stands);
            // Others' questions have nothing forgotten.
            world.fail(2);
        }
        world.answer(1, 0, seconds(5));
        assert_eq!(world.stands(1), 5);
        world.fail(1);
        assert_eq!(world.stands(1), 1, "the answer has it begin anew");
    }

    #[test]
    fn a_failure_is_remembered_for_30_s_when_it_stands_no_more() {
        let mut world = World::new();
        for (later, stands) in [(0, 1), (29, 2), (30, 1)] {
            world.now += seconds(later);
            world.fail(1);
            assert_eq!(world.stands(1), stands, "{later} s later");
        }
    }

    #[test]
    fn there_are_256_questions_at_once_and_no_more() {
        let mut world = World::new();
        for key in 0..MAXIMUM_ASKED {
            assert_eq!(world.is_busy(key, parties(key, key)), None);
        }
        let one_more = MAXIMUM_ASKED;
        assert_eq!(world.is_busy(one_more, parties(one_more, one_more)), Some(Bound::All));
        let answer = Until { value: 0, ends_at: world.now + FAR };
        world.entries.land(&0, &Ok(answer), world.now);
        assert_eq!(world.is_busy(one_more, parties(one_more, one_more)), None);
    }

    #[test]
    fn a_quarter_of_them_is_one_runners_and_it_leaves_its_token_endpoint_to_the_others() {
        let mut world = World::new();
        for key in 0..MAXIMUM_ASKED_OF_A_RUNNER {
            assert_eq!(world.is_busy(key, parties(1, 1)), None);
        }
        assert_eq!(world.is_busy(2000, parties(1, 2)), Some(Bound::Runner));
        assert_eq!(world.is_busy(2000, parties(2, 1)), None, "the others go on");
        world.entries.land(&0, &Err(DelegationFailure::Interrupted), world.now);
        assert_eq!(world.is_busy(2001, parties(1, 1)), None, "what has landed counts no more");
    }

    #[test]
    fn three_quarters_of_them_go_to_one_token_endpoint_and_it_leaves_room_for_the_others() {
        let mut world = World::new();
        for key in 0..MAXIMUM_ASKED_AT_AN_ENDPOINT {
            assert_eq!(world.is_busy(key, parties(key, 1)), None);
        }
        assert_eq!(world.is_busy(2000, parties(2000, 1)), Some(Bound::Endpoint));
        assert_eq!(world.is_busy(2000, parties(2000, 2)), None, "the others go on");
    }

    #[test]
    fn a_question_whose_task_is_gone_counts_for_nobody() {
        let mut world = World::new();
        for key in 0..=MAXIMUM_ASKED {
            assert_eq!(world.is_busy(key, parties(1, 1)), None);
            world.told.clear();
        }
        assert_eq!(world.entries.entries.len(), 1);
    }
}
