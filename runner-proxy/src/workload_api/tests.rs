//! Streams over time, on a paused clock and a real socket.

use std::sync::Arc;
use std::time::Duration;

use moneyer_daemon::lifecycle::Shutdown;
use moneyer_daemon::listener::{ListenAddress, Listener, Tls, UnixMode};
use moneyer_identity::{Clock, ErrorClass, SystemClock};
use moneyer_proto::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use moneyer_proto::workload::{JwtBundlesRequest, X509svidRequest};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::{Profiles, WorkloadApi};
use crate::config::WorkloadApiSection;
use crate::coordinator::{
    KnownBundles, KnownPlacement, Occupant, PlacedSandbox, PlacementChange, ToldBundles,
};
use crate::fakes::bundles::{JWKS, told, with_authority};
use crate::fakes::{FakeIssuer, FakeSigner, FakeSink, Mode, sandbox, spiffe_id};
use crate::metrics::Metrics;
use crate::sandbox::Stay;
use crate::svid::{Subject, SvidOffice};
use crate::token::{CacheLimits, Timeline, TokenSource};

struct Bench {
    bundles: Arc<KnownBundles>,
    placement: Arc<KnownPlacement>,
    connected: watch::Sender<bool>,
    signer: FakeSigner,
    client: SpiffeWorkloadApiClient<Channel>,
    stay: Stay,
    served: Shutdown,
    _state: tempfile::TempDir,
}

const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

fn with_header<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("workload.spiffe.io", "true".parse().unwrap());
    request
}

fn office(
    signer: &FakeSigner,
    bundles: Arc<KnownBundles>,
    connected: &watch::Sender<bool>,
) -> SvidOffice {
    let half: fn(Duration) -> Duration = |whole| whole / 2;
    let renewal = (half, Duration::from_secs(30));
    let timeline = Timeline::new(|| Duration::ZERO);
    let signer = Arc::new(signer.clone());
    SvidOffice::new(signer, (bundles, connected.subscribe()), renewal, timeline, Metrics::new())
}

fn source(placement: &Arc<KnownPlacement>) -> TokenSource {
    let limits =
        CacheLimits { per_sandbox: 8, total: 8, under_way: 8, jitter: Duration::from_secs(30) };
    TokenSource::new(
        Arc::new(FakeIssuer::new()),
        Arc::new(FakeSink::default()),
        Arc::clone(placement),
        (limits, |whole| whole),
        Timeline::new(|| Duration::ZERO),
        Metrics::new(),
    )
}

impl Bench {
    async fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let file = |name: &str| state.path().join(name);
        let placement = Arc::new(KnownPlacement::read(&file("placement.json")).unwrap());
        let known = |name: &str| Arc::new(KnownBundles::read(&file(name)).unwrap());
        let bundles = known("bundles.json");
        let (connected, signer) = (watch::Sender::new(true), FakeSigner::new());
        let api = WorkloadApi {
            placement: Arc::clone(&placement),
            bundles: Arc::clone(&bundles),
            source: source(&placement),
            // Its SVIDs are no certificates: no bundle would have their authority.
            svids: office(&signer, known("no-bundles.json"), &connected),
            users: Arc::new([]),
            clock: Arc::new(SystemClock) as Arc<dyn Clock>,
            metrics: Metrics::new(),
            profiles: Profiles::new(WorkloadApiSection::default()).unwrap(),
        };
        let stay = Stay::new(sandbox("s"), Occupant::of_app("web"));
        let (path, served) = (file(WorkloadApi::SOCKET), Shutdown::new());
        let listener = Listener::bind(&ListenAddress::Unix(path.clone()), UnixMode::Owner).unwrap();
        let (router, limits, until) =
            (api.on_socket_of(&stay), WorkloadApi::limits(8), served.clone());
        tokio::spawn(async move { listener.serve(router, limits, Tls::Off, &until).await });
        let uri = format!("unix://{}", path.display());
        let channel = Endpoint::from_shared(uri).unwrap().connect().await.unwrap();
        let client = SpiffeWorkloadApiClient::new(channel);
        Self { bundles, placement, connected, signer, client, stay, served, _state: state }
    }

    fn place(&self) {
        self.place_as(Subject::Of(spiffe_id("s")));
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

    fn tell(&self, federated: &[&str]) {
        let federated = federated.iter().map(|name| told(name, JWKS)).collect();
        let own = with_authority("id.test");
        self.bundles.take_in(ToldBundles { own, federated }).unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stay.leave();
        self.served.begin();
    }
}

