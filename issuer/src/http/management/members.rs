//! `/runners` and `/controllers`.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use moneyer_authority::Authority;
use moneyer_authority::enrollment::{AuthenticatedOperator, MemberKind, Principal};
use moneyer_identity::{ControllerName, RunnerId};

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::views::{InvitationBody, InvitationView, MemberView};

/// Life of a join token where none is asked for: long enough to carry it to a machine.
const DEFAULT_INVITATION: Duration = Duration::from_secs(3600);

pub(super) async fn list_runners(
    _: Operator,
    State(authority): State<Authority>,
) -> Json<Vec<MemberView>> {
    Json(list(&authority, MemberKind::Runner))
}

pub(super) async fn list_controllers(
    _: Operator,
    State(authority): State<Authority>,
) -> Json<Vec<MemberView>> {
    Json(list(&authority, MemberKind::Controller))
}

fn list(authority: &Authority, kind: MemberKind) -> Vec<MemberView> {
    let members = authority.registry().list_members();
    let of_kind = members.iter().filter(|(member, _)| member.kind == kind);
    of_kind.map(|(member, sandboxes)| MemberView::of(member, *sandboxes)).collect()
}

pub(super) async fn invite_runner(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<InvitationBody>, JsonRejection>,
) -> Result<(StatusCode, Json<InvitationView>), Problem> {
    let Json(body) = body?;
    let id = RunnerId::parse(&body.name)
        .map_err(|error| Problem::invalid(format!("the runner's name {error}")))?;
    invite(&authority, &operator, Principal::Runner(id), &body).await
}

pub(super) async fn invite_controller(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<InvitationBody>, JsonRejection>,
) -> Result<(StatusCode, Json<InvitationView>), Problem> {
    let Json(body) = body?;
    let name = ControllerName::parse(&body.name)
        .map_err(|error| Problem::invalid(format!("the controller's name {error}")))?;
    invite(&authority, &operator, Principal::Controller(name), &body).await
}

async fn invite(
    authority: &Authority,
    operator: &AuthenticatedOperator,
    principal: Principal,
    body: &InvitationBody,
) -> Result<(StatusCode, Json<InvitationView>), Problem> {
    let asked = body.lifetime_seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let lifetime = asked.unwrap_or(DEFAULT_INVITATION);
    let now = authority.now();
    let name = principal.name().to_owned();
    let token = authority.enrollment().invite(operator, principal, lifetime, now).await?;
    let join_token = token.expose().to_owned();
    let view = InvitationView { name, join_token, expires_at: now.plus(lifetime) };
    Ok((StatusCode::CREATED, Json(view)))
}

pub(super) async fn remove_runner(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<RunnerId>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(id) = path?;
    let name = id.as_str().to_owned();
    authority.remove_member(&operator, MemberKind::Runner, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove_controller(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<ControllerName>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(name) = path?;
    let name = name.as_str().to_owned();
    authority.remove_member(&operator, MemberKind::Controller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
