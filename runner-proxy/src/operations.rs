//! Health and metrics for whoever operates the host.
//!
//! Alive means the process answers. Ready means that new tokens can be had and will be: the coordinator
//! is connected, the certificate has more than a tenth of its life left and the audit log is written; while it is not, tokens are
//! still served from the cache, so readiness is no reason to restart the proxy. Nothing here names a
//! sandbox.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use metrics_exporter_prometheus::PrometheusHandle;
use moneyer_audit::FileAudit;
use moneyer_identity::Clock;
use moneyer_recording::LineLog as _;
use tokio::sync::watch;

use crate::coordinator::{CertificateHealth, Member};
use crate::metrics::{Metrics, Observed};
use crate::sandbox::Attachments;
use crate::token::TokenSource;

/// What is looked at.
pub(crate) struct Operations {
    pub(crate) recorder: PrometheusHandle,
    pub(crate) metrics: Metrics,
    pub(crate) connected: watch::Receiver<bool>,
    pub(crate) member: Arc<Member>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) source: TokenSource,
    pub(crate) attachments: Arc<Attachments>,
    /// Where there is a forward proxy.
    pub(crate) audit: Option<Arc<FileAudit>>,
}

/// `/livez`, `/readyz` and `/metrics`.
pub(crate) fn router(operations: Operations) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(Arc::new(operations))
}

async fn readyz(State(operations): State<Arc<Operations>>) -> Response {
    let connected = *operations.connected.borrow();
    let (now, present) = (operations.clock.now(), operations.member.present());
    let (life, certificate) = (present.not_after().since(now), present.health(now));
    let audit = operations.audit.as_ref().map_or(Ok("off"), |log| log.health().map(|()| "written"));
    let ready = connected
        && audit.is_ok()
        && matches!(certificate, CertificateHealth::Sound | CertificateHealth::Degraded);
    let audit = audit.unwrap_or("failing");
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({
        "ready": ready,
        "coordinator_connected": connected,
        "certificate_remaining_seconds": life.as_secs(),
        "certificate": certificate.as_str(),
        "problem": certificate.problem(),
        "audit": audit,
    });
    (status, Json(body)).into_response()
}

async fn render(State(operations): State<Arc<Operations>>) -> Response {
    operations.metrics.observe(Observed {
        sandboxes: operations.attachments.count().await,
        least_life: operations.source.least_life_of_files(),
        connected: *operations.connected.borrow(),
        certificate_life: operations.member.remaining(operations.clock.now()),
        audit: operations.audit.as_ref().map(|log| log.written()),
    });
    let kind = [(CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, operations.recorder.render()).into_response()
}
