//! What is due when, on hand-made times; and commands, with the reasons of their refusals.

use std::collections::BTreeSet;
use std::time::Duration;

use moneyer_authority::keys::{
    CommandError, KeyCommand, KeyState, KeyTimes, Line, Rotation, Schedule, Step, Waiting,
};
use moneyer_identity::{ErrorClass, KeyId, ProvenTime, UnixTime};
use moneyer_testkit::START;

use crate::world::{DAY, HOUR, schedule};

fn id(name: &str) -> KeyId {
    KeyId::parse(name).unwrap()
}

fn after(duration: Duration) -> UnixTime {
    START.plus(duration)
}

fn active(name: &str) -> KeyTimes {
    KeyTimes {
        line: Line::Primary,
        key_id: id(name),
        state: KeyState::Active,
        created_at: START,
        published_at: Some(START),
        activated_at: Some(START),
        sign_until: Some(after(33 * DAY)),
        longest_lifetime: None,
        legacy: false,
    }
}

fn prepared(name: &str, published: Option<Duration>) -> KeyTimes {
    KeyTimes {
        line: Line::Primary,
        key_id: id(name),
        state: KeyState::Prepared,
        created_at: START,
        published_at: published.map(after),
        activated_at: None,
        sign_until: None,
        longest_lifetime: None,
        legacy: false,
    }
}

fn retiring(name: &str, sign_until: Duration) -> KeyTimes {
    let sign_until = Some(after(sign_until));
    KeyTimes { state: KeyState::Retiring, sign_until, ..active(name) }
}

struct Ring {
    keys: Vec<KeyTimes>,
    /// `None`: nobody can tell.
    served: Option<BTreeSet<KeyId>>,
    /// Nobody can tell of these.
    untold: BTreeSet<KeyId>,
    requested: bool,
    schedule: Schedule,
}

impl Ring {
    fn of(keys: &[KeyTimes]) -> Self {
        let is_served = |key: &&KeyTimes| key.published_at.is_some();
        let served = keys.iter().filter(is_served).map(|key| key.key_id.clone()).collect();
        Self {
            keys: keys.to_vec(),
            served: Some(served),
            untold: BTreeSet::new(),
            requested: false,
            schedule: schedule(),
        }
    }

    fn rotation(&self) -> Rotation<'_> {
        let Self { keys, served, untold, requested, schedule } = self;
        let (line, served) = (Line::Primary, served.as_ref());
        Rotation { keys, line, served, untold, requested: *requested, schedule }
    }

    fn serve(&mut self, name: &str) {
        self.served.get_or_insert_default().insert(id(name));
    }

    fn due(&self, at: Duration) -> Vec<Step> {
        self.rotation().due(after(at))
    }

    fn judge(&self, command: &KeyCommand, at: Duration) -> Result<Vec<Step>, CommandError> {
        self.rotation().judge(command, &ProvenTime::certain(after(at)))
    }
}

const SECOND: Duration = Duration::from_secs(1);

fn just_before(time: Duration) -> Duration {
    time.saturating_sub(SECOND)
}

#[test]
fn the_next_key_is_prepared_a_publication_before_its_turn() {
    let ring = Ring::of(&[active("a")]);
    assert_eq!(ring.due(just_before(29 * DAY)), []);
    assert_eq!(ring.due(29 * DAY), [Step::Prepare(Line::Primary)]);
}

#[test]
fn a_key_is_published_when_it_is_served_and_ripens_from_then() {
    let mut ring = Ring::of(&[active("a"), prepared("b", None)]);
    assert_eq!(ring.due(29 * DAY), [], "nobody is served it yet");
    let outlook = ring.rotation().outlook(after(29 * DAY));
    let publish = outlook.iter().find(|next| next.step == Step::Publish(id("b"))).unwrap();
    assert_eq!((publish.at, publish.waiting), (None, Waiting::Publication));
    ring.serve("b");
    assert_eq!(ring.due(29 * DAY), [Step::Publish(id("b"))]);
    ring.keys[1].published_at = Some(after(29 * DAY + HOUR));
    assert_eq!(ring.due(30 * DAY), []);
    let outlook = ring.rotation().outlook(after(30 * DAY));
    assert_eq!(outlook[0].step, Step::Activate(id("b")));
    assert_eq!(outlook[0].at, Some(after(30 * DAY + HOUR)));
    assert_eq!(outlook[0].waiting, Waiting::PublishBeforeUse);
    assert_eq!(ring.due(30 * DAY + HOUR), [Step::Activate(id("b"))]);
}

