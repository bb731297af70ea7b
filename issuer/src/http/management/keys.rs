//! `/keys`: the list, and commands.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use moneyer_authority::Authority;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::views::{KeyCommandBody, KeyStepsView, KeyView, StepView};

pub(super) async fn list(_: Operator, State(authority): State<Authority>) -> Json<Vec<KeyView>> {
    let outlook = authority.keys().outlook(authority.now());
    let ring = authority.keys().ring();
    Json(ring.records().map(|record| KeyView::of(record, &outlook)).collect())
}

pub(super) async fn command(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<KeyCommandBody>, JsonRejection>,
) -> Result<Json<KeyStepsView>, Problem> {
    let Json(body) = body?;
    let command = body
        .command()
        .ok_or_else(|| Problem::invalid("retire needs a key_id; prepare and rotate take none"))?;
    let steps = if body.dry_run {
        authority.judge_keys(&operator, &command)?
    } else {
        authority.command_keys(&operator, &command).await?
    };
    let outlook = authority.keys().outlook(authority.now());
    Ok(Json(KeyStepsView {
        dry_run: body.dry_run,
        steps: steps.iter().map(StepView::from).collect(),
        outlook: outlook.iter().map(StepView::from).collect(),
    }))
}
