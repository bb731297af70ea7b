//! `/providers`: named instances of profiles, what they hold, and to what they are attached. What they hold goes in and
//! never comes out.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use moneyer_authority::Authority;
use moneyer_authority::providers::Detachment;
use moneyer_identity::{AppName, ProviderName, SandboxId};

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::provider_views::{CredentialsBody, ProviderBody, ProviderView};
use crate::http::management::revision::{IfMatch, etag};

type NamePath = Result<Path<ProviderName>, PathRejection>;

pub(super) async fn list(
    _: Operator,
    State(authority): State<Authority>,
) -> Json<Vec<ProviderView>> {
    let now = authority.providers().now();
    Json(now.providers().map(|(provider, _)| ProviderView::from(&**provider)).collect())
}

pub(super) async fn show(
    _: Operator,
    State(authority): State<Authority>,
    path: NamePath,
) -> Result<Response, Problem> {
    let Path(name) = path?;
    view(&authority, &name, StatusCode::OK)
}

pub(super) async fn create(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<ProviderBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(body) = body?;
    let name = body.name.clone();
    authority.create_provider(&operator, body.into()).await?;
    view(&authority, &name, StatusCode::CREATED)
}

/// Other credentials; what is not named stays.
pub(super) async fn update(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    IfMatch(revision): IfMatch,
    path: NamePath,
    body: Result<Json<CredentialsBody>, JsonRejection>,
) -> Result<Response, Problem> {
    let (Path(name), Json(body)) = (path?, body?);
    authority.update_provider(&operator, name.clone(), body.into(), revision).await?;
    view(&authority, &name, StatusCode::OK)
}

pub(super) async fn remove(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    IfMatch(revision): IfMatch,
    path: NamePath,
) -> Result<StatusCode, Problem> {
    let Path(name) = path?;
    authority.remove_provider(&operator, name, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn attach_to_app(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<(ProviderName, AppName)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((name, app)) = path?;
    authority.attach_provider_to_app(&operator, name.clone(), app).await?;
    view(&authority, &name, StatusCode::OK)
}

pub(super) async fn detach_from_app(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<(ProviderName, AppName)>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path((name, app)) = path?;
    authority.detach_provider(&operator, name, Detachment::App(app)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn attach_to_sandbox(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<(ProviderName, SandboxId)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((name, sandbox)) = path?;
    authority.attach_provider_to_sandbox(&operator, name.clone(), sandbox).await?;
    view(&authority, &name, StatusCode::OK)
}

pub(super) async fn detach_from_sandbox(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<(ProviderName, SandboxId)>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path((name, sandbox)) = path?;
    authority.detach_provider(&operator, name, Detachment::Sandbox(sandbox)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(
    authority: &Authority,
    name: &ProviderName,
    status: StatusCode,
) -> Result<Response, Problem> {
    let now = authority.providers().now();
    let (provider, revision) = now.provider(name)?;
    Ok((status, etag(revision), Json(ProviderView::from(&**provider))).into_response())
}
