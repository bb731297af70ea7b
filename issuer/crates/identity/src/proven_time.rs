//! A time that has certainly come, whatever the wall clock says.
//!
//! While a coordinator is away nothing measures time: a wall clock that is days ahead at the next start
//! looks like days of absence. So an absence does not count. What takes something away (a key from the
//! key set, a previous issuer), or lets a key sign that caches may lack, asks whether its time
//! [has come](ProvenTime::has_come), reckoned from the moment at which that time was set: every absence
//! since then is taken off what the wall clock says. One of before is in both times and does not matter.
//!
//! An absence is forgotten after [`SETTLED_AFTER`] of running, in one go or in many: then every token of
//! before it is dead by the time since boot, so nothing is left that could be taken away early.

use std::time::Duration;

use crate::clock::UnixTime;

/// Running time after which an absence is forgotten: longer than the longest token (24 h) and the hour
/// that a previous issuer is served beyond it.
pub const SETTLED_AFTER: Duration = Duration::from_secs(26 * 3600);

/// Most absences told apart. Beyond, every two that follow one another become one, which ends when the
/// later of them did: nothing comes earlier by that, and each is forgotten in its time.
pub const MAXIMUM_ABSENCES: usize = 64;

/// A time at which nothing measured time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absence {
    /// Its end, by the wall clock.
    pub until: UnixTime,
    /// How long it was at most, by the wall clock.
    pub lasted: Duration,
}

/// The absences that are not forgotten yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Absences(Vec<Absence>);

impl FromIterator<Absence> for Absences {
    fn from_iter<T: IntoIterator<Item = Absence>>(absences: T) -> Self {
        let mut all = Self::default();
        absences.into_iter().for_each(|absence| all.add(absence));
        all
    }
}

impl Absences {
    /// Each, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Absence> {
        self.0.iter()
    }

    /// One more. One without length is none.
    pub fn add(&mut self, absence: Absence) {
        if absence.lasted.is_zero() {
            return;
        }
        self.0.push(absence);
        if self.0.len() > MAXIMUM_ABSENCES {
            let joined = self.0.chunks(2).filter_map(|two| two.iter().copied().reduce(join));
            self.0 = joined.collect();
        }
    }

    /// With one more.
    #[must_use]
    pub fn and(mut self, until: UnixTime, lasted: Duration) -> Self {
        self.add(Absence { until, lasted });
        self
    }

    /// Those that are not forgotten at this time.
    #[must_use]
    pub fn remembered_at(&self, now: UnixTime) -> Self {
        let is_recent = |absence: &&Absence| !self.settles_in(absence.until, now).is_zero();
        self.iter().filter(is_recent).copied().collect()
    }

    /// Running time until nothing is remembered.
    pub(crate) fn settle_in(&self, now: UnixTime) -> Duration {
        let each = self.iter().map(|absence| self.settles_in(absence.until, now));
        each.max().unwrap_or_default()
    }

    fn settles_in(&self, from: UnixTime, now: UnixTime) -> Duration {
        SETTLED_AFTER.saturating_sub(self.take_off(now, from).since(from))
    }

    /// This time without the absences that ended after `from`.
    fn take_off(&self, now: UnixTime, from: UnixTime) -> UnixTime {
        let later = self.iter().filter(|absence| absence.until > from);
        later.fold(now, |time, absence| time.minus(absence.lasted))
    }
}

fn join(one: Absence, other: Absence) -> Absence {
    let lasted = one.lasted.saturating_add(other.lasted);
    Absence { until: one.until.max(other.until), lasted }
}

/// What has certainly come at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenTime {
    now: UnixTime,
    absences: Absences,
}

impl ProvenTime {
    /// At a moment that is not doubted, after these absences.
    #[must_use]
    pub fn new(now: UnixTime, absences: Absences) -> Self {
        Self { now, absences }
    }

    /// A moment that is not doubted, and nothing before it that is.
    #[must_use]
    pub fn certain(now: UnixTime) -> Self {
        Self::new(now, Absences::default())
    }

