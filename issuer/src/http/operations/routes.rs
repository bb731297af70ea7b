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

#[derive(Debug, Clone)]
struct Parts {
    authority: Authority,
    metrics: Metrics,
    going_down: CancellationToken,
}

/// The operations listener's routes.
pub(crate) fn router(
    authority: Authority,
    metrics: Metrics,
    going_down: CancellationToken,
) -> Router {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(render));
    error::with_fallbacks(router).with_state(Parts { authority, metrics, going_down })
}

async fn ready(State(parts): State<Parts>) -> Response {
    let mut health = Health::of(&parts.authority);
    if parts.going_down.is_cancelled() {
        health.ready = false;
        let problem = Some("the daemon is going down".to_owned());
        health.checks.push(Check { name: "lifecycle", ok: false, problem });
    }
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(health)).into_response()
}

async fn render(State(parts): State<Parts>) -> Response {
    parts.metrics.observe(&parts.authority);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], parts.metrics.render()).into_response()
}
