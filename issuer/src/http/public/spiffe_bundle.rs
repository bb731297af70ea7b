//! The bundle endpoint of the profile `https_spiffe`: the trust bundle, and nothing else.
//!
//! SPIFFE Federation section 5. The same bytes as `/.well-known/spiffe-bundle` of the public listener, there and
//! at `/`, for whoever asks and under whatever `Host`.

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;

use super::routes::answer_with;
use crate::documents::PublicDocuments;
use crate::http::error;

/// The endpoint's routes.
pub(crate) fn bundle_router(documents: PublicDocuments) -> Router {
    Router::new().fallback(answer).with_state(documents)
}

async fn answer(State(documents): State<PublicDocuments>, request: Request) -> Response {
    match request.uri().path() {
        "/" | "/.well-known/spiffe-bundle" => answer_with(&documents.now().bundle(), &request),
        _ => error::no_such_path(),
    }
}
