//! The source over time, on a paused clock: single flight, renewal, outages, refusals.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::coordinator::{Occupant, PlacedSandbox, PlacementChange};
use crate::fakes::{FakeIssuer, FakeSink, Mode, obtained_by, request, sandbox, spiffe_id};
use crate::svid::Subject;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

struct Bench {
    issuer: FakeIssuer,
    sink: Arc<FakeSink>,
    source: TokenSource,
    placement: Arc<KnownPlacement>,
    connected: watch::Sender<bool>,
    stop: CancellationToken,
    /// Seconds that the host has slept.
    asleep: Arc<AtomicU64>,
}

/// A part that differs from call to call but not from run to run.
fn varying_part(whole: Duration) -> Duration {
    use std::sync::atomic::AtomicU32;
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    // 7919 is prime to 10007, so that draws are spread evenly.
    let drawn = DRAWN.fetch_add(1, Ordering::Relaxed).wrapping_mul(7919) % 10_007;
    whole * drawn / 10_007
}

impl Bench {
    fn new() -> Self {
        Self::counting_into(Metrics::new())
    }

    fn counting_into(metrics: Metrics) -> Self {
        let (issuer, sink) = (FakeIssuer::new(), Arc::new(FakeSink::default()));
        // There is no such file: nothing was heard yet.
        let placement =
            Arc::new(KnownPlacement::read(Path::new("/nowhere/placement.json")).unwrap());
        let limits =
            CacheLimits { per_sandbox: 64, total: 1000, under_way: 8, jitter: seconds(30) };
        // A laptop that has slept before.
        let asleep = Arc::new(AtomicU64::new(100_000));
        let counted = Arc::clone(&asleep);
        let source = TokenSource::new(
            Arc::new(issuer.clone()),
            Arc::clone(&sink) as _,
            Arc::clone(&placement),
            (limits, varying_part),
            Timeline::new(move || seconds(counted.load(Ordering::Relaxed))),
            metrics,
        );
        let (connected, stop) = (watch::Sender::new(true), CancellationToken::new());
        tokio::spawn(source.clone().renew(connected.subscribe(), stop.clone()));
        Self { issuer, sink, source, placement, connected, stop, asleep }
    }

    /// With sandbox `s`, whose one file shows the default audience.
    async fn with_file() -> Self {
        let bench = Self::new();
        bench.source.admit(&sandbox("s"), vec![(request("s", &[]), None)], Duration::ZERO);
        tokio::time::sleep(seconds(1)).await;
        bench
    }

    async fn ask(&self, audience: &str) -> Result<String, ErrorClass> {
        let token = self.source.token(request("s", &[audience])).await;
        token.map(|minted| minted.token.expose().to_owned()).map_err(|error| error.class)
    }

    /// Tokio's clock stands still meanwhile.
    fn sleeps(&self, seconds: u64) {
        self.asleep.fetch_add(seconds, Ordering::Relaxed);
    }

    fn goes_away(&self) {
        self.issuer.set(Mode::Fails(ErrorClass::Unavailable));
        self.connected.send_replace(false);
    }