#[test]
fn a_key_that_nobody_is_served_any_more_begins_anew() {
    let mut ring = Ring::of(&[active("a"), prepared("b", Some(HOUR))]);
    ring.served = Some(BTreeSet::from([id("a")]));
    assert_eq!(ring.due(20 * DAY), [Step::Lapse(id("b"))]);
    let refused = ring.judge(&KeyCommand::Activate(Some(id("b"))), 20 * DAY);
    assert_eq!(refused, Err(CommandError::NotServed(id("b"))));
    ring.keys[1].published_at = None;
    assert_eq!(ring.due(29 * DAY), []);
    ring.serve("b");
    assert_eq!(ring.due(29 * DAY + HOUR), [Step::Publish(id("b"))]);
    ring.keys[1].published_at = Some(after(29 * DAY + HOUR));
    assert_eq!(ring.due(30 * DAY), []);
    assert_eq!(ring.due(30 * DAY + HOUR), [Step::Activate(id("b"))]);
}

#[test]
fn a_key_waits_while_nobody_can_tell_what_is_served_and_loses_no_time() {
    let mut ring = Ring::of(&[active("a"), prepared("b", Some(HOUR))]);
    let served = ring.served.take();
    assert_eq!(ring.due(30 * DAY), []);
    let outlook = ring.rotation().outlook(after(30 * DAY));
    let activation = outlook.iter().find(|next| next.step == Step::Activate(id("b"))).unwrap();
    assert_eq!((activation.at, activation.waiting), (None, Waiting::Publication));
    ring.served = served;
    assert_eq!(ring.due(30 * DAY), [Step::Activate(id("b"))]);
}

#[test]
fn a_key_of_which_nobody_can_tell_here_waits_and_loses_no_time() {
    let mut ring = Ring::of(&[active("a"), prepared("b", Some(HOUR))]);
    ring.served = Some(BTreeSet::from([id("a")]));
    ring.untold = BTreeSet::from([id("b")]);
    assert_eq!(ring.due(30 * DAY), []);
    let refused = ring.judge(&KeyCommand::Activate(Some(id("b"))), 30 * DAY);
    assert_eq!(refused, Err(CommandError::NotServed(id("b"))));
    ring.untold.clear();
    ring.serve("b");
    assert_eq!(ring.due(30 * DAY), [Step::Activate(id("b"))]);
}

#[test]
fn a_ripe_key_waits_for_its_turn() {
    let ring = Ring::of(&[active("a"), prepared("b", Some(HOUR))]);
    assert_eq!(ring.due(just_before(30 * DAY)), []);
    let outlook = ring.rotation().outlook(after(10 * DAY));
    assert_eq!(outlook[0].waiting, Waiting::Schedule);
    assert_eq!(ring.due(30 * DAY), [Step::Activate(id("b"))]);
}

#[test]
fn a_round_that_was_asked_for_waits_for_publication_only() {
    let mut ring = Ring::of(&[active("a")]);
    ring.requested = true;
    assert_eq!(ring.due(HOUR), [Step::Prepare(Line::Primary)]);
    ring.keys.push(prepared("b", Some(HOUR)));
    ring.serve("b");
    assert_eq!(ring.due(just_before(HOUR + DAY)), []);
    assert_eq!(ring.due(HOUR + DAY), [Step::Activate(id("b"))]);
}

// P1.
#[test]
fn a_key_is_published_until_the_longest_token_it_ever_signed_is_dead() {
    let retired = retiring("a", DAY);
    let longest = |lifetime| KeyTimes { longest_lifetime: lifetime, ..retired.clone() };
    let ring = Ring::of(&[]);
    let dead_at = |key: &KeyTimes| ring.rotation().dead_at(key).unwrap();
    let by_configuration = dead_at(&longest(None));
    assert_eq!(dead_at(&longest(Some(HOUR))), by_configuration);
    assert_eq!(dead_at(&longest(Some(3 * DAY))), by_configuration.plus(2 * DAY));
}

#[test]
fn a_legacy_key_gets_its_successor_at_once() {
    let ring = Ring::of(&[KeyTimes { legacy: true, ..active("eddsa") }]);
    assert_eq!(ring.due(SECOND), [Step::Prepare(Line::Primary)]);
}

