//! `/clock`: how it stands with the wall clock, and an operator's word that it is right.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use moneyer_authority::Authority;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::views::{ClockBody, ClockView};

pub(super) async fn show(
    Operator(operator): Operator,
    State(authority): State<Authority>,
) -> Json<ClockView> {
    Json(authority.clock(&operator).into())
}

/// The time is that of another clock: one that the operator did not look at is refused.
pub(super) async fn confirm(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<ClockBody>, JsonRejection>,
) -> Result<Json<ClockView>, Problem> {
    let Json(ClockBody { time }) = body?;
    Ok(Json(authority.confirm_clock(&operator, time).await?.into()))
}
