//! `/policies`: by which workloads that log in are let in. `/policy-decision`: who decides about one of them.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use moneyer_authority::Authority;
use moneyer_authority::login::PoliciesError;
use moneyer_identity::PolicyName;
use moneyer_identity::spiffe::SpiffeId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::policy_views::{DecisionView, PolicyBody, PolicyView};

pub(super) async fn list(_: Operator, State(authority): State<Authority>) -> Json<Vec<PolicyView>> {
    let policies = authority.policies().list();
    Json(policies.iter().map(|policy| PolicyView::from(&**policy)).collect())
}

pub(super) async fn show(
    _: Operator,
    State(authority): State<Authority>,
    path: Result<Path<PolicyName>, PathRejection>,
) -> Result<Json<PolicyView>, Problem> {
    let Path(name) = path?;
    view(&authority, &name)
}

pub(super) async fn put(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<PolicyName>, PathRejection>,
    body: Result<Json<PolicyBody>, JsonRejection>,
) -> Result<Json<PolicyView>, Problem> {
    let (Path(name), Json(body)) = (path?, body?);
    let policy = body.policy(name.clone()).map_err(Problem::invalid)?;
    authority.put_policy(&operator, policy).await?;
    view(&authority, &name)
}

pub(super) async fn remove(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<PolicyName>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(name) = path?;
    authority.remove_policy(&operator, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// About whom it is asked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct About {
    spiffe_id: SpiffeId,
}

/// Who decides about an id at this moment. Nobody has to have logged in.
pub(super) async fn decision(
    _: Operator,
    State(authority): State<Authority>,
    query: Result<Query<About>, QueryRejection>,
) -> Result<Json<DecisionView>, Problem> {
    let Query(About { spiffe_id }) = query?;
    let decision = authority.decide_login(&spiffe_id);
    Ok(Json(DecisionView::of(spiffe_id, &decision, authority.login_plan())))
}

fn view(authority: &Authority, name: &PolicyName) -> Result<Json<PolicyView>, Problem> {
    let policies = authority.policies().list();
    let found = policies.iter().find(|policy| policy.name == *name);
    let found = found.ok_or_else(|| PoliciesError::NoSuchPolicy(name.clone()))?;
    Ok(Json(PolicyView::from(&**found)))
}
