//! The listener's answers where a dependency fails, asked of the router alone.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use moneyer_authority::{Authority, Ports};
use moneyer_daemon::settings::Source;
use moneyer_daemon::telemetry::{WarningLevel, Warnings, metrics_recorder};
use moneyer_identity::{Clock as _, ClockFault};
use moneyer_testkit::ManualClock;
use moneyer_testkit::audit::MemoryAudit;
use moneyer_testkit::signer::FixtureSigner;
use moneyer_testkit::store::MemoryStore;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Watched, router};
use crate::config::Config;
use crate::documents::{DocumentRules, PublicDocuments};
use crate::kubernetes::{KeptFor, TokenReviews};
use crate::metrics::Metrics;
use crate::publish::{PublishRequests, Publisher};

const CONFIG: &str = "issuer.url = 'https://id.example.com'\nkeys.algorithm = 'ES256'";

const KEPT_FOR: KeptFor = KeptFor { good: Duration::ZERO, refused: Duration::ZERO };

/// A coordinator's operations listener, and what it depends on.
struct Rig {
    store: Arc<MemoryStore>,
    audit: Arc<MemoryAudit>,
    clock: ManualClock,
    warnings: Warnings,
    leaving: CancellationToken,
    router: Router,
}

impl Rig {
    async fn start(config: &str) -> Self {
        let text = format!("{CONFIG}\n{config}");
        let source = Source::from_parts("moneyer.toml", &text, "MONEYER", &[]);
        let (config, charter) = Config::load(&source).unwrap();
        let (store, audit) = (Arc::new(MemoryStore::default()), Arc::new(MemoryAudit::default()));
        let (clock, warnings) = (ManualClock::default(), Warnings::default());
        let ports = Ports {
            store: store.clone(),
            signer: Arc::new(FixtureSigner::default()),
            audit: audit.clone(),
            clock: Arc::new(clock.clone()),
        };
        let authority = Authority::open(charter, ports).await.unwrap();
        let metrics = Metrics::new(metrics_recorder(), None);
        let publishing = publishing(&config, &authority, &metrics);
        let started_at = authority.now();
        let leaving = CancellationToken::new();
        let router = router(Watched {
            reviews: TokenReviews::new(&authority, KEPT_FOR, &metrics).unwrap(),
            authority,
            metrics,
            publishing,
            warnings: warnings.clone(),
            started_at,
            leaving: leaving.clone(),
            certificate: None,
            bundle_endpoint: None,
        });
        Self { store, audit, clock, warnings, leaving, router }
    }

