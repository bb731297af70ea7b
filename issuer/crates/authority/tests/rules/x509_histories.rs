//! Promises P1 and P2 of SVIDs, over random histories: every SVID verifies with every bundle from
//! `publish_before_use` before it was signed until it is dead, and no authority signs before it was in the
//! bundle as long. Ticks, commands, restarts, a bundle that lags, and a store that comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use moneyer_authority::enrollment::{AuthenticatedRunner, Caller, CertificateLifetimes, PeerLeaf};
use moneyer_authority::keys::{KeyCommand, KeyState, Line};
use moneyer_authority::svid::{X509AuthorityRecord, X509Plan};
use moneyer_authority::{Authority, Charter};
use moneyer_identity::{KeyId, UnixTime};
use moneyer_testkit::{MemberRequest, START, openssl_verifies};
use proptest::prelude::*;

use crate::world::{DAY, World, charter, operator, sandbox};
use crate::x509_svids::bundle;

const LIFETIME: Duration = Duration::from_secs(120);

#[derive(Debug, Clone)]
enum Event {
    /// The loop looks after so many seconds, and the bundle follows.
    Tick(u64),
    /// The loop looks, and the bundle of before is still served.
    TickUnserved(u64),
    Sign,
    Command(u8),
    Store(bool),
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0..40_u64).prop_map(Event::Tick),
        2 => (0..400_u64).prop_map(Event::Tick),
        2 => (0..40_u64).prop_map(Event::TickUnserved),
        8 => Just(Event::Sign),
        2 => (0..5_u8).prop_map(Event::Command),
        1 => any::<bool>().prop_map(Event::Store),
        1 => Just(Event::Restart),
    ]
}

/// What was served at one moment.
type Bundle = Vec<(KeyId, Vec<u8>)>;

struct Recorder {
    charter: Charter,
    world: World,
    runner: AuthenticatedRunner,
    leaf: PeerLeaf,
    request: Vec<u8>,
    served: Vec<(UnixTime, Bundle)>,
    signed: Vec<(UnixTime, KeyId, UnixTime, Vec<u8>)>,
    first_served: BTreeMap<KeyId, UnixTime>,
    /// Whose key each certificate is over.
    ids: BTreeMap<Vec<u8>, KeyId>,
}

impl Recorder {
    async fn start(plan: X509Plan) -> Self {
        let certificates = CertificateLifetimes::default().with_member(90 * DAY).unwrap();
        let charter = Charter { x509: plan, certificates, ..charter() };
        let world = World::chartered(charter.clone()).await;
        let (runner, leaf) = world.join("runner-1").await;
        world.put_app("web").await;
        world.place("web-1", "web", "runner-1").await;
        let request = MemberRequest::p256().der;
        let (served, signed) = (Vec::new(), Vec::new());
        let (first_served, ids) = (BTreeMap::new(), BTreeMap::new());
        let mut recorder =
            Self { charter, world, runner, leaf, request, served, signed, first_served, ids };
        recorder.serve();
        recorder
    }

    fn now(&self) -> UnixTime {
        self.world.now()
    }

    fn authority(&self) -> &Authority {
        &self.world.authority
    }

    /// Writes down what is served now, and from when.
    fn serve(&mut self) {
        let ids: BTreeMap<Vec<u8>, KeyId> = {
            let ring = self.authority().x509_authorities().ring();
            let one = |record: &X509AuthorityRecord| {
                (record.certificate.to_der().unwrap(), record.key_id.clone())
            };
            ring.records().map(one).collect()
        };
        self.ids.extend(ids);
        let now = self.now();
        let bundle = bundle(self.authority());
        let bundle: Bundle = bundle.into_iter().map(|der| (self.ids[&der].clone(), der)).collect();
        for (key_id, _) in &bundle {
            self.first_served.entry(key_id.clone()).or_insert(now);
        }
        self.served.push((now, bundle));
    }

    async fn take(&mut self, event: &Event) {
        match *event {
            Event::Tick(seconds) => {
                self.world.clock.advance(Duration::from_secs(seconds));
                // A step that the store refuses is due again.
                self.authority().rotate_x509().await;
                self.authority().bundle().follow().await.ok();
            }
            Event::TickUnserved(seconds) => {
                self.world.clock.advance(Duration::from_secs(seconds));
                self.authority().rotate_x509().await;
            }
            Event::Sign => {
                let (authority, id) = (self.authority(), sandbox("web-1"));
                let signed = authority.sign_x509_svid(&self.runner, &id, &self.request).await;
                let now = self.now();
                let made = |mut svid: moneyer_authority::svid::X509Svid| {
                    (now, svid.key_id, svid.not_after, svid.certificates.remove(0))
                };
                self.signed.extend(signed.ok().map(made));
            }
            Event::Command(which) => self.command(which).await,
            Event::Store(unavailable) => self.world.store.set_unavailable(unavailable),
            Event::Restart => {
                self.world.store.set_unavailable(false);
                self.world.authority = self.world.reopened_as(self.charter.clone()).await;
                let Caller::Runner(runner) = self.authority().authenticate(&self.leaf).unwrap()
                else {
                    panic!("a runner became something else")
                };
                self.runner = runner;
            }
        }
        self.serve();
    }

