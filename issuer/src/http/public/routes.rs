//! Which path answers with which document.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

use crate::config::IssuerSection;
use crate::http::error;
use crate::http::public::document::PublicDocuments;

/// The public listener's routes.
///
/// Discovery is appended to the issuer, path included; RFC 8414 section 3.1 inserts its path between
/// host and issuer path. Both are served, each with the same document.
pub(crate) fn router(issuer: &IssuerSection, documents: PublicDocuments) -> Router {
    let prefix = issuer.url.path();
    let mut router = Router::new()
        .route(&format!("{prefix}/.well-known/openid-configuration"), get(discovery))
        .route(&format!("{prefix}/.well-known/oauth-authorization-server"), get(discovery));
    if !prefix.is_empty() {
        let inserted = format!("/.well-known/oauth-authorization-server{prefix}");
        router = router.route(&inserted, get(discovery));
    }
    let mut paths: Vec<_> = std::iter::once(&issuer.jwks_path)
        .chain(&issuer.jwks_aliases)
        .map(|path| format!("{prefix}{}", path.as_str()))
        .collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        router = router.route(&path, get(key_set));
    }
    error::with_fallbacks(router).with_state(documents)
}

async fn discovery(State(documents): State<PublicDocuments>, headers: HeaderMap) -> Response {
    documents.now().discovery.answer(&headers)
}

async fn key_set(State(documents): State<PublicDocuments>, headers: HeaderMap) -> Response {
    documents.now().key_set.answer(&headers)
}