    async fn get(&self, path: &str) -> (StatusCode, HeaderMap, String) {
        let request = http::Request::get(path).body(Body::empty()).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn json(&self, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = self.get(path).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    /// The verdict, which page and JSON tell alike.
    async fn verdict(&self) -> Value {
        let (status, view) = self.json("/status.json").await;
        let verdict = view["verdict"].clone();
        let (page_status, _, page) = self.get("/").await;
        assert_eq!((status, page_status), (StatusCode::OK, StatusCode::OK));
        let state = verdict["state"].as_str().unwrap();
        assert!(page.contains(&format!(r#"class="verdict {state}""#)), "{page}");
        let heading = format!("<h1>{}</h1>", verdict["sentence"].as_str().unwrap());
        assert!(page.contains(&heading), "{heading} is not in {page}");
        verdict
    }
}

fn publishing(config: &Config, authority: &Authority, metrics: &Metrics) -> PublishRequests {
    let rules = DocumentRules {
        key_set_paths: config.issuer.key_set_paths().collect(),
        token_endpoint: None,
        max_age: Duration::from_secs(60),
    };
    let documents = PublicDocuments::new(authority.published(), rules).unwrap();
    Publisher::new(&config.publish, authority, &documents, metrics).unwrap().1
}

#[tokio::test]
async fn a_daemon_that_goes_down_is_not_ready_and_says_so() {
    let rig = Rig::start("").await;
    assert_eq!(rig.json("/readyz").await.0, StatusCode::OK);
    assert_eq!(rig.verdict().await["state"], "good");
    rig.leaving.cancel();
    let (status, body) = rig.json("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((&body["ready"], &body["state"]), (&false.into(), &"leaving".into()));
    let lifecycle = body["checks"].as_array().unwrap().last().unwrap();
    assert_eq!((&lifecycle["name"], &lifecycle["ok"]), (&"lifecycle".into(), &false.into()));
    assert_eq!(lifecycle["problem"], "the daemon is going down");
    let verdict = rig.verdict().await;
    assert_eq!(verdict["sentence"], "The coordinator is going down: it takes no more work.");
}

#[tokio::test]
async fn what_fails_is_said_first_with_its_cause_and_what_to_do() {
    let rig = Rig::start("").await;
    let told = async |sentence: &str, cause: &str, command: &str| {
        let verdict = rig.verdict().await;
        assert_eq!(
            (&verdict["state"], &verdict["sentence"]),
            (&"failing".into(), &sentence.into())
        );
        let finding = &verdict["findings"][0];
        assert!(finding["cause"].as_str().unwrap().contains(cause), "{finding}");
        assert_eq!(finding["commands"][0], command);
        let page = rig.get("/").await.2;
        assert!(page.contains(finding["todo"].as_str().unwrap()), "{page}");
        assert!(page.contains(command));
    };
    rig.audit.set_failing(true);
    let sentence = "The audit log cannot be written: no token is minted and nothing is changed.";
    told(sentence, "cannot be written", "df -h").await;
    rig.audit.set_failing(false);

    rig.clock.fail(Some(ClockFault::Behind { by: Duration::from_secs(3600) }));
    let sentence = "The clock of this machine is wrong: no token is minted and no key changes.";
    told(sentence, "3600 s behind", "moneyer clock show").await;
    rig.clock.fail(None);

    rig.clock.advance(Duration::from_secs(40 * 24 * 3600));
    told("No key may sign: no token is minted.", "end of its signing time", "moneyer key list")
        .await;
}

#[tokio::test]
async fn a_store_that_is_away_leaves_the_coordinator_in_service() {
    let rig = Rig::start("").await;
    rig.store.set_unavailable(true);
    let (status, body) = rig.json("/readyz").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&body["ready"], &body["state"]), (&true.into(), &"degraded".into()));
    let store = &body["checks"][0];
    assert_eq!((&store["name"], &store["ok"]), (&"store".into(), &false.into()));
    let verdict = rig.verdict().await;
    assert_eq!(verdict["sentence"], "Tokens are minted. The store takes no change.");
    rig.audit.set_failing(true);
    let (status, body) = rig.json("/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((&body["ready"], &body["state"]), (&false.into(), &"failing".into()));
}

#[tokio::test]
async fn everything_that_is_wrong_is_listed_the_worst_first() {
    let rig = Rig::start("").await;
    rig.store.set_unavailable(true);
    rig.audit.set_failing(true);
    let verdict = rig.verdict().await;
    assert_eq!(verdict["findings"].as_array().unwrap().len(), 2);
    let page = rig.get("/").await.2;
    for finding in verdict["findings"].as_array().unwrap() {
        assert!(page.contains(finding["what"].as_str().unwrap()));
    }
}

const HOSTILE: &str = "<script>alert('x')</script>";
const ESCAPED: &str = "&lt;script&gt;alert('x')&lt;/script&gt;";

#[tokio::test]
async fn what_comes_from_the_log_or_the_configuration_is_text_on_the_page() {
    let rig = Rig::start(&format!("publish.directory = \"/srv/{HOSTILE}\"")).await;
    let now = rig.clock.now();
    rig.warnings.note(WarningLevel::Error, HOSTILE.to_owned(), format!("a={HOSTILE}"), now);
    let page = rig.get("/").await.2;
    assert!(!page.contains("<script"), "{page}");
    // The target, the message and its values.
    assert_eq!(page.matches(ESCAPED).count(), 3, "{page}");
    let (_, view) = rig.json("/status.json").await;
    assert_eq!(view["warnings"][0]["message"], HOSTILE);
}

#[tokio::test]
async fn warnings_are_told_with_their_time_and_how_often_they_came() {
    let rig = Rig::start("").await;
    let first = rig.clock.now();
    let note = || {
        let message = "the store does not write".to_owned();
        rig.warnings.note(WarningLevel::Warning, message, String::new(), rig.clock.now());
    };
    note();
    rig.clock.advance(Duration::from_secs(600));
    note();
    rig.clock.advance(Duration::from_secs(180));
    let (_, view) = rig.json("/status.json").await;
    let warning = &view["warnings"][0];
    assert_eq!((&warning["level"], &warning["count"]), (&"warning".into(), &2.into()));
    assert_eq!(warning["first_at"], first.0);
    assert_eq!(warning["last_at"], first.0 + 600);
    let page = rig.get("/").await.2;
    assert!(page.contains("the store does not write") && page.contains("3 min ago"), "{page}");
}
