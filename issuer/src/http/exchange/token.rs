//! `POST /token`: token exchange (RFC 8693).
//!
//! A form (RFC 6749 section 4, appendix B) is answered with JSON that nobody keeps. What is wrong with the request is
//! told, since its writer has to mend it; what is wrong with a proof, or with what is asked of a mapping, is told by an
//! error code alone.

use axum::Form;
use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use moneyer_authority::exchange::{
    ExchangeError, ExchangeRequest, ExchangedToken, ScopeName, TokenType,
};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::routes::ExchangeState;
use crate::http::oauth_error::OauthError;

/// The answer of RFC 8693 section 2.2.1.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TokenView<'a> {
    access_token: &'a str,
    issued_token_type: &'static str,
    token_type: &'static str,
    expires_in: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

pub(super) async fn exchange(
    State(state): State<ExchangeState>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, OauthError> {
    let since = Instant::now();
    let dialect = state.errors;
    let Form(parameters) = form.map_err(|rejection| OauthError::form(&rejection))?;
    let request = ExchangeRequest::parse(&parameters)
        .map_err(|error| dialect.error(&ExchangeError::Request(error)))?;
    let (requested, named_scopes) = (request.requested, request.named_scopes);
    let outcome = state.exchange.exchange(request).await;
    state.metrics.exchanged(since, outcome.as_ref().map(drop).map_err(ExchangeError::class));
    let token = outcome.map_err(|error| dialect.error(&error))?;
    Ok(answer(&token, requested, named_scopes))
}

fn answer(token: &ExchangedToken, requested: TokenType, named_scopes: bool) -> Response {
    let scopes: Vec<_> = token.scopes.iter().map(ScopeName::as_str).collect();
    let view = TokenView {
        access_token: token.minted.token.expose(),
        issued_token_type: requested.as_str(),
        token_type: requested.usage(),
        expires_in: token.minted.expires_in.seconds(),
        scope: (named_scopes && !scopes.is_empty()).then(|| scopes.join(" ")),
    };
    let fields = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    (fields, axum::Json(view)).into_response()
}