#[tokio::test(start_paused = true)]
async fn w8_a_stream_lasts_and_tells_of_changes_after_a_day_without_any() {
    let mut bench = Bench::new().await;
    bench.place();
    bench.tell(&[]);
    let request = with_header(JwtBundlesRequest {});
    let mut stream = bench.client.fetch_jwt_bundles(request).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().bundles.len(), 1);
    let quiet = timeout(hours(24), stream.message()).await;
    assert!(quiet.is_err(), "no timer of the listener ended it: {quiet:?}");
    bench.tell(&["other.test"]);
    assert_eq!(stream.message().await.unwrap().unwrap().bundles.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn w8_every_renewal_is_told_for_a_day() {
    let mut bench = Bench::new().await;
    bench.place();
    bench.tell(&[]);
    let request = with_header(X509svidRequest {});
    let mut stream = bench.client.fetch_x509svid(request).await.unwrap().into_inner();
    let begun = Instant::now();
    let mut told = 0;
    while begun.elapsed() < hours(24) {
        let message = stream.message().await.unwrap().unwrap();
        told += 1;
        assert_eq!(message.svids[0].x509_svid[0], told);
    }
    assert_eq!((bench.signer.signed(), told), (50, 50), "twice an hour");
}

#[tokio::test(start_paused = true)]
async fn w5_what_comes_within_five_seconds_is_waited_for_and_what_does_not_is_unavailable() {
    let mut bench = Bench::new().await;
    let mut client = bench.client.clone();
    let mut ask = async || {
        let begun = Instant::now();
        let answer = client.fetch_x509svid(with_header(X509svidRequest {})).await;
        (answer.err().map(|status| status.code()), begun.elapsed())
    };
    let unavailable = Some(Code::Unavailable);
    let (code, waited) = ask().await;
    assert_eq!(code, unavailable, "the coordinator was never heard");
    assert!(waited < Duration::from_secs(1));
    bench.place();
    let (code, waited) = ask().await;
    assert_eq!(code, unavailable, "no bundle came");
    assert!(waited >= Duration::from_secs(5) && waited < Duration::from_secs(6), "{waited:?}");
    let (answer, ()) = tokio::join!(ask(), async {
        sleep(Duration::from_secs(4)).await;
        bench.tell(&[]);
    });
    assert_eq!(answer.0, None, "it came in time");
    bench.connected.send_replace(false);
    assert_eq!(ask().await.0, None, "there is an SVID");
    let request = with_header(JwtBundlesRequest {});
    assert!(bench.client.fetch_jwt_bundles(request).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn w5_streams_that_are_opened_again_after_a_refusal_are_answered_by_it_and_ask_no_more() {
    let mut bench = Bench::new().await;
    bench.place();
    bench.tell(&[]);
    bench.signer.set(Mode::Fails(ErrorClass::NotFound));
    let begun = Instant::now();
    for _ in 0..20 {
        let answer = bench.client.fetch_x509svid(with_header(X509svidRequest {})).await;
        assert_eq!(answer.unwrap_err().code(), Code::PermissionDenied);
        sleep(Duration::from_secs(1)).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(21), "none waited: {:?}", begun.elapsed());
    assert_eq!(bench.signer.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn w14_a_coordinator_that_says_nothing_of_svids_ends_no_stream_and_one_that_says_none_does() {
    let mut bench = Bench::new().await;
    bench.place();
    bench.tell(&[]);
    let request = with_header(X509svidRequest {});
    let mut stream = bench.client.fetch_x509svid(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    bench.place_as(Subject::Unknown);
    let quiet = timeout(hours(1), stream.message()).await;
    assert!(quiet.is_err(), "what is held is kept: {quiet:?}");
    let answer = bench.client.fetch_x509svid(with_header(X509svidRequest {})).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
    assert_eq!(bench.signer.asked().len(), 1);
    bench.place();
    let renewed = timeout(Duration::from_secs(6), stream.message()).await.unwrap();
    assert_eq!(renewed.unwrap().unwrap().svids[0].x509_svid[0], 2);
    bench.place_as(Subject::Nobody);
    assert_eq!(stream.message().await.unwrap_err().code(), Code::PermissionDenied);
}
