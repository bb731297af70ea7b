//! Which keys relying parties are seen to be served, and what a coordinator may conclude from it: pure.
//!
//! One that has its store to itself goes by what it sees. Where several share a store each looks for itself, and its
//! way to what relying parties read may be the only one that is broken. So the mark that a key is published, which is
//! everybody's, is taken back only by one that saw the key served and then saw the key set without it. Whoever never
//! saw it, or sees nothing, knows nothing. Once a coordinator sees a key again that it has missed, the key's time begins
//! anew: caches may have been filled meanwhile. Each of these happens once for a mark, so that no two coordinators undo one
//! another's for ever.

use std::collections::{BTreeMap, BTreeSet};

use moneyer_identity::{KeyId, UnixTime};

/// What came of a look at what relying parties are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nobody can tell.
    Unknown,
    /// What is there are not this issuer's documents.
    Nothing,
    /// The key set is there, with these keys.
    Shows(BTreeSet<KeyId>),
}

/// A key that was written down as published, and since when.
pub(crate) type Mark = (KeyId, UnixTime);

/// What was seen of the keys.
#[derive(Debug)]
pub(crate) struct Sights {
    is_shared: bool,
    /// By the last look; `None` where it could not tell.
    shows: Option<BTreeSet<KeyId>>,
    of: BTreeMap<KeyId, Sight>,
}

/// What was seen of a key since it was marked.
#[derive(Debug, Clone, Copy)]
struct Sight {
    marked_at: UnixTime,
    seen: bool,
    /// It was not seen, and might have been there all the same.
    missed: bool,
    /// It was seen, and then it was not in the key set.
    gone: bool,
}

/// What may be concluded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// The keys that relying parties are served; `None` while nobody can tell.
    pub(crate) served: Option<BTreeSet<KeyId>>,
    /// Of these nothing is known here.
    pub(crate) untold: BTreeSet<KeyId>,
}

impl Sights {
    pub(crate) fn new(is_shared: bool) -> Self {
        Self { is_shared, shows: None, of: BTreeMap::new() }
    }

    /// Takes in a look, with the keys that are marked as published at that time.
    pub(crate) fn take(&mut self, look: Look, marks: &[Mark]) {
        let (shows, is_ours) = match look {
            Look::Unknown => {
                self.shows = None;
                return;
            }
            Look::Nothing => (BTreeSet::new(), false),
            Look::Shows(shows) => (shows, true),
        };
        let before = self.shows.take().unwrap_or_default();
        let see = |(key_id, marked_at): &Mark| {
            let seen = before.contains(key_id);
            let anew = Sight { marked_at: *marked_at, seen, missed: false, gone: false };
            let mut sight = self.of(key_id, *marked_at).unwrap_or(anew);
            if shows.contains(key_id) {
                sight.seen = true;
            } else if is_ours && sight.seen {
                sight.gone = true;
            } else {
                sight.missed = true;
            }
            (key_id.clone(), sight)
        };
        self.of = marks.iter().map(see).collect();
        self.shows = Some(shows);
    }

    /// What may be concluded at this moment.
    pub(crate) fn view(&self, marks: &[Mark]) -> View {
        let Some(shows) = &self.shows else { return View::default() };
        let (mut served, mut untold) = (shows.clone(), BTreeSet::new());
        for (key_id, marked_at) in marks.iter().filter(|_| self.is_shared) {
            let sight = self.of(key_id, *marked_at);
            let is_there = shows.contains(key_id);
            if sight.is_some_and(|one| one.gone || (one.missed && is_there)) {
                served.remove(key_id);
            } else if !is_there {
                untold.insert(key_id.clone());
            }
        }
        View { served: Some(served), untold }
    }

    fn of(&self, key_id: &KeyId, marked_at: UnixTime) -> Option<Sight> {
        self.of.get(key_id).filter(|sight| sight.marked_at == marked_at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> KeyId {
        KeyId::parse("key").unwrap()
    }

    fn shown() -> Look {
        Look::Shows(BTreeSet::from([key()]))
    }

    fn lacking() -> Look {
        Look::Shows(BTreeSet::new())
    }

    /// What is to become of a marked key.
    #[derive(Debug, PartialEq, Eq)]
    enum Mean {
        Served,
        Lapses,
        Waits,
    }

    fn mean(sights: &Sights, marked_at: i64) -> Mean {
        let view = sights.view(&[(key(), UnixTime(marked_at))]);
        match (view.served, view.untold.contains(&key())) {
            (Some(served), false) if served.contains(&key()) => Mean::Served,
            (Some(_), false) => Mean::Lapses,
            _ => Mean::Waits,
        }
    }

    fn after(is_shared: bool, looks: &[Look]) -> Sights {
        let mut sights = Sights::new(is_shared);
        for look in looks {
            sights.take(look.clone(), &[(key(), UnixTime(1))]);
        }
        sights
    }

    #[test]
    fn whoever_never_saw_a_key_served_takes_no_mark_back() {
        for looks in [[lacking(), lacking()], [Look::Nothing, Look::Nothing]] {
            assert_eq!(mean(&after(true, &looks), 1), Mean::Waits);
            // One that has its store to itself is the only one that looks.
            assert_eq!(mean(&after(false, &looks), 1), Mean::Lapses);
        }
    }

    #[test]
    fn who_saw_it_served_and_then_gone_takes_it_back_once() {
        let mut sights = after(true, &[shown(), lacking()]);
        assert_eq!(mean(&sights, 1), Mean::Lapses);
        // Another coordinator marks it anew.
        assert_eq!(mean(&sights, 2), Mean::Waits);
        sights.take(lacking(), &[(key(), UnixTime(2))]);
        assert_eq!(mean(&sights, 2), Mean::Waits);
    }

    #[test]
    fn a_look_that_fails_says_nothing() {
        assert_eq!(mean(&after(true, &[shown(), Look::Nothing]), 1), Mean::Waits);
        assert_eq!(mean(&after(true, &[shown(), Look::Unknown]), 1), Mean::Waits);
        assert_eq!(mean(&after(true, &[shown(), Look::Unknown, shown()]), 1), Mean::Served);
        assert_eq!(mean(&after(false, &[shown(), Look::Nothing]), 1), Mean::Lapses);
    }

    #[test]
    fn the_time_of_a_key_that_was_missed_begins_anew_when_it_is_seen() {
        for missed in [lacking(), Look::Nothing] {
            let mut sights = after(true, &[missed, shown()]);
            assert_eq!(mean(&sights, 1), Mean::Lapses, "caches may have been filled without it");
            sights.take(shown(), &[(key(), UnixTime(2))]);
            assert_eq!(mean(&sights, 2), Mean::Served);
        }
    }

    #[test]
    fn who_saw_it_just_before_it_was_marked_has_seen_it() {
        let mut sights = Sights::new(true);
        sights.take(shown(), &[]);
        assert_eq!(mean(&sights, 1), Mean::Served);
        sights.take(lacking(), &[(key(), UnixTime(1))]);
        assert_eq!(mean(&sights, 1), Mean::Lapses);
    }
}