    fn comes_back(&self) {
        self.issuer.set(Mode::Up);
        self.connected.send_replace(true);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_at_once_cost_one_mint() {
    let bench = Bench::with_file().await;
    let before = bench.issuer.minted();
    bench.issuer.set(Mode::Slow(seconds(1)));
    let asking = (0..1000).map(|_| {
        let source = bench.source.clone();
        tokio::spawn(async move { source.token(request("s", &["x"])).await })
    });
    let mut tokens = std::collections::HashSet::new();
    for answer in asking.collect::<Vec<_>>() {
        tokens.insert(answer.await.unwrap().unwrap().token.expose().to_owned());
    }
    assert_eq!((tokens.len(), bench.issuer.minted() - before), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn whoever_gives_up_does_not_take_the_request_along() {
    let bench = Bench::with_file().await;
    bench.issuer.set(Mode::Slow(seconds(2)));
    tokio::time::timeout(seconds(1), bench.ask("x")).await.unwrap_err();
    tokio::time::sleep(seconds(2)).await;
    let before = bench.issuer.calls().len();
    bench.ask("x").await.unwrap();
    assert_eq!(bench.issuer.calls().len(), before, "the token was there");
}

#[tokio::test(start_paused = true)]
async fn what_is_fetched_now_joins_what_is_under_way_and_is_kept() {
    let bench = Bench::with_file().await;
    let before = bench.issuer.minted();
    bench.issuer.set(Mode::Slow(seconds(1)));
    let wanted = vec![request("s", &["x"]), request("s", &["y"])];
    let (asked, fetched) = tokio::join!(bench.ask("x"), bench.source.fetch_now(wanted));
    let fetched: Vec<_> =
        fetched.into_iter().map(|held| held.unwrap().token.token.expose().to_owned()).collect();
    assert_eq!(asked.as_ref(), Ok(&fetched[0]));
    assert_eq!(bench.ask("y").await.as_ref(), Ok(&fetched[1]));
    assert_eq!(bench.issuer.minted() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_fetched_now_for_a_sandbox_to_be_attached_is_counted_and_not_kept() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let metrics = metrics::with_local_recorder(&recorder, Metrics::new);
    let bench = Bench::counting_into(metrics);
    let wanted = vec![request("s", &[]); 2];
    let fetched = bench.source.fetch_now(wanted.clone()).await;
    assert!(fetched.iter().all(Result::is_ok), "{fetched:?}");
    let counted = recorder.handle().render();
    assert!(counted.contains("moneyer_runner_tokens_minted_total 2\n"), "{counted}");
    assert_eq!(bench.ask("x").await, Err(ErrorClass::NotFound));

    bench.issuer.set(Mode::Fails(ErrorClass::Unavailable));
    let failed = bench.source.fetch_now(wanted).await;
    let classes: Vec<_> = failed.into_iter().map(|held| held.unwrap_err().class).collect();
    assert_eq!(classes, [ErrorClass::Unavailable; 2], "one answer each");
}

#[tokio::test(start_paused = true)]
async fn other_audiences_orders_and_lifetimes_are_other_tokens() {
    let bench = Bench::with_file().await;
    let mut seen = std::collections::HashSet::new();
    for audiences in [&["a"][..], &["b"], &["a", "b"], &["b", "a"]] {
        for lifetime in [None, Some(900), Some(901)] {
            let mut wanted = request("s", audiences);
            wanted.lifetime = lifetime.map(moneyer_identity::Lifetime::from_seconds);
            let token = bench.source.token(wanted).await.unwrap();
            assert!(seen.insert(token.token.expose().to_owned()), "{audiences:?} {lifetime:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn files_are_renewed_before_half_life_for_ever() {
    let bench = Bench::with_file().await;
    bench.issuer.set_lifetime(3600);
    let start = Instant::now();
    tokio::time::sleep(seconds(6 * 3600)).await;
    let calls = bench.issuer.calls();
    for pair in calls.windows(2) {
        let between = pair[1].at - pair[0].at;
        assert!(between <= seconds(1800) && between >= seconds(1769), "{between:?}");
    }
    assert!(calls.len() >= 12, "{}", calls.len());
    assert_eq!(bench.sink.shown.lock().unwrap().len(), calls.len());
    assert!(start.elapsed() >= seconds(6 * 3600));
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_is_not_seen_and_healing_makes_no_burst() {
    let bench = Bench::new();
    for n in 0..200 {
        let id = format!("s-{n}");
        bench.source.admit(&sandbox(&id), vec![(request(&id, &[]), None)], seconds(5));
    }
    bench.source.admit(&sandbox("s"), vec![], Duration::ZERO);
    bench.issuer.set_lifetime(900);
    tokio::time::sleep(seconds(10)).await;
    bench.ask("cloud").await.unwrap();
    bench.ask("cloud").await.unwrap();

    bench.goes_away();
    for minute in 0..14 {
        assert!(bench.ask("cloud").await.is_ok(), "minute {minute}");
        assert!(bench.source.least_life_of_files().unwrap() > Duration::ZERO, "minute {minute}");
        tokio::time::sleep(seconds(60)).await;
    }
    assert_eq!(bench.ask("another").await, Err(ErrorClass::Unavailable));
    assert!(bench.sink.removed.lock().unwrap().is_empty());

    let back = Instant::now();
    bench.comes_back();
    tokio::time::sleep(seconds(31)).await;
    let after: Vec<_> =
        bench.issuer.calls().into_iter().filter(|call| call.at >= back && call.succeeded).collect();
    let renewed: usize = after.iter().map(|call| call.requests.len()).sum();
    assert_eq!(renewed, 201, "each once");
    let largest = after.iter().map(|call| call.requests.len()).max().unwrap();
    assert!(largest <= 30, "one call renewed {largest} of 201 due within 30 s");
    assert!(after.last().unwrap().at - after[0].at >= seconds(15), "spread over the jitter");
}

#[tokio::test(start_paused = true)]
async fn what_is_nearly_over_waits_for_a_new_one_and_serves_the_rest_if_there_is_none() {
    let bench = Bench::with_file().await;
    bench.issuer.set_lifetime(600);
    let first = bench.ask("x").await.unwrap();
    bench.goes_away();
    tokio::time::sleep(seconds(560)).await;
    assert_eq!(bench.ask("x").await, Ok(first.clone()), "40 s left, nothing better");
    bench.issuer.set(Mode::Up);
    assert_ne!(bench.ask("x").await, Ok(first), "a new one can be had");
    bench.goes_away();
    tokio::time::sleep(seconds(601)).await;
    assert_eq!(bench.ask("x").await, Err(ErrorClass::Unavailable), "never one that is over");
}

#[tokio::test(start_paused = true)]
async fn what_ended_while_the_host_slept_is_never_served() {
    let bench = Bench::with_file().await;
    let first = bench.ask("x").await.unwrap();
    bench.goes_away();
    bench.sleeps(3599);
    assert_eq!(bench.ask("x").await, Ok(first), "a second left, nothing better");
    bench.sleeps(1);
    assert_eq!(bench.ask("x").await, Err(ErrorClass::Unavailable));
    assert_eq!(bench.source.states(&sandbox("s")), [(request("s", &[]), TokenState::Waiting)]);
}

#[tokio::test(start_paused = true)]
async fn what_fell_due_while_the_host_slept_is_renewed_when_it_wakes() {
    let bench = Bench::with_file().await;
    let shown = bench.sink.last();
    bench.sleeps(7200);
    tokio::time::sleep(NOTICE_SLEEP_WITHIN).await;
    assert_ne!(bench.sink.last(), shown);
    assert!(bench.source.least_life_of_files().unwrap() > seconds(3590));
}

#[tokio::test(start_paused = true)]
async fn a_token_ages_while_it_is_fetched_and_the_host_sleeps() {
    let bench = Bench::with_file().await;
    bench.issuer.set(Mode::Slow(seconds(2)));
    let (asked, ()) = tokio::join!(bench.ask("x"), async {
        tokio::time::sleep(seconds(1)).await;
        bench.sleeps(3600);
    });
    asked.unwrap();
    bench.goes_away();
    assert_eq!(bench.ask("x").await, Err(ErrorClass::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn an_ageing_token_is_served_at_once_while_it_is_renewed() {
    let bench = Bench::with_file().await;
    let first = bench.ask("x").await.unwrap();
    tokio::time::sleep(seconds(2000)).await;
    let calls = bench.issuer.calls();
    let asked = calls.iter().filter(|call| call.requests.contains(&request("s", &["x"]))).count();
    assert_eq!(asked, 1, "nobody used it, so it was not renewed");
    bench.issuer.set(Mode::Slow(seconds(3)));
    let begun = Instant::now();
    assert_eq!(bench.ask("x").await, Ok(first.clone()));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    tokio::time::sleep(seconds(4)).await;
    assert_ne!(bench.ask("x").await, Ok(first));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_removes_the_file_and_is_asked_again_later() {
    let bench = Bench::with_file().await;
    bench.issuer.set(Mode::Fails(ErrorClass::NotFound));
    tokio::time::sleep(seconds(1800)).await;
    assert_eq!(*bench.sink.removed.lock().unwrap(), [request("s", &[])]);
    assert_eq!(bench.source.states(&sandbox("s")), [(request("s", &[]), TokenState::Refused)]);
    assert_eq!(bench.source.least_life_of_files(), None);
    bench.issuer.set(Mode::Up);
    tokio::time::sleep(seconds(301)).await;
    assert!(matches!(bench.source.states(&sandbox("s"))[0].1, TokenState::Current { .. }));
}

#[tokio::test(start_paused = true)]
async fn failures_leave_the_file_and_back_off() {
    let bench = Bench::with_file().await;
    let shown = bench.sink.last();
    bench.issuer.set(Mode::Fails(ErrorClass::Internal));
    let before = bench.issuer.calls().len();
    tokio::time::sleep(seconds(3500)).await;
    let attempts = bench.issuer.calls().len() - before;
    assert!((20..=70).contains(&attempts), "{attempts} in half an hour");
    assert!(bench.sink.removed.lock().unwrap().is_empty());
    assert_eq!(bench.sink.last(), shown);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_tried_again() {
    let bench = Bench::with_file().await;
    let shown = bench.sink.last();
    bench.sink.full.store(true, Ordering::Relaxed);
    tokio::time::sleep(seconds(1850)).await;
    assert_eq!(bench.sink.last(), shown);
    bench.sink.full.store(false, Ordering::Relaxed);
    tokio::time::sleep(seconds(61)).await;
    assert_ne!(bench.sink.last(), shown);
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_is_not_attached_gets_nothing() {
    let bench = Bench::with_file().await;
    bench.ask("x").await.unwrap();
    bench.source.retire(&sandbox("s"));
    assert_eq!(bench.ask("x").await, Err(ErrorClass::NotFound));
    let before = bench.issuer.calls().len();
    tokio::time::sleep(seconds(7200)).await;
    assert_eq!(bench.issuer.calls().len(), before, "and is renewed no more");
}

#[tokio::test(start_paused = true)]
async fn a_life_of_zero_makes_no_storm() {
    let bench = Bench::with_file().await;
    bench.issuer.set_lifetime(0);
    tokio::time::sleep(seconds(1800)).await;
    let before = bench.issuer.calls().len();
    tokio::time::sleep(seconds(60)).await;
    let calls = bench.issuer.calls().len() - before;
    assert!(calls <= 121, "{calls} in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_jwt_svid_is_fetched_once_renewed_and_served_while_the_coordinator_is_away() {
    let bench = Bench::with_file().await;
    let before = bench.issuer.minted();
    let ask = async || {
        let svid = bench.source.jwt_svid(spiffe_id("s"), request("s", &["x"])).await;
        svid.map(|minted| minted.token.expose().to_owned()).map_err(|error| error.class)
    };
    let (one, other) = tokio::join!(ask(), ask());
    assert_eq!(
        (one.as_ref().unwrap(), bench.issuer.minted()),
        (other.as_ref().unwrap(), before + 1)
    );
    let token = bench.ask("x").await.unwrap();
    assert_ne!(Ok(&token), one.as_ref(), "a token of the other form is another");
    tokio::time::sleep(seconds(1000)).await;
    assert_eq!(ask().await, one);
    tokio::time::sleep(seconds(810)).await;
    let renewed = ask().await;
    assert_ne!(renewed, one, "renewed before half of its life was over");
    bench.goes_away();
    tokio::time::sleep(seconds(3500)).await;
    assert_eq!(ask().await, renewed);
    tokio::time::sleep(seconds(100)).await;
    assert_eq!(ask().await, Err(ErrorClass::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_jwt_svid_for_another_id_than_was_meant_reaches_nobody() {
    let bench = Bench::with_file().await;
    let svid = bench.source.jwt_svid(spiffe_id("before"), request("s", &["x"])).await;
    assert_eq!(svid.unwrap_err().class, ErrorClass::Unavailable);
    let kept = bench.source.jwt_svid(spiffe_id("s"), request("s", &["x"])).await;
    assert!(kept.is_ok());
}

#[tokio::test(start_paused = true)]
async fn jwt_svids_are_renewed_for_the_id_that_the_sandbox_has_now_alone() {
    let bench = Bench::with_file().await;
    let place = |id: &str| {
        let (occupant, subject) = (Occupant::of_app("web"), Subject::Of(spiffe_id(id)));
        let placed =
            PlacedSandbox { occupant, profiles: Vec::new(), subject, grants: Arc::default() };
        bench.placement.apply(1, PlacementChange::Placed(sandbox("s"), placed));
    };
    let ask = async || {
        for _ in 0..2 {
            let svid = bench.source.jwt_svid(spiffe_id("s"), request("s", &["x"])).await;
            svid.unwrap();
        }
    };
    let minted = || {
        let calls = bench.issuer.calls();
        calls.iter().filter(|call| call.requests.contains(&request("s", &["x"]))).count()
    };
    place("s");
    ask().await;
    tokio::time::sleep(seconds(1801)).await;
    assert_eq!(minted(), 2, "one that is in use is renewed");
    ask().await;
    place("other");
    tokio::time::sleep(seconds(3600)).await;
    assert_eq!(minted(), 2, "and one for an id that is not the sandbox's is not");
}

#[tokio::test(start_paused = true)]
async fn what_grants_are_obtained_with_is_had_by_the_proxy_and_not_by_the_sandbox() {
    let bench = Bench::with_file().await;
    let placed = PlacedSandbox {
        occupant: Occupant::of_app("web"),
        profiles: Vec::new(),
        subject: Subject::Of(spiffe_id("s")),
        grants: Arc::new(obtained_by("https://tokens.test")),
    };
    bench.placement.apply(1, PlacementChange::Placed(sandbox("s"), placed));
    for asked in [&["https://tokens.test"][..], &["other", "https://tokens.test"]] {
        let of_sandbox = bench.source.token(request("s", asked)).await.unwrap_err();
        let svid = bench.source.jwt_svid(spiffe_id("s"), request("s", asked)).await.unwrap_err();
        assert_eq!((of_sandbox.class, svid.class), (ErrorClass::Denied, ErrorClass::Denied));
    }
    let asked = request("s", &["https://tokens.test"]);
    bench.source.assertion(spiffe_id("s"), asked.clone()).await.unwrap();
    // Also where the proxy holds one.
    bench.source.jwt_svid(spiffe_id("s"), asked).await.unwrap_err();
    let other = request("s", &["https://tokens.test/"]);
    bench.source.jwt_svid(spiffe_id("s"), other.clone()).await.unwrap();
    bench.source.token(other).await.unwrap();
}
