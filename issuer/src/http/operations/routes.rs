//! The operations listener's paths.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use moneyer_authority::Authority;
use tokio_util::sync::CancellationToken;

use crate::http::error;
use crate::http::operations::health::{Check, Health};
use crate::metrics::Metrics;
use crate::public_tls::PublicCertificate;

/// What is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) authority: Authority,
    pub(crate) metrics: Metrics,
    pub(crate) going_down: CancellationToken,
    /// The public listener's certificate, where it has one of its own.
    pub(crate) certificate: Option<PublicCertificate>,
}

/// The operations listener's routes.
pub(crate) fn router(watched: Watched) -> Router {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(render));
    error::with_fallbacks(router).with_state(watched)
}

async fn ready(State(parts): State<Watched>) -> Response {
    let mut health = Health::of(&parts.authority);
    if let Some(certificate) = &parts.certificate {
        health.tell(certificate, parts.authority.now());
    }
    if parts.going_down.is_cancelled() {
        health.ready = false;
        let problem = Some("the daemon is going down".to_owned());
        health.checks.push(Check { name: "lifecycle", ok: false, problem });
    }
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(health)).into_response()
}

async fn render(State(parts): State<Watched>) -> Response {
    parts.metrics.observe(&parts.authority);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], parts.metrics.render()).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use moneyer_authority::Ports;
    use moneyer_daemon::settings::Source;
    use moneyer_testkit::ManualClock;
    use moneyer_testkit::audit::MemoryAudit;
    use moneyer_testkit::signer::FixtureSigner;
    use moneyer_testkit::store::MemoryStore;
    use tower::ServiceExt as _;

    use super::*;
    use crate::config::Config;

    async fn answer(router: &Router) -> (StatusCode, serde_json::Value) {
        let request = http::Request::get("/readyz").body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_daemon_that_goes_down_is_not_ready() {
        let text = "issuer.url = 'https://id.example.com'\nkeys.algorithm = 'ES256'";
        let source = Source::from_parts("moneyer.toml", text, "MONEYER", &[]);
        let (_, charter) = Config::load(&source).unwrap();
        let ports = Ports {
            store: Arc::new(MemoryStore::default()),
            signer: Arc::new(FixtureSigner::default()),
            audit: Arc::new(MemoryAudit::default()),
            clock: Arc::new(ManualClock::default()),
        };
        let authority = Authority::open(charter, ports).await.unwrap();
        let going_down = CancellationToken::new();
        let metrics = Metrics::new(moneyer_daemon::telemetry::metrics_recorder(), None);
        let watched =
            Watched { authority, metrics, going_down: going_down.clone(), certificate: None };
        let router = router(watched);
        assert_eq!(answer(&router).await.0, StatusCode::OK);
        going_down.cancel();
        let (status, body) = answer(&router).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body["ready"], false);
        let lifecycle = body["checks"].as_array().unwrap().last().unwrap();
        assert_eq!((&lifecycle["name"], &lifecycle["ok"]), (&"lifecycle".into(), &false.into()));
        assert_eq!(lifecycle["problem"], "the daemon is going down");
    }
}
