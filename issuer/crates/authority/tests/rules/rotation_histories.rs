//! Promises P1 and P2 over random histories: every token verifies with every key set that was served
//! from `publish_before_use` before it was minted until five minutes after it is dead, and no key signs
//! before it was served as long. What is served stays within the strict profile throughout. Ticks, commands, restarts, sleeps and a store that comes and goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use moneyer_authority::audit::Actor;
use moneyer_authority::keys::{
    KeyCommand, KeyKinds, KeyPlan, KeyState, Keys, Line, SKEW, Schedule,
};
use moneyer_authority::signer::KeyKind;
use moneyer_identity::{Clock as _, KeyId, ProvenTime, UnixTime};
use moneyer_testkit::signer::FreshSigner;
use moneyer_testkit::store::MemoryStore;
use moneyer_testkit::{ManualClock, START};
use proptest::prelude::*;

use crate::strict_profile::assert_strict;
use crate::world::ledger;

const LIFETIME: Duration = Duration::from_secs(120);
const MAX_AGE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone)]
enum Event {
    /// The loop looks after so many seconds, and documents are served anew.
    Tick(u64),
    /// The loop looks, and the documents of before are still served.
    TickUnserved(u64),
    Mint,
    Command(u8),
    Store(bool),
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0..40_u64).prop_map(Event::Tick),
        2 => (0..400_u64).prop_map(Event::Tick),
        2 => (0..40_u64).prop_map(Event::TickUnserved),
        8 => Just(Event::Mint),
        2 => (0..6_u8).prop_map(Event::Command),
        1 => any::<bool>().prop_map(Event::Store),
        1 => Just(Event::Restart),
    ]
}

struct Recorder {
    schedule: Schedule,
    kinds: KeyKinds,
    store: MemoryStore,
    clock: ManualClock,
    keys: Keys,
    /// What was served, from when.
    served: Vec<(UnixTime, Vec<KeyId>)>,
    minted: Vec<(UnixTime, KeyId)>,
    first_served: BTreeMap<KeyId, UnixTime>,
}

impl Recorder {
    async fn start(schedule: Schedule, kinds: KeyKinds) -> Self {
        let (store, clock) = (MemoryStore::default(), ManualClock::default());
        let keys = open(&store, schedule, kinds, START).await;
        let served = Vec::new();
        let minted = Vec::new();
        let first_served = BTreeMap::new();
        let mut recorder =
            Self { schedule, kinds, store, clock, keys, served, minted, first_served };
        recorder.serve();
        recorder
    }

    fn now(&self) -> UnixTime {
        self.clock.now()
    }

    fn serve(&mut self) {
        let ring = self.keys.ring();
        assert_strict(&ring);
        let key_ids: Vec<_> = ring.key_set().iter().map(|key| key.key_id().clone()).collect();
        let now = self.now();
        for key_id in &key_ids {
            self.first_served.entry(key_id.clone()).or_insert(now);
        }
        self.served.push((now, key_ids.clone()));
        self.keys.served(key_ids);
    }

    async fn look(&self) {
        for step in self.keys.due(self.now()) {
            // A step that the store refuses is due again.
            self.keys.carry_out(&Actor::System, &step, self.now()).await.ok();
        }
    }

    async fn take(&mut self, event: &Event) {
        match *event {
            Event::Tick(seconds) => {
                self.clock.advance(Duration::from_secs(seconds));
                self.look().await;
                self.serve();
            }
            Event::TickUnserved(seconds) => {
                self.clock.advance(Duration::from_secs(seconds));
                self.look().await;
            }
            Event::Mint => {
                let (ring, now) = (self.keys.ring(), self.now());
                for line in Line::ALL {
                    let key = ring.signing_key_of(line, now);
                    let key_id = key.map(|key| key.verifying_key().key_id().clone());
                    self.minted.extend(key_id.map(|key_id| (now, key_id)));
                }
            }
            Event::Command(which) => {
                let command = match which {
                    0 => KeyCommand::Prepare(Line::Primary),
                    5 => KeyCommand::Prepare(Line::Second),
                    1 => KeyCommand::Rotate,
                    2 => KeyCommand::Activate(None),
                    3 => KeyCommand::Prune(None),
                    _ => {
                        let ring = self.keys.ring();
                        let prepared = |record: &&_| is_prepared(record);
                        let Some(key) = ring.records().find(prepared) else { return };
                        KeyCommand::Retire(key.key_id.clone())
                    }
                };
                let now = self.now();
                for step in self.keys.judge(&command, &ProvenTime::certain(now)).unwrap_or_default()
                {
                    self.keys.carry_out(&Actor::System, &step, now).await.ok();
                }
            }
            Event::Store(unavailable) => self.store.set_unavailable(unavailable),
            Event::Restart => {
                self.store.set_unavailable(false);
                self.keys = open(&self.store, self.schedule, self.kinds, self.now()).await;
                self.serve();
            }
        }
    }