    async fn command(&self, which: u8) {
        let command = match which {
            0 => KeyCommand::Prepare(Line::Primary),
            1 => KeyCommand::Rotate,
            2 => KeyCommand::Activate(None),
            3 => KeyCommand::Prune(None),
            _ => {
                let ring = self.authority().x509_authorities().ring();
                let mut records = ring.records();
                let Some(key) = records.find(|record| record.state == KeyState::Prepared) else {
                    return;
                };
                KeyCommand::Retire(key.key_id.clone())
            }
        };
        self.authority().command_x509(&operator(), &command).await.ok();
    }

    fn check(&self) {
        let plan = self.charter.x509;
        let before_use = plan.schedule().publish_before_use();
        for (at, key_id, not_after, leaf) in &self.signed {
            // The first one signs at once: nobody can have a bundle without it.
            let (_, firsts) = &self.served[0];
            if !firsts.iter().any(|(first, _)| first == key_id) {
                let served = self.first_served[key_id];
                assert!(
                    served.plus(before_use) <= *at,
                    "P2: {key_id} was served at {served} and signed at {at}"
                );
            }
            let begin = at.minus(before_use).max(START);
            // What is served at `begin` was served before: bundles last until the next one.
            let from = self.served.partition_point(|(served_at, _)| *served_at <= begin);
            let bundles = &self.served[from.saturating_sub(1)..];
            let mut anchors = None;
            for (served_at, bundle) in bundles {
                if served_at >= not_after {
                    break;
                }
                assert!(
                    bundle.iter().any(|(listed, _)| listed == key_id),
                    "P1: the SVID of {at} was signed by {key_id}, not served at {served_at}"
                );
                anchors = Some(bundle);
            }
            // The whole bundle once; at its end by the one that matters, or this would take minutes.
            let all: Vec<_> = anchors.unwrap().iter().map(|(_, der)| der).collect();
            openssl_verifies(leaf, &all, *at).unwrap();
            let own = anchors.unwrap().iter().filter(|(listed, _)| listed == key_id);
            let own: Vec<_> = own.map(|(_, der)| der).collect();
            openssl_verifies(leaf, &own, not_after.minus(Duration::from_secs(1))).unwrap();
        }
    }
}

fn run(plan: X509Plan, events: &[Event]) -> Recorder {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut recorder = Recorder::start(plan).await;
        for event in events {
            recorder.take(event).await;
        }
        recorder
    })
}

fn plan(rotate_every: u64, publish_before_use: u64) -> X509Plan {
    let seconds = Duration::from_secs;
    X509Plan::new(LIFETIME, seconds(rotate_every), seconds(publish_before_use)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_svid_verifies_from_before_it_was_signed_until_it_is_dead(
        rotate_every in 20..300_u64,
        publish_before_use in 10..90_u64,
        events in prop::collection::vec(event(), 1..120),
    ) {
        run(plan(rotate_every, publish_before_use), &events).check();
    }
}

// The recorder finds what it is there to find.
#[test]
#[should_panic(expected = "P2")]
fn an_authority_that_signs_unpublished_is_noticed() {
    let switched_off: Vec<_> = (0..40).flat_map(|_| [Event::Tick(5), Event::Sign]).collect();
    let mut recorder = run(plan(20, 0), &switched_off);
    recorder.charter.x509 = plan(20, 60);
    recorder.check();
}

// The schedule of the acceptance test: an authority every 30 s, SVIDs of five minutes.
#[test]
fn an_authority_every_30_s_leaves_none_behind() {
    let minutes = Duration::from_secs(300);
    let plan = X509Plan::new(minutes, Duration::from_secs(30), Duration::from_secs(10)).unwrap();
    let events: Vec<_> = (0..200)
        .flat_map(|_| [1, 1, 1, 1, 1].map(Event::Tick).into_iter().chain([Event::Sign]))
        .collect();
    let recorder = run(plan, &events);
    recorder.check();
    let signed: std::collections::BTreeSet<_> =
        recorder.signed.iter().map(|(_, key_id, ..)| key_id).collect();
    assert!(signed.len() >= 25, "{} authorities signed", signed.len());
    let longest = recorder.served.iter().map(|(_, bundle)| bundle.len()).max().unwrap();
    assert!(longest <= 40, "{longest} authorities at once");
}
