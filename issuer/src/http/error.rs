//! The only place that turns an error into an HTTP answer.
//!
//! RFC 9457 problem details. An operator is told what failed and what to do; the cause of an internal failure goes to
//! the log, under the request id the answer carries. Whoever is not authenticated is told one constant text, whatever
//! it showed.

use std::error::Error;

use axum::Router;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use moneyer_authority::audiences::AudiencesError;
use moneyer_authority::audit::AuditError;
use moneyer_authority::enrollment::{AuthenticateError, EnrollmentError};
use moneyer_authority::exchange::MappingsError;
use moneyer_authority::federation::FederationsError;
use moneyer_authority::issuers::IssuersError;
use moneyer_authority::keys::KeysError;
use moneyer_authority::login::{LoginError, PoliciesError};
use moneyer_authority::mint::MintError;
use moneyer_authority::providers::ProvidersError;
use moneyer_authority::registry::RegistryError;
use moneyer_authority::store::StoreError;
use moneyer_authority::{ConfirmError, RemoveError};
use moneyer_identity::{ErrorClass, TokenId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::kept_store::BackupError;
use crate::publish::NoTarget;

/// All that is told to whoever is not authenticated.
const NOT_AUTHENTICATED: &str =
    "what was shown is not accepted; the coordinator's audit log says why a log-in was refused";

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    class: ErrorClass,
    detail: String,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Problem {
    /// The request cannot succeed as it stands.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self { class: ErrorClass::Invalid, detail: detail.into(), cause: None }
    }

    /// There is no such thing.
    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self { class: ErrorClass::NotFound, detail: detail.into(), cause: None }
    }

    fn of(class: ErrorClass, error: impl Error + Send + Sync + 'static) -> Self {
        let detail = match class {
            ErrorClass::Unauthenticated => NOT_AUTHENTICATED.to_owned(),
            ErrorClass::Internal => "something went wrong; the log says what".to_owned(),
            _ => error.to_string(),
        };
        Self { class, detail, cause: Some(Box::new(error)) }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<EnrollmentError> for Problem {
    fn from(error: EnrollmentError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<BackupError> for Problem {
    fn from(error: BackupError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<KeysError> for Problem {
    fn from(error: KeysError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<ConfirmError> for Problem {
    fn from(error: ConfirmError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<NoTarget> for Problem {
    fn from(error: NoTarget) -> Self {
        Self::of(NoTarget::CLASS, error)
    }
}

impl From<AudiencesError> for Problem {
    fn from(error: AudiencesError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<FederationsError> for Problem {
    fn from(error: FederationsError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<PoliciesError> for Problem {
    fn from(error: PoliciesError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<ProvidersError> for Problem {
    fn from(error: ProvidersError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<MappingsError> for Problem {
    fn from(error: MappingsError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Mint(error) => error.into(),
            // Strangers learn nothing of what there is here.
            error @ (LoginError::NoBundle(_) | LoginError::Unreadable) => {
                let detail = "nobody can log in at this time".to_owned();
                Self { class: error.class(), detail, cause: Some(Box::new(error)) }
            }
            error @ LoginError::TooOften(_) => {
                let detail = "too many log-ins; try again later".to_owned();
                Self { class: error.class(), detail, cause: Some(Box::new(error)) }
            }
            error => Self::of(error.class(), error),
        }
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

impl From<IssuersError> for Problem {
    fn from(error: IssuersError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<MintError> for Problem {
    fn from(error: MintError) -> Self {
        // An operator may know what exists; a runner is told less.
        let detail = match &error {
            MintError::Registry(cause) if error.class() == ErrorClass::NotFound => {
                cause.to_string()
            }
            _ => error.told(),
        };
        Self { class: error.class(), detail, cause: Some(Box::new(error)) }
    }
}

impl From<AuthenticateError> for Problem {
    fn from(error: AuthenticateError) -> Self {
        Self::of(error.class(), error)
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid(rejection.body_text())
    }
}

/// RFC 9457 section 3.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Body<'a> {
    title: &'static str,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
}

fn status(class: ErrorClass) -> (StatusCode, &'static str) {
    match class {
        ErrorClass::Invalid => (StatusCode::BAD_REQUEST, "Bad request"),
        ErrorClass::Unauthenticated => (StatusCode::UNAUTHORIZED, "Not authenticated"),
        ErrorClass::Denied => (StatusCode::FORBIDDEN, "Not allowed"),
        ErrorClass::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        ErrorClass::Conflict => (StatusCode::CONFLICT, "Conflict"),
        ErrorClass::Exhausted => (StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
        ErrorClass::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
        ErrorClass::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title) = status(self.class);
        let request_id = TokenId::random().map(|id| id.as_str().to_owned()).unwrap_or_default();
        if status.is_server_error() {
            let cause = self.cause.as_deref().map(|cause| crate::chain(cause)).unwrap_or_default();
            tracing::error!(request.id = request_id, error.cause = cause, "request failed");
        }
        let mut response = answer(status, title, &self.detail, &request_id);
        if status == StatusCode::UNAUTHORIZED {
            let cause = self.cause.as_deref().map(|cause| crate::chain(cause)).unwrap_or_default();
            // Strangers cause it: what an operator has to see is in the audit log, which counts them together.
            tracing::debug!(request.id = request_id, error.cause = cause, "not authenticated");
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

fn answer(status: StatusCode, title: &'static str, detail: &str, request_id: &str) -> Response {
    let body = Body { title, status: status.as_u16(), detail, request_id };
    let json = serde_json::to_vec(&body).unwrap_or_default();
    let content_type = HeaderValue::from_static("application/problem+json");
    let no_store = HeaderValue::from_static("no-store");
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, no_store)];
    (status, headers, json).into_response()
}

/// There is nothing at this path.
pub(crate) fn no_such_path() -> Response {
    answer(StatusCode::NOT_FOUND, "Not found", "there is nothing at this path", "")
}

/// There is something, and it can only be read.
pub(crate) fn only_get() -> Response {
    let mut response = wrong_method();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
    response
}

fn wrong_method() -> Response {
    let detail = "this path does not take this method";
    answer(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail, "")
}

/// Answers for paths and methods that are not there.
pub(crate) fn with_fallbacks<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router
        .fallback(|| async { no_such_path() })
        .method_not_allowed_fallback(|| async { wrong_method() })
}
