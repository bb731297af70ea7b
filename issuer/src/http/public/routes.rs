//! Which request is answered with which document.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::documents::{Document, PublicDocuments};
use crate::http::error;

/// The public listener's routes: a look-up, since the paths change when the issuer moves.
pub(crate) fn router(documents: PublicDocuments) -> Router {
    Router::new().fallback(answer).with_state(documents)
}

async fn answer(State(documents): State<PublicDocuments>, request: Request) -> Response {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(Authority::as_str).or(named);
    let Some(document) = documents.find(host, request.uri().path()) else {
        return error::no_such_path();
    };
    answer_with(&document, &request)
}

/// A document to whoever asks to read it.
pub(super) fn answer_with(document: &Document, request: &Request) -> Response {
    match *request.method() {
        Method::GET | Method::HEAD => whole_or_known(document, request.headers()),
        _ => error::only_get(),
    }
}

/// The whole document, or 304 to a client that has it.
fn whole_or_known(document: &Document, request: &HeaderMap) -> Response {
    let headers = [
        (header::ETAG, document.etag().clone()),
        (header::CACHE_CONTROL, document.cache_control().clone()),
    ];
    if is_known(document, request) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, document.media_type().clone())];
    (headers, media_type, document.body().clone()).into_response()
}

/// `If-None-Match` by weak comparison (RFC 9110 section 13.1.2).
fn is_known(document: &Document, request: &HeaderMap) -> bool {
    let ours = document.etag().as_bytes();
    request.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        value.as_bytes().split(|&byte| byte == b',').any(|tag| {
            let tag = tag.trim_ascii();
            tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == ours
        })
    })
}
