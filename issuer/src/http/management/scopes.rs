//! `/scopes`: the claims that scopes stand for in token exchange. Paths, JSON and status codes are those of Jwtlet.
//!
//! A scope may stand for other claims in one participant context: `participantContext` in the body, and in the query
//! where a path names the scope.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use moneyer_authority::Authority;
use moneyer_authority::exchange::{
    MappingsError, ParticipantContext, Place, ScopeKey, ScopeMapping, ScopeName,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::mapping_views::{ScopeJson, several};
use crate::http::management::revision::{IfMatch, etag};

/// In which context.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScopeQuery {
    participant_context: Option<ParticipantContext>,
}

type NamePath = Result<Path<ScopeName>, PathRejection>;
type ContextQuery = Result<Query<ScopeQuery>, QueryRejection>;

fn key(path: NamePath, query: ContextQuery) -> Result<ScopeKey, Problem> {
    let (Path(scope), Query(query)) = (path?, query?);
    Ok(ScopeKey { scope, context: query.participant_context })
}

pub(super) async fn list(_: Operator, State(authority): State<Authority>) -> Json<Vec<ScopeJson>> {
    let catalog = authority.exchange_catalog();
    Json(catalog.scopes().map(|kept| ScopeJson::from(&*kept.value)).collect())
}

pub(super) async fn show(
    _: Operator,
    State(authority): State<Authority>,
    path: NamePath,
    query: ContextQuery,
) -> Result<Response, Problem> {
    let key = key(path, query)?;
    let catalog = authority.exchange_catalog();
    let kept = catalog.scope(&key).ok_or(MappingsError::NoSuchScope(key))?;
    Ok((etag(kept.revision), Json(ScopeJson::from(&*kept.value))).into_response())
}

fn read(body: Result<Json<Value>, JsonRejection>) -> Result<Vec<ScopeMapping>, Problem> {
    let Json(body) = body?;
    let several = several::<ScopeJson>(body).map_err(Problem::invalid)?;
    Ok(several.into_iter().map(ScopeMapping::from).collect())
}

/// One or several, of which none is there yet.
pub(super) async fn create(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let several = read(body)?;
    authority.put_scopes(&operator, several, Place::New).await?;
    Ok(StatusCode::CREATED)
}

/// Several, whether they are there or not: all of them or none.
pub(super) async fn import(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let several = read(body)?;
    authority.put_scopes(&operator, several, Place::Any).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn update(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    IfMatch(revision): IfMatch,
    path: NamePath,
    body: Result<Json<ScopeJson>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let (Path(scope), Json(body)) = (path?, body?);
    if body.scope != scope {
        return Err(Problem::invalid("the path and the body name two scopes"));
    }
    authority.put_scopes(&operator, vec![body.into()], Place::There(revision)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Also where there is none: it is gone either way.
pub(super) async fn remove(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    IfMatch(revision): IfMatch,
    path: NamePath,
    query: ContextQuery,
) -> Result<StatusCode, Problem> {
    authority.remove_scope(&operator, key(path, query)?, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}
