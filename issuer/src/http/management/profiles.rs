//! `/profiles`: provider profiles, as JSON.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use moneyer_authority::Authority;
use moneyer_authority::profiles::{Profile, ProfileId};
use moneyer_authority::providers::ProvidersError;
use serde_json::Value;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::provider_views::{ProviderProfileRow, ProviderProfileView};
use crate::http::management::revision::{IfMatch, etag};

pub(super) async fn list(
    _: Operator,
    State(authority): State<Authority>,
) -> Json<Vec<ProviderProfileRow>> {
    let now = authority.providers().now();
    Json(now.profiles().map(|(profile, _)| ProviderProfileRow::from(&**profile)).collect())
}

pub(super) async fn show(
    _: Operator,
    State(authority): State<Authority>,
    path: Result<Path<ProfileId>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = path?;
    view(&authority, &id)
}

pub(super) async fn put(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    IfMatch(revision): IfMatch,
    path: Result<Path<ProfileId>, PathRejection>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<Response, Problem> {
    let (Path(id), Json(document)) = (path?, body?);
    let (profile, _) = Profile::read(&document).map_err(ProvidersError::Profile)?;
    if *profile.id() != id {
        return Err(ProvidersError::OtherId(profile.id().clone()).into());
    }
    authority.put_provider_profile(&operator, document, revision).await?;
    view(&authority, &id)
}

pub(super) async fn remove(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    IfMatch(revision): IfMatch,
    path: Result<Path<ProfileId>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = path?;
    authority.remove_provider_profile(&operator, id, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(authority: &Authority, id: &ProfileId) -> Result<Response, Problem> {
    let now = authority.providers().now();
    let (profile, revision) = now.profile(id)?;
    Ok((etag(revision), Json(ProviderProfileView::from(&**profile))).into_response())
}
