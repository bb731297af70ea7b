//! The exchange listener's paths.

use axum::Router;
use axum::routing::post;
use moneyer_authority::login::LOGIN_PATH;

use super::{login, token};
use crate::documents::PublicDocuments;
use crate::exchange::ExchangeDesk;
use crate::http::{self, Dialect, error, public};
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

/// The exchange listener's routes. Whoever was told one address for everything, as clients of Jwtlet are, finds the
/// public documents here too, and `/health`, which says no more than that somebody answers.
pub(crate) fn router(state: ExchangeState, documents: PublicDocuments) -> Router {
    let routes =
        Router::new().route(LOGIN_PATH, post(login::spiffe)).route("/token", post(token::exchange));
    error::with_fallbacks(routes.merge(http::health()))
        .with_state(state)
        .fallback_service(public::router(documents))
}