#[test]
fn rounds_shorter_than_publication_have_several_keys_under_way() {
    let seconds = Duration::from_secs;
    let mut ring = Ring::of(&[active("a"), prepared("b", Some(Duration::ZERO))]);
    ring.schedule = Schedule::new(seconds(20), seconds(60), seconds(20), seconds(60)).unwrap();
    ring.keys[0].sign_until = Some(after(seconds(200)));
    assert_eq!(ring.due(seconds(19)), []);
    assert_eq!(ring.due(seconds(20)), [Step::Prepare(Line::Primary)], "for the turn at 80 s");
    ring.keys.push(prepared("c", Some(seconds(20))));
    ring.serve("c");
    assert_eq!(ring.due(seconds(39)), []);
    assert_eq!(ring.due(seconds(40)), [Step::Prepare(Line::Primary)], "for the turn at 100 s");
    assert_eq!(ring.due(seconds(60)), [Step::Prepare(Line::Primary), Step::Activate(id("b"))]);
}

#[test]
fn the_end_of_a_key_without_a_successor_moves_out_in_time() {
    let ring = Ring::of(&[active("a"), prepared("b", None)]);
    let half = 31 * DAY + DAY / 2;
    assert_eq!(ring.due(just_before(half)), []);
    assert_eq!(ring.due(half), [Step::Extend(id("a"), after(half + 3 * DAY))]);
    let late = 90 * DAY;
    assert_eq!(
        ring.due(late),
        [Step::Extend(id("a"), after(late + 3 * DAY))],
        "after a long sleep"
    );
}

#[test]
fn a_key_is_forgotten_when_its_last_token_is_dead_everywhere() {
    let ring = Ring::of(&[active("b"), retiring("a", 10 * DAY)]);
    let dead = 11 * DAY + Duration::from_secs(300);
    assert_eq!(ring.due(just_before(dead)), []);
    assert_eq!(ring.due(dead), [Step::Prune(id("a"))]);
    let endless = KeyTimes { sign_until: None, ..retiring("a", DAY) };
    assert_eq!(Ring::of(&[active("b"), endless]).due(20 * DAY), [], "nobody knows when");
}

// Case 67.
#[test]
fn commands_are_refused_with_what_would_be_right() {
    let ring = Ring::of(&[
        active("a"),
        prepared("unserved", None),
        prepared("young", Some(DAY)),
        retiring("old", 2 * DAY),
    ]);
    let now = DAY + 23 * HOUR;
    let activate = |name: &str| ring.judge(&KeyCommand::Activate(Some(id(name))), now);
    assert_eq!(activate("unserved"), Err(CommandError::NotServed(id("unserved"))));
    let (at, at_now) = (after(2 * DAY), after(now));
    let early = CommandError::TooEarly { key_id: id("young"), at, now: at_now };
    assert_eq!(activate("young"), Err(early.clone()));
    assert_eq!(
        early.to_string(),
        "key young may sign from 2027-01-17T08:00:00Z on, 3600 s from now: until then relying \
         parties may have a cached key set without it; `moneyer key rotate --emergency` does not wait"
    );
    assert_eq!(activate("nobody"), Err(CommandError::NoSuchKey(id("nobody"))));
    assert_eq!(activate("nobody").unwrap_err().class(), ErrorClass::NotFound);
    let again = activate("a").unwrap_err();
    assert_eq!(again.to_string(), "key a is active, and only a prepared key can be activated");
    assert_eq!(again.class(), ErrorClass::Conflict);
    let retire = ring.judge(&KeyCommand::Retire(id("a")), now).unwrap_err();
    assert_eq!(retire.to_string(), "key a is active, and only a prepared key can be retired");
    let prune = |name: &str| ring.judge(&KeyCommand::Prune(Some(id(name))), now);
    assert!(matches!(prune("a"), Err(CommandError::State { .. })));
    let until = after(3 * DAY + Duration::from_secs(300));
    let living = CommandError::LivingTokens { key_id: id("old"), until, now: at_now };
    assert_eq!(prune("old"), Err(living));
    assert_eq!(ring.judge(&KeyCommand::Prune(None), now), Ok(Vec::new()));
    let none = Ring::of(&[active("a")]).judge(&KeyCommand::Activate(None), now);
    assert_eq!(none, Err(CommandError::NothingPrepared));
}

#[test]
fn an_emergency_takes_the_key_and_what_would_sign_next() {
    let ring = Ring::of(&[active("a"), prepared("b", None), retiring("c", DAY)]);
    let withdrawn = |name: Option<&str>| ring.judge(&KeyCommand::Emergency(name.map(id)), HOUR);
    assert_eq!(withdrawn(None), Ok(vec![Step::Withdraw(vec![id("a"), id("b")])]));
    assert_eq!(withdrawn(Some("c")), Ok(vec![Step::Withdraw(vec![id("c"), id("b")])]));
    assert!(matches!(withdrawn(Some("d")), Err(CommandError::NoSuchKey(_))));
}
