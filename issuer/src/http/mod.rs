//! The HTTP edges: public documents, log-in, the management API, and operations.
//!
//! A handler converts, makes one call into the authority, converts. Only `error` knows status codes.

use axum::Router;
use axum::routing::get;

mod authenticate;
mod error;
pub(crate) mod exchange;
pub(crate) mod management;
mod oauth_error;
pub(crate) mod openapi;
pub(crate) mod operations;
pub(crate) mod public;

pub(crate) use authenticate::Operators;
pub(crate) use oauth_error::Dialect;

/// `/health`, where clients of Jwtlet look: that somebody answers, and no more.
fn health<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/health", get(|| async { "OK" }))
}
