//! Answers of the token server: the only place that knows its status codes.
//!
//! A token is `{"value": …}`, the shape of GitHub Actions' endpoint; a refusal is
//! `{"error": …, "error_description": …}` as in RFC 6749 section 5.2. Nothing is ever stored by
//! anyone on the way. A description never repeats what was sent.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use moneyer_identity::{ErrorClass, IssueError, MintedToken};

use super::origin::OriginError;
use super::query::QueryError;

/// How long a client should wait before it asks again: the runner proxy tries to reach the
/// coordinator at least this often.
const RETRY_AFTER_SECONDS: &str = "5";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It comes from somewhere else.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// Nothing is served there.
    #[error("there is nothing here; tokens are at /v1/token")]
    Path,
    /// Not GET.
    #[error("only GET is served")]
    Method,
    /// No `Authorization: Bearer …`, or a malformed one.
    #[error("an Authorization header with the sandbox's secret as bearer is needed")]
    Credentials,
    /// Not the secret of the sandbox that is asked for.
    #[error("the secret does not match the sandbox")]
    Secret,
    /// The query is refused.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The coordinator's answer.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The proxy's own state is inconsistent.
    #[error("the runner proxy failed")]
    Internal,
}

/// What a class of the coordinator's answers becomes. That the coordinator does not accept this
/// runner is not the sandbox's to see: to it the coordinator is away.
fn of_class(class: ErrorClass) -> (StatusCode, &'static str, Option<&'static str>) {
    match class {
        ErrorClass::Invalid => (StatusCode::BAD_REQUEST, "invalid_request", None),
        ErrorClass::Denied | ErrorClass::NotFound => (StatusCode::FORBIDDEN, "access_denied", None),
        ErrorClass::Exhausted => {
            (StatusCode::TOO_MANY_REQUESTS, "slow_down", Some(RETRY_AFTER_SECONDS))
        }
        ErrorClass::Unavailable | ErrorClass::Unauthenticated => {
            (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", Some(RETRY_AFTER_SECONDS))
        }
        ErrorClass::Conflict | ErrorClass::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "server_error", None)
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error, header): (_, _, Option<(HeaderName, &'static str)>) = match &self {
            Self::Origin(_) | Self::Secret => (StatusCode::FORBIDDEN, "access_denied", None),
            Self::Path => (StatusCode::NOT_FOUND, "not_found", None),
            Self::Method => {
                (StatusCode::METHOD_NOT_ALLOWED, "invalid_request", Some((ALLOW, "GET")))
            }
            Self::Credentials => {
                (StatusCode::UNAUTHORIZED, "invalid_client", Some((WWW_AUTHENTICATE, "Bearer")))
            }
            Self::Query(_) => (StatusCode::BAD_REQUEST, "invalid_request", None),
            Self::Issue(issue) => {
                let (status, error, retry) = of_class(issue.class);
                (status, error, retry.map(|seconds| (RETRY_AFTER, seconds)))
            }
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "server_error", None),
        };
        let body = Json(serde_json::json!({
            "error": error,
            "error_description": self.to_string(),
        }));
        let mut response = (status, no_store(), body).into_response();
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// The answer with a token.
pub(super) fn token(minted: &MintedToken) -> Response {
    let body = Json(serde_json::json!({ "value": minted.token.expose() }));
    (no_store(), body).into_response()
}

fn no_store() -> [(HeaderName, &'static str); 1] {
    [(CACHE_CONTROL, "no-store")]
}