    fn check(&self) {
        for (at, key_id) in &self.minted {
            // The first keys sign at once: nobody can have cached a set without them.
            if self.served.first().is_none_or(|(_, firsts)| !firsts.contains(key_id)) {
                let served = self.first_served[key_id];
                assert!(
                    served.plus(self.schedule.publish_before_use()) <= *at,
                    "P2: {key_id} was served at {served} and signed at {at}"
                );
            }
            let begin = at.minus(self.schedule.publish_before_use()).max(START);
            let end = at.plus(LIFETIME).plus(SKEW);
            let from = self.served.partition_point(|(served_at, _)| *served_at < begin);
            for (served_at, key_ids) in &self.served[from..] {
                if *served_at > end {
                    break;
                }
                assert!(
                    key_ids.contains(key_id),
                    "P1: the token of {at} was signed with {key_id}, not served at {served_at}"
                );
            }
        }
    }
}

fn is_prepared(record: &moneyer_authority::keys::KeyRecord) -> bool {
    record.state == KeyState::Prepared
}

async fn open(store: &MemoryStore, schedule: Schedule, kinds: KeyKinds, now: UnixTime) -> Keys {
    let signer = Arc::new(FreshSigner);
    let plan = KeyPlan { kinds, x5c: false };
    Keys::open(ledger(store), signer, plan, schedule, now).await.unwrap()
}

const ONE: KeyKinds = KeyKinds { primary: KeyKind::P256, second: None };
const TWO: KeyKinds = KeyKinds { second: Some(KeyKind::P256), ..ONE };

fn run(schedule: Schedule, kinds: KeyKinds, events: &[Event]) -> Recorder {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut recorder = Recorder::start(schedule, kinds).await;
        for event in events {
            recorder.take(event).await;
        }
        recorder
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_token_verifies_from_before_it_was_minted_until_after_it_is_dead(
        rotate_every in 20..300_u64,
        publish_before_use in 10..90_u64,
        two_lines in any::<bool>(),
        events in prop::collection::vec(event(), 1..120),
    ) {
        let kinds = if two_lines { TWO } else { ONE };
        let seconds = Duration::from_secs;
        let schedule =
            Schedule::new(seconds(rotate_every), seconds(publish_before_use), MAX_AGE, LIFETIME);
        run(schedule.unwrap(), kinds, &events).check();
    }
}

// The recorder finds what it is there to find.
#[test]
#[should_panic(expected = "P2")]
fn a_key_that_signs_unpublished_is_noticed() {
    let schedule = |before_use| {
        let before_use = Duration::from_secs(before_use);
        Schedule::new(Duration::from_secs(20), before_use, MAX_AGE, LIFETIME).unwrap()
    };
    let switched_off: Vec<_> = (0..20).flat_map(|_| [Event::Tick(5), Event::Mint]).collect();
    let mut recorder = run(schedule(0), ONE, &switched_off);
    recorder.schedule = schedule(60);
    recorder.check();
}

#[test]
fn three_hundred_rounds_leave_no_key_behind() {
    let seconds = Duration::from_secs;
    let schedule = Schedule::new(seconds(20), seconds(40), MAX_AGE, LIFETIME).unwrap();
    let rounds = 300;
    let events: Vec<_> = (0..rounds * 5).flat_map(|_| [Event::Tick(5), Event::Mint]).collect();
    let recorder = run(schedule, ONE, &events);
    recorder.check();
    let signed: std::collections::BTreeSet<_> =
        recorder.minted.iter().map(|(_, key_id)| key_id).collect();
    assert!(signed.len() >= rounds, "{} keys signed", signed.len());
    let longest = recorder.served.iter().map(|(_, key_ids)| key_ids.len()).max().unwrap();
    assert!(longest <= 80, "{longest} keys at once");
}
