//! The management API's paths.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::http::{StatusCode, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use moneyer_authority::Authority;

use crate::exchange::Subjects;
use crate::federation::FederationRequests;
use crate::http::authenticate::Operators;
use crate::http::management::{
    apps, audiences, clock, federations, issuer, keys, mappings, members, policies, profiles,
    providers, publish, sandboxes, scopes, store, x509_authorities,
};
use crate::http::{self, Dialect, error, openapi};
use crate::kept_store::KeptStore;
use crate::metrics::Metrics;
use crate::publish::PublishRequests;

/// What the handlers need.
#[derive(Debug, Clone)]
pub(crate) struct ManagementState {
    pub(crate) authority: Authority,
    pub(crate) operators: Operators,
    pub(crate) store: KeptStore,
    pub(crate) metrics: Metrics,
    pub(crate) publishing: PublishRequests,
    pub(crate) federations: FederationRequests,
    pub(crate) subjects: Subjects,
}

/// The store itself, for what is done with all of it.
#[derive(Debug, Clone)]
pub(super) struct Keeping(pub(super) KeptStore);

impl FromRef<ManagementState> for Keeping {
    fn from_ref(state: &ManagementState) -> Self {
        Self(state.store.clone())
    }
}

impl FromRef<ManagementState> for PublishRequests {
    fn from_ref(state: &ManagementState) -> Self {
        state.publishing.clone()
    }
}

impl FromRef<ManagementState> for FederationRequests {
    fn from_ref(state: &ManagementState) -> Self {
        state.federations.clone()
    }
}

impl FromRef<ManagementState> for Subjects {
    fn from_ref(state: &ManagementState) -> Self {
        state.subjects.clone()
    }
}

impl FromRef<ManagementState> for Authority {
    fn from_ref(state: &ManagementState) -> Self {
        state.authority.clone()
    }
}

impl FromRef<ManagementState> for Metrics {
    fn from_ref(state: &ManagementState) -> Self {
        state.metrics.clone()
    }
}

impl FromRef<ManagementState> for Operators {
    fn from_ref(state: &ManagementState) -> Self {
        state.operators.clone()
    }
}

/// The same for other machines. A client of Jwtlet is told with 401 and 403 nothing but that.
pub(crate) fn remote(router: Router, errors: Dialect) -> Router {
    match errors {
        Dialect::Rfc8693 => router,
        Dialect::Jwtlet => router.layer(map_response(silent)),
    }
}

async fn silent(mut response: Response) -> Response {
    if matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

/// The management listener's routes, and `/health`, which needs nobody's permission.
pub(crate) fn router(state: ManagementState) -> Router {
    let document = Arc::new(openapi::document());
    let api = Router::new()
        .route("/openapi.json", get(async || Json(document)))
        .route("/clock", get(clock::show))
        .route("/clock/confirm", post(clock::confirm))
        .route("/issuer", get(issuer::show))
        .route("/issuer/move", post(issuer::move_to))
        .route("/keys", get(keys::list).post(keys::command))
        .route("/keys/published", get(keys::published))
        .route("/keys/import", post(keys::import))
        .route("/keys/x509", get(x509_authorities::list).post(x509_authorities::command))
        .route("/publish", get(publish::show).post(publish::now))
        .route("/store/backup", post(store::backup))
        .route("/store/rekey", post(store::rekey))
        .route("/apps", get(apps::list))
        .route("/apps/{name}", get(apps::show).put(apps::put).delete(apps::remove))
        .route("/audiences", get(audiences::list))
        .route(
            "/audiences/{name}",
            get(audiences::show).put(audiences::put).delete(audiences::remove),
        )
        .route("/audiences/{name}/check", get(audiences::check))
        .route("/federations", get(federations::list))
        .route(
            "/federations/{trust_domain}",
            get(federations::show).put(federations::put).delete(federations::remove),
        )
        .route("/federations/{trust_domain}/refresh", post(federations::refresh))
        .route("/trust-bundles", get(federations::bundles))
        .route("/mappings", get(mappings::list).post(mappings::create).put(mappings::import))
        .route("/mappings/{client}", delete(mappings::remove_client))
        .route(
            "/mappings/{client}/{context}",
            get(mappings::show).put(mappings::update).delete(mappings::remove),
        )
        .route("/mapping-decision", post(mappings::decision))
        .route("/scopes", get(scopes::list).post(scopes::create).put(scopes::import))
        .route("/scopes/{scope}", get(scopes::show).put(scopes::update).delete(scopes::remove))
        .route("/policies", get(policies::list))
        .route("/policies/{name}", get(policies::show).put(policies::put).delete(policies::remove))
        .route("/policy-decision", get(policies::decision))
        .merge(grants())
        .route("/sandboxes", get(sandboxes::list))
        .route(
            "/sandboxes/{id}",
            get(sandboxes::show).put(sandboxes::put).delete(sandboxes::remove),
        )
        .route("/sandboxes/{id}/token", post(sandboxes::mint))
        .route("/runners", get(members::list_runners).post(members::invite_runner))
        .route("/runners/{id}", delete(members::remove_runner))
        .route("/controllers", get(members::list_controllers).post(members::invite_controller))
        .route("/controllers/{id}", delete(members::remove_controller));
    // The listener limits bodies.
    let api = api.layer(DefaultBodyLimit::disable());
    error::with_fallbacks(Router::new().nest("/api/v1", api).merge(http::health()))
        .with_state(state)
}

/// Profiles and providers, and to what they are attached.
fn grants() -> Router<ManagementState> {
    Router::new()
        .route("/profiles", get(profiles::list))
        .route("/profiles/{id}", get(profiles::show).put(profiles::put).delete(profiles::remove))
        .route("/providers", get(providers::list).post(providers::create))
        .route("/providers/{name}", get(providers::show).delete(providers::remove))
        .route("/providers/{name}/credentials", put(providers::update))
        .route(
            "/providers/{name}/apps/{app}",
            put(providers::attach_to_app).delete(providers::detach_from_app),
        )
        .route(
            "/providers/{name}/sandboxes/{sandbox}",
            put(providers::attach_to_sandbox).delete(providers::detach_from_sandbox),
        )
}
