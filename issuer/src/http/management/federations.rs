//! `/federations`: foreign trust domains and how it stands with their bundles. `/trust-bundles`: all that are in
//! force, as one bundle map.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use moneyer_authority::Authority;
use moneyer_authority::federation::FederationsError;
use moneyer_identity::spiffe::TrustDomain;

use crate::federation::FederationRequests;
use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::federation_views::{FederationBody, FederationView};

pub(super) async fn list(
    _: Operator,
    State(authority): State<Authority>,
) -> Json<Vec<FederationView>> {
    let (federations, now) = (authority.federations(), authority.now());
    let age = federations.maximum_age();
    Json(federations.list().iter().map(|known| FederationView::of(known, now, age)).collect())
}

pub(super) async fn show(
    _: Operator,
    State(authority): State<Authority>,
    path: Result<Path<TrustDomain>, PathRejection>,
) -> Result<Json<FederationView>, Problem> {
    let Path(trust_domain) = path?;
    view(&authority, &trust_domain)
}

/// Answers when the bundle was fetched, or why it was not: the federation is put either way.
pub(super) async fn put(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    State(requests): State<FederationRequests>,
    path: Result<Path<TrustDomain>, PathRejection>,
    body: Result<Json<FederationBody>, JsonRejection>,
) -> Result<Json<FederationView>, Problem> {
    let (Path(trust_domain), Json(body)) = (path?, body?);
    let federation = body.federation(trust_domain.clone()).map_err(Problem::invalid)?;
    authority.put_federation(&operator, federation).await?;
    requests.refresh(trust_domain.clone()).await;
    view(&authority, &trust_domain)
}

pub(super) async fn remove(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<TrustDomain>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(trust_domain) = path?;
    authority.remove_federation(&operator, trust_domain).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fetches its bundle now, and tells what came of it.
pub(super) async fn refresh(
    _: Operator,
    State(authority): State<Authority>,
    State(requests): State<FederationRequests>,
    path: Result<Path<TrustDomain>, PathRejection>,
) -> Result<Json<FederationView>, Problem> {
    let Path(trust_domain) = path?;
    if authority.federations().find(&trust_domain).is_none() {
        return Err(FederationsError::NoSuchFederation(trust_domain).into());
    }
    requests.refresh(trust_domain.clone()).await;
    view(&authority, &trust_domain)
}

/// The bundles that are in force, the cluster's own among them.
pub(super) async fn bundles(_: Operator, State(authority): State<Authority>) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, authority.trust_bundles().to_document()).into_response()
}

fn view(
    authority: &Authority,
    trust_domain: &TrustDomain,
) -> Result<Json<FederationView>, Problem> {
    let federations = authority.federations();
    let known = federations.find(trust_domain);
    let known = known.ok_or_else(|| FederationsError::NoSuchFederation(trust_domain.clone()))?;
    Ok(Json(FederationView::of(&known, authority.now(), federations.maximum_age())))
}
