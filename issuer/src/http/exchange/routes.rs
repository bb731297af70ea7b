//! The exchange listener's paths.

use axum::Router;
use axum::routing::post;

use super::{login, token};
use crate::exchange::ExchangeDesk;
use crate::http::{Dialect, error};
use crate::login::LoginDesk;
use crate::metrics::Metrics;

/// What the handlers need.
#[derive(Debug, Clone)]
pub(crate) struct ExchangeState {
    pub(crate) desk: LoginDesk,
    pub(crate) exchange: ExchangeDesk,
    pub(crate) errors: Dialect,
    pub(crate) metrics: Metrics,
}

/// The exchange listener's routes.
pub(crate) fn router(state: ExchangeState) -> Router {
    let routes = Router::new()
        .route("/v1/login/spiffe", post(login::spiffe))
        .route("/token", post(token::exchange));
    error::with_fallbacks(routes).with_state(state)
}
