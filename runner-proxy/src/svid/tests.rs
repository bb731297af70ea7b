//! The keeper over time, on a paused clock: sharing, renewal, outages, refusals.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moneyer_identity::ErrorClass;
use moneyer_identity::spiffe::SpiffeId;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::coordinator::{
    KnownBundles, KnownPlacement, Occupant, PlacedSandbox, PlacementChange, ToldBundles,
};
use crate::fakes::bundles::FakeAuthority;
use crate::fakes::{FakeSigner, Mode, sandbox, spiffe_id};
use crate::metrics::Metrics;
use crate::token::Timeline;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

struct Bench {
    signer: FakeSigner,
    keeper: Arc<SvidKeeper>,
    placement: Arc<KnownPlacement>,
    bundles: Arc<KnownBundles>,
    connected: watch::Sender<bool>,
    asleep: Arc<AtomicU64>,
    stop: CancellationToken,
    _state: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let placement = KnownPlacement::read(&state.path().join("placement.json")).unwrap();
        let placement = Arc::new(placement);
        let bundles = KnownBundles::read(&state.path().join("bundles.json")).unwrap();
        let bundles = Arc::new(bundles);
        let (signer, connected) = (FakeSigner::new(), watch::Sender::new(true));
        let asleep = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asleep);
        let office = SvidOffice::new(
            Arc::new(signer.clone()),
            (Arc::clone(&bundles), connected.subscribe()),
            (|whole| whole / 2, seconds(30)),
            Timeline::new(move || seconds(counted.load(Ordering::Relaxed))),
            Metrics::new(),
        );
        let subject = SvidSubject {
            placement: Arc::clone(&placement),
            sandbox: sandbox("s"),
            occupant: Occupant::of_app("web"),
        };
        let stop = CancellationToken::new();
        let keeper = office.keeper(subject, stop.clone());
        let bench =
            Self { signer, keeper, placement, bundles, connected, asleep, stop, _state: state };
        bench.place(Some(spiffe_id("s")));
        bench
    }

    fn place(&self, spiffe_id: Option<SpiffeId>) {
        self.place_as(spiffe_id.map_or(Subject::Nobody, Subject::Of));
    }

    fn place_as(&self, subject: Subject) {
        let placed = PlacedSandbox {
            occupant: Occupant::of_app("web"),
            profiles: Vec::new(),
            subject,
            grants: Arc::default(),
        };
        self.placement.apply(1, PlacementChange::Placed(sandbox("s"), placed));
    }

    /// What there is a moment after it is asked for; nobody follows it from there on.
    async fn asked(&self) -> Option<Arc<X509Svid>> {
        let stock = self.keeper.ask();
        sleep(Duration::from_millis(1)).await;
        self.on(&stock)
    }

    fn on(&self, stock: &watch::Receiver<Stock>) -> Option<Arc<X509Svid>> {
        self.keeper.living(&stock.borrow())
    }

    fn trust(&self, authorities: &[&FakeAuthority]) {
        let own = FakeAuthority::told("id.test", authorities);
        self.bundles.take_in(ToldBundles { own, federated: Vec::new() }).unwrap();
    }

    fn goes_away(&self) {
        self.signer.set(Mode::Fails(ErrorClass::Unavailable));
        self.connected.send_replace(false);
    }

    fn comes_back(&self) {
        self.signer.set(Mode::Up);
        self.connected.send_replace(true);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn however_many_ask_one_is_made_and_nobody_asking_none() {
    let bench = Bench::new();
    sleep(seconds(60)).await;
    assert_eq!(bench.signer.signed(), 0);
    bench.signer.set(Mode::Slow(seconds(1)));
    let stocks: Vec<_> = (0..100).map(|_| bench.keeper.ask()).collect();
    sleep(seconds(2)).await;
    let first = bench.on(&stocks[0]).unwrap();
    assert!(stocks.iter().all(|stock| Arc::ptr_eq(&bench.on(stock).unwrap(), &first)));
    assert_eq!((bench.signer.signed(), first.chain().as_slice()), (1, &[1, 0][..]));
    assert_eq!(first.id, spiffe_id("s"));
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_before_half_its_life_with_a_new_key_while_it_is_followed() {
    let bench = Bench::new();
    let mut stock = bench.keeper.ask();
    stock.wait_for(|stock| stock.held.is_some()).await.unwrap();
    let first = bench.on(&stock).unwrap();
    for _ in 0..10 {
        stock.mark_unchanged();
        let begun = Instant::now();
        stock.changed().await.unwrap();
        let waited = begun.elapsed();
        assert!(waited <= seconds(1800) && waited >= seconds(1770), "{waited:?}");
    }
    let last = bench.on(&stock).unwrap();
    assert_ne!(first.key.expose(), last.key.expose());
    assert_eq!(bench.signer.signed(), 11);
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_uses_is_not_renewed_but_kept_to_its_end() {
    let bench = Bench::new();
    let first = bench.asked().await.unwrap();
    sleep(seconds(1700)).await;
    // Asked for once more in its first half: it is in use, and is renewed once.
    assert!(Arc::ptr_eq(&bench.asked().await.unwrap(), &first));
    sleep(seconds(200)).await;
    assert_eq!(bench.signer.signed(), 2);
    sleep(seconds(3400)).await;
    assert_eq!(bench.signer.signed(), 2);
    let stock = bench.keeper.ask();
    assert_eq!(bench.on(&stock).unwrap().chain()[0], 2, "still good for a while");
    sleep(seconds(1)).await;
    assert_eq!(bench.on(&stock).unwrap().chain()[0], 3, "and renewed, now that somebody wants it");
    drop(stock);
    sleep(seconds(3600)).await;
    let asked = bench.signer.asked().len();
    sleep(seconds(36_000)).await;
    assert_eq!(bench.signer.asked().len(), asked);
    assert!(bench.asked().await.is_some());
}

#[tokio::test(start_paused = true)]
async fn while_the_coordinator_is_away_it_is_served_to_its_end_and_renewed_when_it_is_back() {
    let bench = Bench::new();
    let stock = bench.keeper.ask();
    sleep(seconds(1)).await;
    bench.goes_away();
    sleep(seconds(3590)).await;
    assert_eq!(bench.on(&stock).unwrap().chain()[0], 1);
    assert!(stock.borrow().failure.is_some());
    sleep(seconds(10)).await;
    assert!(bench.on(&stock).is_none(), "it is over");
    let asked = bench.signer.asked();
    assert!(asked.len() < 60, "{} attempts in half an hour", asked.len());
    bench.comes_back();
    sleep(seconds(31)).await;
    assert_eq!(bench.on(&stock).unwrap().chain()[0], 2);
}

#[tokio::test(start_paused = true)]
async fn however_often_it_is_asked_for_in_vain_the_pause_after_a_failure_stands() {
    // With the upper half of each pause drawn in its middle: 0.75 s, 1.5 s, 3 s and so on after the first.
    for (class, attempts) in [
        (ErrorClass::NotFound, 1),
        (ErrorClass::Denied, 1),
        (ErrorClass::Exhausted, 7),
        (ErrorClass::Unavailable, 7),
        (ErrorClass::Internal, 7),
    ] {
        let bench = Bench::new();
        bench.signer.set(Mode::Fails(class));
        for _ in 0..6000 {
            drop(bench.keeper.ask());
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(bench.signer.asked().len(), attempts, "attempts in a minute: {class:?}");
        bench.signer.set(Mode::Up);
        sleep(seconds(300)).await;
        assert!(bench.asked().await.is_some(), "{class:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_answers_whoever_asks_in_the_pause_after_it_and_nobody_later() {
    let bench = Bench::new();
    bench.signer.set(Mode::Fails(ErrorClass::NotFound));
    let answers = |stock: &watch::Receiver<Stock>| {
        let stock = stock.borrow().clone();
        stock.failure.is_some() && stock.attempts > bench.keeper.answered(&stock)
    };
    let stock = bench.keeper.ask();
    assert!(!answers(&stock), "nothing has failed yet");
    sleep(seconds(1)).await;
    assert!(answers(&bench.keeper.ask()));
    sleep(seconds(223)).await;
    assert!(answers(&stock), "a second before the pause is over");
    bench.signer.set(Mode::Slow(seconds(3)));
    sleep(seconds(2)).await;
    assert!(!answers(&stock), "another attempt is under way");
    sleep(seconds(3)).await;
    assert!(bench.on(&stock).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_for_one_id_is_tried_for_another_at_once() {
    let bench = Bench::new();
    bench.signer.set(Mode::Fails(ErrorClass::Denied));
    let stock = bench.keeper.ask();
    sleep(seconds(2)).await;
    bench.signer.set(Mode::Up);
    bench.signer.set_id(spiffe_id("other"));
    bench.place(Some(spiffe_id("other")));
    sleep(seconds(1)).await;
    assert_eq!(bench.on(&stock).unwrap().id, spiffe_id("other"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_takes_it_away_at_once_and_a_fault_does_not() {
    let bench = Bench::new();
    let stock = bench.keeper.ask();
    sleep(seconds(1)).await;
    let authorities = [FakeAuthority::new(), FakeAuthority::new()];
    for (at, (class, is_left)) in [
        (ErrorClass::Unauthenticated, true),
        (ErrorClass::Exhausted, true),
        (ErrorClass::Internal, true),
        (ErrorClass::NotFound, false),
    ]
    .into_iter()
    .enumerate()
    {
        bench.signer.set(Mode::Fails(class));
        sleep(seconds(1)).await;
        bench.trust(&[&authorities[at % 2]]);
        sleep(seconds(1)).await;
        assert_eq!(bench.on(&stock).is_some(), is_left, "{class:?}");
        assert_eq!(stock.borrow().failure.as_ref().unwrap().class, class);
    }
    let asked = bench.signer.asked().len();
    sleep(seconds(140)).await;
    assert_eq!(bench.signer.asked().len(), asked, "a refusal is a decision");
}

#[tokio::test(start_paused = true)]
async fn another_spiffe_id_takes_it_away_and_none_for_good() {
    let bench = Bench::new();
    let stock = bench.keeper.ask();
    sleep(seconds(1)).await;
    // The runner hears of the new id first; the coordinator still gives the old one.
    bench.place(Some(spiffe_id("other")));
    sleep(seconds(1)).await;
    assert!(bench.on(&stock).is_none());
    assert_eq!(stock.borrow().failure.as_ref().unwrap().class, ErrorClass::Unavailable);
    bench.signer.set_id(spiffe_id("other"));
    sleep(seconds(3)).await;
    assert_eq!(bench.on(&stock).unwrap().id, spiffe_id("other"));
    bench.place(None);
    sleep(seconds(1)).await;
    assert!(bench.on(&stock).is_none());
    let asked = bench.signer.asked().len();
    sleep(seconds(7200)).await;
    assert_eq!(bench.signer.asked().len(), asked);
}

#[tokio::test(start_paused = true)]
async fn while_nobody_says_whose_it_is_it_is_kept_and_not_renewed() {
    let bench = Bench::new();
    let stock = bench.keeper.ask();
    sleep(seconds(1)).await;
    bench.place_as(Subject::Unknown);
    sleep(seconds(3590)).await;
    assert_eq!(bench.on(&stock).unwrap().chain()[0], 1);
    assert_eq!(bench.signer.asked().len(), 1);
    bench.place(Some(spiffe_id("s")));
    sleep(seconds(6)).await;
    assert_eq!(bench.on(&stock).unwrap().chain()[0], 2);
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_comes_back_before_anybody_looked_is_served_again() {
    let bench = Bench::new();
    let stock = bench.keeper.ask();
    sleep(seconds(60)).await;
    for signed in 2..5 {
        // The keeper sees it, and the stream does not.
        bench.place(None);
        sleep(Duration::from_millis(1)).await;
        assert!(bench.on(&stock).is_none());
        bench.place(Some(spiffe_id("s")));
        sleep(seconds(2)).await;
        assert_eq!(bench.on(&stock).unwrap().chain()[0], signed);
    }
    drop(stock);
    bench.place(None);
    sleep(seconds(1)).await;
    bench.place(Some(spiffe_id("s")));
    sleep(seconds(7200)).await;
    assert_eq!(bench.signer.signed(), 4, "nobody waits for one");
}

#[tokio::test(start_paused = true)]
async fn one_that_nobody_uses_is_let_go_when_its_authority_is_withdrawn() {
    let bench = Bench::new();
    let (first, second) = (FakeAuthority::new(), FakeAuthority::new());
    bench.trust(&[&first]);
    bench.signer.sign_under(&first);
    let held = bench.asked().await.unwrap();
    // In use for as long as it was not renewed.
    sleep(seconds(1800)).await;
    let renewed = bench.asked().await.unwrap();
    assert!(!Arc::ptr_eq(&held, &renewed));
    sleep(seconds(1800)).await;
    let signed = bench.signer.signed();
    bench.signer.sign_under(&second);
    bench.trust(&[&second]);
    sleep(seconds(60)).await;
    let stock = bench.keeper.ask();
    sleep(Duration::from_millis(1)).await;
    assert!(bench.on(&stock).is_some_and(|next| !Arc::ptr_eq(&next, &renewed)));
    assert!(bench.signer.signed() <= signed + 1);
}

#[tokio::test(start_paused = true)]
async fn however_short_a_life_is_claimed_one_is_made_once_a_second() {
    for lifetime in [0, 1, 2] {
        let bench = Bench::new();
        bench.signer.set_lifetime(lifetime);
        let _followed = bench.keeper.ask();
        for _ in 0..6000 {
            drop(bench.keeper.ask());
            sleep(Duration::from_millis(10)).await;
        }
        let asked = bench.signer.asked();
        assert!((30..=61).contains(&asked.len()), "{} in a minute", asked.len());
        let pauses = asked.iter().zip(asked.iter().skip(1)).map(|(one, next)| *next - *one);
        assert!(pauses.min() >= Some(seconds(1)), "{lifetime} s");
    }
}

#[tokio::test(start_paused = true)]
async fn one_whose_authority_left_the_bundle_is_replaced_at_once_and_by_another_round_it_is_not() {
    let bench = Bench::new();
    let (first, second) = (FakeAuthority::new(), FakeAuthority::new());
    bench.trust(&[&first]);
    bench.signer.sign_under(&first);
    let stock = bench.keeper.ask();
    sleep(seconds(1)).await;
    let held = bench.on(&stock).unwrap();
    for trusted in [&[&first, &second][..], &[&second, &first]] {
        bench.trust(trusted);
        sleep(seconds(60)).await;
        assert!(Arc::ptr_eq(&bench.on(&stock).unwrap(), &held), "its authority is still there");
    }
    bench.signer.sign_under(&second);
    bench.trust(&[&second]);
    sleep(seconds(1)).await;
    let next = bench.on(&stock).unwrap();
    assert!(!Arc::ptr_eq(&next, &held), "nobody believes the first one any more");
    sleep(seconds(60)).await;
    assert!(Arc::ptr_eq(&bench.on(&stock).unwrap(), &next));
    assert_eq!(bench.signer.signed(), 2);

    // While the coordinator is away nothing better is at hand.
    bench.goes_away();
    bench.trust(&[&first]);
    sleep(seconds(10)).await;
    assert!(Arc::ptr_eq(&bench.on(&stock).unwrap(), &next));
    bench.signer.sign_under(&first);
    bench.comes_back();
    sleep(seconds(31)).await;
    assert_eq!(bench.signer.signed(), 3);

    // Nobody uses it: it is let go, and none is asked for.
    drop(stock);
    sleep(seconds(1800)).await;
    let signed = bench.signer.signed();
    bench.trust(&[&second]);
    sleep(seconds(60)).await;
    assert_eq!(bench.signer.signed(), signed);
}

#[tokio::test(start_paused = true)]
async fn a_new_one_is_held_back_until_the_bundle_has_its_authority() {
    let bench = Bench::new();
    let (first, second) = (FakeAuthority::new(), FakeAuthority::new());
    bench.trust(&[&first]);
    bench.signer.sign_under(&first);
    let stock = bench.keeper.ask();
    sleep(seconds(1)).await;
    let old = bench.on(&stock).unwrap();
    // The coordinator's bundle has the second one, and word of it is late.
    bench.signer.sign_under(&second);
    sleep(seconds(1900)).await;
    assert_eq!(bench.signer.signed(), 2);
    for _ in 0..100 {
        assert!(Arc::ptr_eq(&bench.asked().await.unwrap(), &old), "it is good, and verifies");
    }
    assert_eq!(bench.signer.signed(), 2, "who asks meanwhile has no more made");
    bench.trust(&[&first, &second]);
    sleep(Duration::from_millis(1)).await;
    assert!(!Arc::ptr_eq(&bench.on(&stock).unwrap(), &old), "handed out at once");
    assert_eq!(bench.signer.signed(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_held_back_is_handed_out_at_the_end_of_the_one_in_hand_whatever_the_bundle_has()
{
    let bench = Bench::new();
    let (first, second) = (FakeAuthority::new(), FakeAuthority::new());
    bench.trust(&[&first]);
    bench.signer.sign_under(&first);
    bench.signer.set_lifetime(100);
    let stock = bench.keeper.ask();
    sleep(seconds(1)).await;
    let old = bench.on(&stock).unwrap();
    bench.signer.sign_under(&second);
    sleep(seconds(98)).await;
    assert!(Arc::ptr_eq(&bench.on(&stock).unwrap(), &old));
    sleep(seconds(1) + Duration::from_millis(1)).await;
    let next = bench.on(&stock).unwrap();
    assert!(!Arc::ptr_eq(&next, &old), "one that others verify is better than none");
}

#[tokio::test(start_paused = true)]
async fn with_nothing_in_hand_one_is_held_back_for_half_a_minute_and_a_withdrawal_is_no_reason_to_wait()
 {
    let bench = Bench::new();
    let (first, second, third) = (FakeAuthority::new(), FakeAuthority::new(), FakeAuthority::new());
    bench.trust(&[&first]);
    bench.signer.sign_under(&second);
    let stock = bench.keeper.ask();
    sleep(seconds(29)).await;
    assert!(bench.on(&stock).is_none());
    assert_eq!(bench.signer.signed(), 1);
    sleep(seconds(1) + Duration::from_millis(1)).await;
    let held = bench.on(&stock).unwrap();
    // The second was withdrawn before this host heard of it: the bundle says so, and the next is asked for.
    bench.signer.sign_under(&third);
    bench.trust(&[&third]);
    sleep(seconds(1)).await;
    let next = bench.on(&stock).unwrap();
    assert!(!Arc::ptr_eq(&next, &held));
    assert_eq!(bench.signer.signed(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_held_back_and_withdrawn_is_never_handed_out() {
    let bench = Bench::new();
    let (first, second, third) = (FakeAuthority::new(), FakeAuthority::new(), FakeAuthority::new());
    bench.trust(&[&first]);
    bench.signer.sign_under(&first);
    let stock = bench.keeper.ask();
    sleep(seconds(1)).await;
    bench.signer.sign_under(&second);
    sleep(seconds(1900)).await;
    let old = bench.on(&stock).unwrap();
    bench.signer.sign_under(&third);
    bench.trust(&[&first, &third]);
    sleep(seconds(1)).await;
    let next = bench.on(&stock).unwrap();
    assert!(!Arc::ptr_eq(&next, &old));
    let bundles = bench.bundles.now().unwrap();
    assert!(next.has_authority_in(bundles.all()));
    assert_eq!(bench.signer.signed(), 3);

    // Nor is one of an id that is not the sandbox's any more.
    bench.signer.sign_under(&second);
    sleep(seconds(1900)).await;
    bench.signer.set_id(spiffe_id("other"));
    bench.place(Some(spiffe_id("other")));
    bench.signer.sign_under(&third);
    sleep(seconds(3)).await;
    assert_eq!(bench.on(&stock).unwrap().id, spiffe_id("other"));
    bench.signer.sign_under(&second);
    sleep(seconds(1900)).await;
    bench.place(None);
    sleep(seconds(7200)).await;
    assert!(bench.on(&stock).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_slept_through_its_end_renews_within_five_seconds() {
    let bench = Bench::new();
    let stock = bench.keeper.ask();
    sleep(seconds(1)).await;
    bench.asleep.store(7200, Ordering::Relaxed);
    assert!(bench.on(&stock).is_none());
    sleep(seconds(5)).await;
    assert_eq!(bench.on(&stock).unwrap().chain()[0], 2);
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_stay_of_its_sandbox() {
    let bench = Bench::new();
    let stock = bench.keeper.ask();
    sleep(seconds(1)).await;
    bench.stop.cancel();
    sleep(seconds(7200)).await;
    assert_eq!(bench.signer.signed(), 1);
    assert!(bench.on(&stock).is_none());
    assert!(!format!("{:?}", stock.borrow()).contains("48, "), "no key bytes are shown");
}
