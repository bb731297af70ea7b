//! `/apps`.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use moneyer_authority::Authority;
use moneyer_authority::registry::AppChange;
use moneyer_identity::AppName;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::views::{AppBody, AppView};

pub(super) async fn list(_: Operator, State(authority): State<Authority>) -> Json<Vec<AppView>> {
    let apps = authority.registry().list_apps();
    Json(apps.iter().map(|(app, sandboxes)| AppView::of(app, *sandboxes)).collect())
}

pub(super) async fn show(
    _: Operator,
    State(authority): State<Authority>,
    path: Result<Path<AppName>, PathRejection>,
) -> Result<Json<AppView>, Problem> {
    let Path(name) = path?;
    let found = authority.registry().find_app(&name);
    let (app, sandboxes) = found.ok_or_else(|| Problem::not_found("no such app"))?;
    Ok(Json(AppView::of(&app, sandboxes)))
}

pub(super) async fn put(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<AppName>, PathRejection>,
    body: Result<Json<AppBody>, JsonRejection>,
) -> Result<Json<AppView>, Problem> {
    let (Path(name), Json(body)) = (path?, body?);
    let AppBody { audiences, accounts, spiffe_ending } = body;
    let (accounts, spiffe_ending) = (Some(accounts), spiffe_ending.into());
    let change = AppChange { name, audiences, accounts, spiffe_ending };
    let app = authority.put_app(&operator, change).await?;
    let sandboxes = authority.registry().find_app(&app.name).map_or(0, |(_, count)| count);
    Ok(Json(AppView::of(&app, sandboxes)))
}

pub(super) async fn remove(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<AppName>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(name) = path?;
    authority.registry().remove_app(&operator, name).await?;
    Ok(StatusCode::NO_CONTENT)
}
