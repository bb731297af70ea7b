//! `/mappings`: what clients may ask for in token exchange. `/mapping-decision`: what one of them would get.
//!
//! Paths, JSON and status codes are those of Jwtlet. New: several at once, reading one, filters, pages and revisions.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use moneyer_authority::Authority;
use moneyer_authority::exchange::{
    ClientIdentifier, ExchangeAsk, MappingKey, MappingsError, ParticipantContext, Place,
    ResourceMapping, ScopeName,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::http::authenticate::Operator;
use crate::http::error::Problem;
use crate::http::management::mapping_views::{
    ExchangeDecision, ExchangeQuestion, MappingJson, several,
};
use crate::http::management::revision::{IfMatch, etag};

/// Most mappings in one page.
const MAXIMUM_PAGE: usize = 10_000;

/// Which mappings.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MappingQuery {
    client_identifier: Option<ClientIdentifier>,
    participant_context: Option<ParticipantContext>,
    scope: Option<ScopeName>,
    limit: Option<usize>,
    /// What stood last on the page before: client, and context.
    after_client: Option<ClientIdentifier>,
    after_context: Option<ParticipantContext>,
}

impl MappingQuery {
    fn asks_for(&self, mapping: &ResourceMapping) -> bool {
        let client = self.client_identifier.as_ref();
        let context = self.participant_context.as_ref();
        client.is_none_or(|client| *client == mapping.client_identifier)
            && context.is_none_or(|context| *context == mapping.participant_context)
            && self.scope.as_ref().is_none_or(|scope| mapping.scopes.contains(scope))
    }

    fn after(&self) -> Result<Option<MappingKey>, Problem> {
        match (self.after_client.clone(), self.after_context.clone()) {
            (None, None) => Ok(None),
            (Some(client), Some(context)) => Ok(Some(MappingKey { client, context })),
            _ => Err(Problem::invalid("afterClient and afterContext go together")),
        }
    }
}

/// In the order of client and context. Without `limit` all of them; with one, `Link` leads to the next page.
pub(super) async fn list(
    _: Operator,
    State(authority): State<Authority>,
    query: Result<Query<MappingQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let limit = match query.limit {
        Some(limit) if limit == 0 || limit > MAXIMUM_PAGE => {
            return Err(Problem::invalid(format!("limit: is from 1 to {MAXIMUM_PAGE}")));
        }
        Some(limit) => limit,
        None => usize::MAX,
    };
    let (catalog, after) = (authority.exchange_catalog(), query.after()?);
    let mut found = catalog
        .mappings_after(after.as_ref())
        .map(|kept| &*kept.value)
        .filter(|mapping| query.asks_for(mapping));
    let page: Vec<MappingJson> = found.by_ref().take(limit).map(MappingJson::from).collect();
    let next = match (page.last(), found.next()) {
        (Some(last), Some(_)) => Some(next_page(&query, last, limit)),
        _ => None,
    };
    let mut response = Json(page).into_response();
    if let Some(link) = next.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// RFC 8288. What is filtered by stays.
fn next_page(query: &MappingQuery, last: &MappingJson, limit: usize) -> String {
    let filters = [
        ("afterClient", Some(last.client_identifier.as_str())),
        ("afterContext", Some(last.participant_context.as_str())),
        ("clientIdentifier", query.client_identifier.as_ref().map(ClientIdentifier::as_str)),
        ("participantContext", query.participant_context.as_ref().map(ParticipantContext::as_str)),
        ("scope", query.scope.as_ref().map(ScopeName::as_str)),
    ];
    let said = filters.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let said: Vec<_> = said.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    format!("</api/v1/mappings?limit={limit}&{}>; rel=\"next\"", said.join("&"))
}

/// A text in a path or a query (RFC 3986 section 2.1).
pub(crate) fn escaped(text: &str) -> impl std::fmt::Display {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
}

type KeyPath = Result<Path<(ClientIdentifier, ParticipantContext)>, PathRejection>;

fn key(path: KeyPath) -> Result<MappingKey, Problem> {
    let Path((client, context)) = path?;
    Ok(MappingKey { client, context })
}

pub(super) async fn show(
    _: Operator,
    State(authority): State<Authority>,
    path: KeyPath,
) -> Result<Response, Problem> {
    let key = key(path)?;
    let catalog = authority.exchange_catalog();
    let kept = catalog.mapping(&key).ok_or(MappingsError::NoSuchMapping(key))?;
    Ok((etag(kept.revision), Json(MappingJson::from(&*kept.value))).into_response())
}

fn read(body: Result<Json<Value>, JsonRejection>) -> Result<Vec<ResourceMapping>, Problem> {
    let Json(body) = body?;
    let several = several::<MappingJson>(body).map_err(Problem::invalid)?;
    Ok(several.into_iter().map(ResourceMapping::from).collect())
}

/// One or several, of which none is there yet.
pub(super) async fn create(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let several = read(body)?;
    authority.put_mappings(&operator, several, Place::New).await?;
    Ok(StatusCode::CREATED)
}

/// Several, whether they are there or not: all of them or none.
pub(super) async fn import(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    body: Result<Json<Value>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let several = read(body)?;
    authority.put_mappings(&operator, several, Place::Any).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn update(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    IfMatch(revision): IfMatch,
    path: KeyPath,
    body: Result<Json<MappingJson>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let (key, Json(body)) = (key(path)?, body?);
    let mapping = ResourceMapping::from(body);
    if mapping.key() != key {
        return Err(Problem::invalid("the path and the body name two mappings"));
    }
    authority.put_mappings(&operator, vec![mapping], Place::There(revision)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Also where there is none: it is gone either way.
pub(super) async fn remove(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    IfMatch(revision): IfMatch,
    path: KeyPath,
) -> Result<StatusCode, Problem> {
    authority.remove_mapping(&operator, key(path)?, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Every mapping of a client.
pub(super) async fn remove_client(
    Operator(operator): Operator,
    State(authority): State<Authority>,
    path: Result<Path<ClientIdentifier>, PathRejection>,
) -> Result<StatusCode, Problem> {
    let Path(client) = path?;
    authority.remove_client(&operator, client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a client would get at this moment. Nothing is exchanged.
pub(super) async fn decision(
    _: Operator,
    State(authority): State<Authority>,
    body: Result<Json<ExchangeQuestion>, JsonRejection>,
) -> Result<Json<ExchangeDecision>, Problem> {
    let Json(question) = body?;
    let client = question.client_identifier;
    let (context, scopes) = (question.participant_context, question.scopes);
    let ask = ExchangeAsk { context, scopes, audiences: question.audiences };
    let account = question.service_account_uid.as_deref();
    let decision = authority.decide_exchange(&client, account, &ask);
    let catalog = authority.exchange_catalog();
    let deciding = catalog.deciding(&client, &ask.context);
    Ok(Json(ExchangeDecision::of(decision, deciding.map(|mapping| &**mapping))))
}
