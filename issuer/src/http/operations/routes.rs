//! The operations listener's paths.

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use moneyer_authority::Authority;
use moneyer_daemon::telemetry::Warnings;
use moneyer_identity::UnixTime;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::http::error;
use crate::http::operations::health::Health;
use crate::http::operations::status::{Moment, StatusView, content_security_policy, page};
use crate::kubernetes::TokenReviews;
use crate::metrics::Metrics;
use crate::public_tls::PublicCertificate;
use crate::publish::PublishRequests;

/// What is looked at.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) authority: Authority,
    pub(crate) metrics: Metrics,
    pub(crate) publishing: PublishRequests,
    pub(crate) warnings: Warnings,
    /// When the coordinator started.
    pub(crate) started_at: UnixTime,
    /// Cancelled once it is about to end.
    pub(crate) leaving: CancellationToken,
    /// The public listener's certificate, where it has one of its own.
    pub(crate) certificate: Option<PublicCertificate>,
    /// When the bundle endpoint's SVID ends, if it shows one, where there is such an endpoint.
    pub(crate) bundle_endpoint: Option<watch::Receiver<Option<UnixTime>>>,
    /// The API servers that are asked about tokens.
    pub(crate) reviews: TokenReviews,
}

#[derive(Debug, Clone)]
struct Parts {
    watched: Watched,
    policy: HeaderValue,
}

/// The operations listener's routes.
pub(crate) fn router(watched: Watched) -> Router {
    let router = Router::new()
        .route("/", get(show))
        .route("/status.json", get(tell))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(render));
    // Of letters, digits and what stands between them: it is a value.
    let policy = HeaderValue::try_from(content_security_policy());
    let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'none'"));
    error::with_fallbacks(router).with_state(Parts { watched, policy })
}

impl Watched {
    fn health(&self) -> Health {
        let mut health = Health::of(&self.authority);
        if let Some(certificate) = &self.certificate {
            health.tell(certificate, self.authority.now());
        }
        if let Some(ends_at) = &self.bundle_endpoint {
            health.tell_bundle_endpoint(*ends_at.borrow(), self.authority.now());
        }
        if !self.reviews.is_empty() {
            health.tell_api_servers(&self.reviews.away());
        }
        if self.leaving.is_cancelled() {
            health.tell_leaving();
        }
        health
    }

    fn view(&self) -> StatusView {
        let at = Moment { wall: self.authority.now(), instant: Instant::now() };
        StatusView::of(self, self.health(), at)
    }
}

async fn show(State(parts): State<Parts>) -> Response {
    let page = Html(page(&parts.watched.view()).into_string());
    guarded(&parts, page.into_response())
}

async fn tell(State(parts): State<Parts>) -> Response {
    let view = Json(parts.watched.view());
    guarded(&parts, view.into_response())
}

/// What a browser is told: to keep nothing, guess nothing, tell nobody and run nothing.
fn guarded(parts: &Parts, mut response: Response) -> Response {
    let fixed: [(HeaderName, &'static str); 3] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(header::CONTENT_SECURITY_POLICY, parts.policy.clone());
    response
}

async fn ready(State(parts): State<Parts>) -> Response {
    let health = parts.watched.health();
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(health)).into_response()
}

async fn render(State(parts): State<Parts>) -> Response {
    let metrics = &parts.watched.metrics;
    metrics.observe(&parts.watched.authority);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], metrics.render()).into_response()
}
