//! `/sandboxes`.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use moneyer_authority::Authority;
use moneyer_authority::mint::Ask;
use moneyer_authority::registry::{PageRequest, Sandbox};
use moneyer_identity::{Lifetime, SandboxId};
use tokio::time::Instant;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::views::{
    MintBody, MintView, SandboxBody, SandboxPage, SandboxQuery, SandboxView,
};
use crate::metrics::Metrics;

pub(super) async fn list(
    _: Operator,
    State(authority): State<Authority>,
    query: Result<Query<SandboxQuery>, QueryRejection>,
) -> Result<Json<SandboxPage>, Problem> {
    let Query(query) = query?;
    let request =
        PageRequest { app: query.app, runner: query.runner, after: query.after, size: query.limit };
    let page = authority.registry().list_sandboxes(&request)?;
    let sandboxes = page.sandboxes.iter().map(|placed| SandboxView::from(&**placed)).collect();
    Ok(Json(SandboxPage { sandboxes, next: page.next }))
}

pub(super) async fn show(
    _: Operator,
    State(authority): State<Authority>,
    path: Result<Path<SandboxId>, PathRejection>,
) -> Result<Json<SandboxView>, Problem> {
    let Path(id) = path?;
    let placed = authority.registry().find_sandbox(&id)?;
    Ok(Json(SandboxView::from(&*placed)))
}

pub(super) async fn put(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<SandboxId>, PathRejection>,
    body: Result<Json<SandboxBody>, JsonRejection>,
) -> Result<Json<SandboxView>, Problem> {
    let (Path(id), Json(body)) = (path?, body?);
    let placed_at = authority.now();
    let SandboxBody { app, runner, role } = body;
    let sandbox = Sandbox { id: id.clone(), app, runner, role, placed_at };
    authority.registry().put_sandbox(&operator, sandbox).await?;
    let placed = authority.registry().find_sandbox(&id)?;
    Ok(Json(SandboxView::from(&*placed)))
}

pub(super) async fn remove(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<SandboxId>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = path?;
    authority.registry().remove_sandbox(&operator, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn mint(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    State(metrics): State<Metrics>,
    path: Result<Path<SandboxId>, PathRejection>,
    body: Result<Json<MintBody>, JsonRejection>,
) -> Result<Json<MintView>, Problem> {
    let since = Instant::now();
    let (Path(id), Json(body)) = (path?, body?);
    let lifetime = body.lifetime_seconds.map(Lifetime::from_seconds);
    let ask = Ask { audiences: body.audiences, lifetime, ..Ask::default() };
    let minted = authority.mint_any(&operator, &id, ask).await;
    metrics.minted(since, &minted);
    let minted = minted?;
    Ok(Json(MintView {
        token: minted.token.expose().to_owned(),
        expires_at: minted.expires_at,
        expires_in_seconds: minted.expires_in.seconds(),
        key_id: minted.key_id,
        token_id: minted.token_id,
    }))
}
