//! Errors of the token endpoint (RFC 6749 section 5.2, RFC 8693 section 2.2.2): JSON with a code, for programs.
//!
//! Whoever proved nothing, or is granted nothing, is told the code and a request id; the reason is in the audit log.
//! [`Dialect::Jwtlet`] answers with the codes of Jwtlet, for clients that were written for it.

use axum::extract::rejection::FormRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use moneyer_authority::exchange::{ExchangeError, NotGranted, RequestError};
use moneyer_identity::{ErrorClass, TokenId};
use schemars::JsonSchema;
use serde::Serialize;

/// Whose error codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Those of the standards.
    Rfc8693,
    /// Those of Jwtlet.
    Jwtlet,
}

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct OauthError {
    status: StatusCode,
    code: &'static str,
    description: String,
    reason: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OauthError")]
pub(super) struct Body<'a> {
    error: &'static str,
    error_description: &'a str,
    request_id: &'a str,
}

impl OauthError {
    /// Of a body that is no form.
    pub(crate) fn form(rejection: &FormRejection) -> Self {
        let description = "the body is not application/x-www-form-urlencoded".to_owned();
        let reason = rejection.body_text();
        Self { status: StatusCode::BAD_REQUEST, code: "invalid_request", description, reason }
    }
}

impl Dialect {
    /// As the configuration says.
    pub(crate) fn of(jwtlet: bool) -> Self {
        if jwtlet { Self::Jwtlet } else { Self::Rfc8693 }
    }

    /// What is answered.
    pub(crate) fn error(self, error: &ExchangeError) -> OauthError {
        let (status, code) = match self {
            Self::Rfc8693 => rfc8693(error),
            Self::Jwtlet => jwtlet(error),
        };
        let description = match error {
            ExchangeError::Request(request) => request.to_string(),
            _ => described(code).to_owned(),
        };
        OauthError { status, code, description, reason: crate::chain(error) }
    }
}

fn rfc8693(error: &ExchangeError) -> (StatusCode, &'static str) {
    let refused = StatusCode::BAD_REQUEST;
    match error {
        ExchangeError::Request(RequestError::GrantType) => (refused, "unsupported_grant_type"),
        ExchangeError::Request(RequestError::Scope(_))
        | ExchangeError::NotGranted(NotGranted::Scope(_) | NotGranted::Clash(_)) => {
            (refused, "invalid_scope")
        }
        ExchangeError::Request(RequestError::Context(_) | RequestError::Audience(_))
        | ExchangeError::NotGranted(_) => (refused, "invalid_target"),
        error => other(error, (refused, "invalid_request")),
    }
}

fn jwtlet(error: &ExchangeError) -> (StatusCode, &'static str) {
    let refused = StatusCode::BAD_REQUEST;
    match error {
        ExchangeError::Request(RequestError::GrantType) => (refused, "unsupported_grant_type"),
        ExchangeError::NotGranted(NotGranted::Clash(_)) => (refused, "invalid_scope"),
        ExchangeError::NotGranted(_) => (StatusCode::FORBIDDEN, "unauthorized_client"),
        ExchangeError::Request(_) => (refused, "invalid_request"),
        error => other(error, (refused, "invalid_grant")),
    }
}

/// What is no fault of the request; `refused` for everything else.
fn other(error: &ExchangeError, refused: (StatusCode, &'static str)) -> (StatusCode, &'static str) {
    match error.class() {
        ErrorClass::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        ErrorClass::Exhausted => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
        ErrorClass::Internal | ErrorClass::Conflict | ErrorClass::NotFound => {
            (StatusCode::INTERNAL_SERVER_ERROR, "server_error")
        }
        ErrorClass::Invalid | ErrorClass::Unauthenticated | ErrorClass::Denied => refused,
    }
}

fn described(code: &str) -> &'static str {
    match code {
        "invalid_scope" => "a scope is not granted, or scopes do not go together",
        "invalid_target" => "the resource or an audience is not granted",
        "unauthorized_client" => "the resource, a scope or an audience is not granted",
        "temporarily_unavailable" => "try again later",
        "server_error" => "something went wrong; the log says what",
        _ => "a token that was shown is not accepted",
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let Self { status, code, description, reason } = self;
        let request_id = TokenId::random().map(|id| id.as_str().to_owned()).unwrap_or_default();
        if status.is_server_error() {
            tracing::error!(request.id = request_id, error.cause = reason, "an exchange failed");
        } else {
            tracing::debug!(
                request.id = request_id,
                error.cause = reason,
                "an exchange is refused"
            );
        }
        let body = Body { error: code, error_description: &description, request_id: &request_id };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let fields = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::PRAGMA, HeaderValue::from_static("no-cache")),
        ];
        (status, fields, json).into_response()
    }
}
