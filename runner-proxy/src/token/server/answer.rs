//! Answers of the token server: the only place that knows its status codes.
//!
//! A token is `{"value": …}`, the shape of GitHub Actions' endpoint; a refusal is
//! `{"error": …, "error_description": …}` as in RFC 6749 section 5.2. Nothing is ever stored by
//! anyone on the way. A description never repeats what was sent.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode, header};
use moneyer_identity::{ErrorClass, IssueError, MintedToken};

use super::origin::OriginError;
use super::query::QueryError;

/// How long a client should wait before it asks again, where the coordinator has not said: the runner
/// proxy tries to reach it at least this often.
const RETRY_AFTER: Duration = Duration::from_secs(5);

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
}

/// What a class of the coordinator's answers becomes. That the coordinator does not accept this
/// runner is not the sandbox's to see: to it the coordinator is away.
fn of_class(class: ErrorClass) -> (StatusCode, &'static str) {
    match class {
        ErrorClass::Invalid => (StatusCode::BAD_REQUEST, "invalid_request"),
        ErrorClass::Denied | ErrorClass::NotFound => (StatusCode::FORBIDDEN, "access_denied"),
        ErrorClass::Exhausted => (StatusCode::TOO_MANY_REQUESTS, "slow_down"),
        ErrorClass::Unavailable | ErrorClass::Unauthenticated => {
            (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
        }
        ErrorClass::Conflict | ErrorClass::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "server_error")
        }
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): whole seconds, never sooner than was said.
fn retry_after(issue: &IssueError) -> Option<HeaderValue> {
    let pause = match issue.class {
        ErrorClass::Exhausted | ErrorClass::Unavailable | ErrorClass::Unauthenticated => {
            issue.retry_after.unwrap_or(RETRY_AFTER)
        }
        ErrorClass::Invalid
        | ErrorClass::Denied
        | ErrorClass::NotFound
        | ErrorClass::Conflict
        | ErrorClass::Internal => return None,
    };
    Some(HeaderValue::from(pause.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)))
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let constant = HeaderValue::from_static;
        let (status, error, told): (_, _, Option<(HeaderName, HeaderValue)>) = match &self {
            Self::Origin(_) | Self::Secret => (StatusCode::FORBIDDEN, "access_denied", None),
            Self::Path => (StatusCode::NOT_FOUND, "not_found", None),
            Self::Method => {
                (StatusCode::METHOD_NOT_ALLOWED, "invalid_request", Some((ALLOW, constant("GET"))))
            }
            Self::Credentials => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                Some((WWW_AUTHENTICATE, constant("Bearer"))),
            ),
            Self::Query(_) => (StatusCode::BAD_REQUEST, "invalid_request", None),
            Self::Issue(issue) => {
                let (status, error) = of_class(issue.class);
                (status, error, retry_after(issue).map(|seconds| (header::RETRY_AFTER, seconds)))
            }
        };
        let body = Json(serde_json::json!({
            "error": error,
            "error_description": self.to_string(),
        }));
        let mut response = (status, no_store(), body).into_response();
        if let Some((name, value)) = told {
            response.headers_mut().insert(name, value);
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