    /// The wall clock's time.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.now
    }

    /// The latest time that has certainly come, of those that were set at `from` or earlier.
    #[must_use]
    pub fn reckoned_from(&self, from: UnixTime) -> UnixTime {
        self.absences.take_off(self.now, from)
    }

    /// Whether a time that was set at `from` has certainly come.
    #[must_use]
    pub fn has_come(&self, time: UnixTime, from: UnixTime) -> bool {
        time <= self.reckoned_from(from)
    }

    /// The latest time that has certainly come, whenever it was set.
    #[must_use]
    pub fn at_least(&self) -> UnixTime {
        self.reckoned_from(UnixTime(i64::MIN))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: UnixTime = UnixTime(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn after(passed: Duration) -> UnixTime {
        START.plus(passed)
    }

    #[test]
    fn absence_does_not_count_for_times_that_were_set_before_it() {
        let absences = Absences::default().and(after(21 * DAY), 20 * DAY);
        let proven = ProvenTime::new(after(21 * DAY + HOUR), absences);
        assert_eq!(proven.reckoned_from(START), after(DAY + HOUR));
        assert!(proven.has_come(after(DAY + HOUR), START));
        assert!(!proven.has_come(after(DAY + 2 * HOUR), START));
        // Set since, it is in both times.
        assert!(proven.has_come(after(21 * DAY + HOUR), after(21 * DAY)));
        assert_eq!(proven.at_least(), after(DAY + HOUR));
        assert_eq!(ProvenTime::certain(START).at_least(), START);
    }

    #[test]
    fn an_absence_is_forgotten_when_it_ran_long_enough_since_in_one_go_or_in_many() {
        let one = Absences::default().and(after(DAY), DAY);
        let last = after(DAY + SETTLED_AFTER);
        assert_eq!(one.remembered_at(last.minus(Duration::from_secs(1))), one);
        assert_eq!(one.settle_in(last.minus(HOUR)), HOUR);
        assert_eq!(one.remembered_at(last), Absences::default());
        assert_eq!(one.settle_in(last), Duration::ZERO);
        assert_eq!(Absences::default().settle_in(START), Duration::ZERO);

        // Off every night: of the absences only the last three lie within 26 hours of running.
        let mut nightly = Absences::default();
        for day in 1..=365 {
            let morning = after(day * DAY);
            nightly = nightly.remembered_at(morning.minus(8 * HOUR)).and(morning, 8 * HOUR);
            assert!(nightly.iter().count() <= 3, "{nightly:?}");
        }
        assert!(nightly.settle_in(after(365 * DAY)) == SETTLED_AFTER);
    }

    // However often it is away: what waits for a day of running waits for little more than that.
    #[test]
    fn absences_that_are_many_are_forgotten_all_the_same() {
        let minutes = |minutes: u32| Duration::from_secs(60) * minutes;
        let (mut absences, mut wall) = (Absences::default(), START);
        for _ in 0..10 {
            let from = wall;
            while !ProvenTime::new(wall, absences.clone()).has_come(from.plus(DAY), from) {
                wall = wall.plus(minutes(20));
                absences = absences.remembered_at(wall);
                wall = wall.plus(minutes(20));
                absences.add(Absence { until: wall, lasted: minutes(20) });
                assert!(wall.since(from) < 3 * DAY, "a day took {:?}", wall.since(from));
            }
        }
    }

    #[test]
    fn one_without_length_is_none() {
        assert_eq!(Absences::default().and(START, Duration::ZERO), Absences::default());
    }

    proptest! {
        // P24: however often it was away, no more has come than it has run.
        #[test]
        fn no_more_has_come_than_it_has_run(
            lives in proptest::collection::vec((0_u64..100_000, 0_u64..10_000_000), 1..200),
            set_in in 0_usize..200,
        ) {
            let (mut absences, mut wall, mut ran) = (Absences::default(), START, Duration::ZERO);
            let mut set: Option<(UnixTime, Duration)> = None;
            for (life, (runs, away)) in lives.into_iter().enumerate() {
                if life == set_in {
                    set = Some((wall, ran));
                }
                wall = wall.plus(Duration::from_secs(runs));
                ran += Duration::from_secs(runs);
                absences = absences.remembered_at(wall);
                wall = wall.plus(Duration::from_secs(away));
                absences.add(Absence { until: wall, lasted: Duration::from_secs(away) });
                prop_assert!(absences.iter().count() <= MAXIMUM_ABSENCES);
                let Some((from, ran_then)) = set else { continue };
                let proven = ProvenTime::new(wall, absences.clone()).reckoned_from(from);
                let truly = ran.saturating_sub(ran_then);
                prop_assert!(truly >= SETTLED_AFTER || proven <= from.plus(truly));
            }
        }
    }
}
