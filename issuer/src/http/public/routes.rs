//! Which request is answered with which document.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{Method, header};
use axum::response::Response;

use crate::http::error;
use crate::http::public::document::PublicDocuments;

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
    match *request.method() {
        Method::GET | Method::HEAD => document.answer(request.headers()),
        _ => error::only_get(),
    }
}
